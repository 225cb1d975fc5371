"""A run that was stopped goes on with the same bits; its stops, its best weights, its file."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from random import Random

import pytest

from tinygrad_edu import nn
from tinygrad_edu.engine.errors import AnomalyError, FileError, SettingError
from tinygrad_edu.train import SGD, Adam, cosine, fit
from tinygrad_edu.train.resume import Checkpoint

ROOT = Path(__file__).parents[2]
X = [[i / 20, (i % 7) / 7] for i in range(40)]
Y = [int(3 * a > 2 * b) for a, b in X]


def model():
    """Everything that remembers: running statistics, masks, moments."""
    rng = Random(0)
    return nn.Sequential(
        nn.Layer(2, 5, rng=rng), nn.BatchNorm(5), "relu", nn.Dropout(0.2, rng),
        nn.Layer(5, 2, rng=rng),
    )  # fmt: skip


def train(net, epochs, compiled, **settings):
    """A run with every random part in it."""
    return fit(
        net, nn.cross_entropy, X, Y, epochs=epochs, batch_size=10, rng=Random(1), progress=False,
        optimizer=Adam(net.parameters(), 0.02, schedule=cosine(40)), validation=(X[:10], Y[:10]),
        compiled=compiled, **settings,
    )  # fmt: skip


def numbers(net):
    """Parameters and buffers."""
    return [v.data for _, v in (*net.named_parameters(), *net.named_buffers())]


def opposite(path, epochs, **limits):
    """A run whose validation loss gets worse soon, and its weights."""
    net = nn.MLP(2, [4, 2], rng=Random(0))
    history = fit(
        net, nn.cross_entropy, X, Y, epochs=epochs, batch_size=10, progress=False, **limits,
        validation=(X[:10], [1 - y for y in Y[:10]]), checkpoint=path,
        optimizer=SGD(net.parameters(), 0.3),
    )  # fmt: skip
    history.seconds = []
    return history, numbers(net)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("stop", [1, 4, 9])
def test_a_resumed_run_has_the_bits_of_an_uninterrupted_one(tmp_path, stop, compiled):
    """Weights, running statistics and the whole history but the times."""
    whole, first, second = model(), model(), model()
    history = train(whole, 10, compiled)

    train(first, stop, compiled, checkpoint=tmp_path / "run.json")
    resumed = train(second, 10, compiled, checkpoint=tmp_path / "run.json")

    assert numbers(second) == numbers(whole)
    resumed.seconds = history.seconds
    assert resumed == history


@pytest.mark.slow
def test_a_killed_run_goes_on_with_the_same_bits(tmp_path):
    """kill -9 in the middle of training, the same script again: the same weights."""
    script = tmp_path / "run.py"
    script.write_text(
        textwrap.dedent(
            """
            import sys, time
            from tests.train.test_resume import model, numbers, train
            net = model()
            slow = lambda history, _: time.sleep(float(sys.argv[2]))
            train(net, 25, False, checkpoint=sys.argv[1], callbacks=[slow])
            print(numbers(net))
            """
        ),
        encoding="utf-8",
    )

    def start(file, pause):
        command = [sys.executable, script, file, str(pause)]
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)}
        )

    expected = start(tmp_path / "whole.json", 0.0).communicate(timeout=60)[0]
    killed = start(tmp_path / "run.json", 0.05)
    end = time.monotonic() + 30
    while not (tmp_path / "run.json").exists() and time.monotonic() < end:
        time.sleep(0.01)
    time.sleep(0.3)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    resumed = start(tmp_path / "run.json", 0.0).communicate(timeout=60)[0]

    assert killed.returncode == -signal.SIGKILL
    assert resumed == expected != ""


def test_a_history_may_be_filled_on():
    """Without a checkpoint, a second run adds its own epochs to the first's."""
    net = model()
    history = train(net, 2, False)

    again = train(net, 3, False, history=history)

    assert again is history
    assert len(history.loss) == len(history.learning_rate) == 5
    assert history.stopped == "epochs"


@pytest.mark.parametrize(
    ("before", "limits"),
    [
        ({"epochs": 4, "patience": 5}, {"patience": 5}),
        ({"patience": 2}, {"patience": 12}),
        ({"patience": 2}, {}),
        ({"stop_below": 100.0}, {"stop_below": 1e-9}),
        ({"stop_below": 100.0}, {}),
    ],
)
def test_a_run_that_was_stopped_goes_on_with_wider_limits(tmp_path, before, limits):
    """The bits of a run that always had them: its history, and the weights of its best epoch."""
    stopped, _ = opposite(tmp_path / "parts.json", **{"epochs": 30} | before)

    resumed = opposite(tmp_path / "parts.json", 30, **limits)

    assert len(stopped.loss) < len(resumed[0].loss)
    assert resumed == opposite(tmp_path / "whole.json", 30, **limits)


@pytest.mark.parametrize("limits", [{"patience": 2}, {"stop_below": 100.0}])
def test_a_run_that_was_stopped_stays_so_under_the_same_limits(tmp_path, limits):
    """The same script again trains no further."""
    first = opposite(tmp_path / "run.json", 30, **limits)

    assert opposite(tmp_path / "run.json", 60, **limits) == first


