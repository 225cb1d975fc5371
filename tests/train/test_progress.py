"""The progress of a run: tqdm's bar where it is wanted, and one line per epoch."""

import sys
from dataclasses import replace

import pytest

from tinygrad_edu.engine.errors import MissingExtraError
from tinygrad_edu.train import History
from tinygrad_edu.train.progress import epoch_line, progress_bar

HISTORY = History(loss=[0.5], accuracy=[0.75], seconds=[1.25])


@pytest.mark.parametrize("wanted", [True, None])
def test_a_bar_counts_batches_and_writes_a_line_per_epoch(wanted, capsys):
    """Those done before a restart are counted, too."""
    pytest.importorskip("tqdm")

    with progress_bar(10, wanted, done=4) as progress:
        progress.advance(0.5)
        progress.end_epoch(HISTORY)
        done = progress.bar.n

    assert done == 5
    assert epoch_line(HISTORY, 0) in capsys.readouterr().out


def test_no_bar_is_shown_where_none_is_wanted(capsys):
    """Everything may be called, and nothing is written."""
    with progress_bar(10, False, done=4) as progress:
        progress.advance(0.5)
        progress.end_epoch(HISTORY)

    assert progress.bar is None
    assert capsys.readouterr() == ("", "")


def test_a_bar_that_is_asked_for_needs_tqdm(monkeypatch):
    """The error names the command that installs it."""
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)

    with pytest.raises(MissingExtraError, match="the progress bar needs tqdm"):
        progress_bar(10, True).__enter__()


def test_a_line_tells_the_measures_of_its_epoch():
    """Those of validation only where there are any."""
    line = epoch_line(HISTORY, 0)
    judged = epoch_line(replace(HISTORY, validation_loss=[0.75], validation_accuracy=[0.5]), 0)

    assert line == "epoch   1: loss 0.5000, accuracy  75.0%, 1.2 s"
    assert "held out: loss 0.7500, accuracy  50.0%" in judged