def test_patience_does_not_count_epochs_that_it_did_not_see(tmp_path):
    """Epochs without patience in between: the best epoch before them is out of date."""
    opposite(tmp_path / "run.json", 2, patience=50)
    opposite(tmp_path / "run.json", 9)

    history, _ = opposite(tmp_path / "run.json", 30, patience=3)

    assert len(history.loss) == 9 + 1 + 3


def kept(tmp_path, **settings):
    """A checkpoint of a run with these settings."""
    return Checkpoint(tmp_path / "run.json", settings)


def damaged(file):
    """Write a checkpoint, and change one digit of a weight, near the end."""
    train(model(), 1, False, checkpoint=file)
    file.write_bytes(b"2".join(file.read_bytes().rsplit(b"1", 1)))


def of_settings(file):
    """Write a checkpoint that keeps settings."""
    train(model(), 1, False, checkpoint=Checkpoint(file, {"data": "a", "seed": 0, "rate": 0.5}))


@pytest.mark.parametrize(
    ("write", "settings", "message"),
    [
        (lambda file: opposite(file, 1), {}, "written by SGD of 22 param.*, not by Adam of 37"),
        (lambda file: nn.save(model(), file), {}, "a model without the state of its training"),
        (damaged, {}, "damaged"),
        (of_settings, {"data": "b", "seed": 1, "rate": 0.5},
         "settings: data was 'a', is 'b'; seed was 0, is 1.\n"),
        (Path.touch, {"a": {1, 2}}, "can't keep these settings"),
        (Path.touch, {"a": float("nan")}, "can't keep these settings"),
        (Path.touch, {"a": object()}, "can't keep these settings"),
    ],
)  # fmt: skip
def test_a_run_that_can_not_go_on_is_refused_before_training(tmp_path, write, settings, message):
    """In words, and nothing is changed, neither the weights nor the file."""
    file, net = tmp_path / "run.json", model()
    write(file)
    before, content = numbers(net), file.read_bytes()

    with pytest.raises(FileError, match=message):
        train(net, 2, False, checkpoint=Checkpoint(file, settings))

    assert (numbers(net), file.read_bytes()) == (before, content)


@pytest.mark.parametrize(
    ("path", "error", "message"),
    [
        (3, SettingError, "the path is"),
        (["run.json"], SettingError, "the path is"),
        (Path(__file__) / "run.json", FileError, "can't be written to"),
    ],
)
def test_a_path_that_no_file_can_have_is_refused_before_training(path, error, message):
    """Not after the first epoch."""
    with pytest.raises(error, match=message):
        train(model(), 1, False, checkpoint=path)


def test_a_file_from_before_settings_were_kept_goes_on(tmp_path):
    """What it does not say is not compared."""
    file = tmp_path / "run.json"
    train(model(), 1, False, checkpoint=file)
    net = model()
    facts = nn.read(file)
    nn.load(net, file)
    del facts["settings"]
    nn.save(net, file, **facts)

    assert len(train(net, 2, False, checkpoint=kept(tmp_path, data="b")).loss) == 2


def test_a_run_may_begin_anew_where_another_was(tmp_path):
    """The file is replaced by the first epoch, not before: a refused run costs nothing."""
    train(model(), 3, False, checkpoint=tmp_path / "run.json")
    anew = Checkpoint(tmp_path / "run.json", resume=False)
    seen = []

    train(
        model(), 1, False, checkpoint=anew,
        callbacks=[lambda *_: seen.append(len(nn.read(anew.path)["history"]["loss"]))],
    )  # fmt: skip

    assert seen == [3]
    assert len(nn.read(anew.path)["history"]["loss"]) == 1


@pytest.mark.parametrize("compiled", [False, True])
def test_an_epoch_that_diverges_is_not_saved(tmp_path, compiled):
    """The error names what is not finite and the epoch; the file is that of the epoch before."""
    net = nn.MLP(2, [4, 2], rng=Random(0))
    optimizer = SGD(net.parameters(), 0.1, schedule=lambda step: 1.0 if step < 8 else 1e307)

    with pytest.raises(AnomalyError, match=r"became -?(nan|inf)"):
        fit(
            net, nn.cross_entropy, X, Y, epochs=9, batch_size=40, optimizer=optimizer,
            validation=(X, Y), checkpoint=tmp_path / "run.json", progress=False, compiled=compiled,
        )  # fmt: skip

    assert len(nn.read(tmp_path / "run.json")["history"]["loss"]) == 8


def test_patience_that_is_new_counts_from_where_the_run_goes_on(tmp_path):
    """A run that ended by its threshold had no best epoch: it is not out of patience at once."""
    opposite(tmp_path / "run.json", 30, stop_below=100.0)

    history, _ = opposite(tmp_path / "run.json", 30, patience=1)

    assert len(history.loss) > 1


def test_a_tuple_among_the_settings_is_the_same_when_it_is_read(tmp_path):
    """JSON makes a list of it."""
    train(model(), 1, False, checkpoint=kept(tmp_path, widths=(4, 3)))

    train(model(), 2, False, checkpoint=kept(tmp_path, widths=(4, 3)))
