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
from tinygrad_edu.errors import FileError, SettingError
from tinygrad_edu.train import SGD, Adam, cosine, fit

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


def test_a_killed_run_goes_on_with_the_same_bits(tmp_path):
    """kill -9 in the middle of training, the same script again: the same weights."""
    script = tmp_path / "run.py"
    script.write_text(
        textwrap.dedent(
            """
            import sys, time
            sys.path.insert(0, sys.argv[2])
            from test_resume import model, numbers, train
            net = model()
            slow = lambda history, _: time.sleep(float(sys.argv[3]))
            train(net, 25, False, checkpoint=sys.argv[1], callbacks=[slow])
            print(numbers(net))
            """
        ),
        encoding="utf-8",
    )

    def start(file, pause):
        command = [sys.executable, script, file, Path(__file__).parent, str(pause)]
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


def test_patience_ends_the_run_and_restores_the_best_weights():
    """Validation that gets worse: the weights are those of its best epoch, not the last."""
    net, seen = nn.MLP(2, [4, 2], rng=Random(0)), []
    validation = (X[:10], [1 - y for y in Y[:10]])  # the opposite: it gets worse soon

    history = fit(
        net, nn.cross_entropy, X, Y, epochs=200, batch_size=10, patience=3, progress=False,
        validation=validation, callbacks=[lambda _, model: seen.append(numbers(model))],
        optimizer=SGD(net.parameters(), 0.3),
    )  # fmt: skip

    best = min(range(len(seen)), key=lambda i: history.validation_loss[i])
    assert history.stopped == "patience"
    assert len(seen) == best + 1 + 3
    assert numbers(net) == seen[best]


def test_the_best_weights_survive_a_restart(tmp_path):
    """Stopped after the best epoch, resumed until patience ends: still the best ones."""
    runs = []
    for parts in ([100], [4, 100]):
        for epochs in parts:
            net = nn.MLP(2, [4, 2], rng=Random(0))
            fit(
                net, nn.cross_entropy, X, Y, epochs=epochs, batch_size=10, patience=5,
                validation=(X[:10], [1 - y for y in Y[:10]]), progress=False,
                optimizer=SGD(net.parameters(), 0.3), checkpoint=tmp_path / f"{len(parts)}.json",
            )  # fmt: skip
        runs.append(numbers(net))

    assert runs[0] == runs[1]


def test_a_callback_ends_the_run():
    """By True alone; other answers mean nothing."""
    answers = iter([None, 1, "stop", True])
    history = train(model(), 9, False, callbacks=[lambda *_: next(answers)])

    assert history.stopped == "callback"
    assert len(history.loss) == 4


def test_a_file_of_another_optimizer_is_refused(tmp_path):
    """Its moments would mean nothing; nothing is changed."""
    train(model(), 1, False, checkpoint=tmp_path / "run.json")
    net = model()
    before = numbers(net)

    with pytest.raises(FileError, match="written by Adam of 37 parameters, not by SGD of 37"):
        fit(
            net, nn.cross_entropy, X, Y, batch_size=10, checkpoint=tmp_path / "run.json",
            optimizer=SGD(net.parameters(), 0.1), progress=False,
        )  # fmt: skip

    assert numbers(net) == before


def test_a_file_of_weights_alone_is_refused(tmp_path):
    """It has no state to go on from."""
    net = model()
    nn.save(net, tmp_path / "run.json")

    with pytest.raises(FileError, match="a model without the state of its training"):
        train(net, 1, False, checkpoint=tmp_path / "run.json")


def test_a_damaged_file_is_refused(tmp_path):
    """By its checksum, and left as it is."""
    file = tmp_path / "run.json"
    train(model(), 1, False, checkpoint=file)
    damaged = file.read_bytes().replace(b"1", b"2", 1)
    file.write_bytes(damaged)

    with pytest.raises(FileError):
        train(model(), 2, False, checkpoint=file)

    assert file.read_bytes() == damaged


def test_a_folder_that_is_a_file_is_refused_before_training(tmp_path):
    """Not after the first epoch."""
    (tmp_path / "file").write_text("")

    with pytest.raises(FileError, match="can't be written to"):
        train(model(), 1, False, checkpoint=tmp_path / "file" / "run.json")


@pytest.mark.parametrize("patience", [0, -1, 1.5, True])
def test_patience_is_a_whole_number(patience):
    """Refused before work starts."""
    with pytest.raises(SettingError, match="patience is"):
        train(model(), 1, False, patience=patience)


def test_a_history_may_be_filled_on():
    """Without a checkpoint, a second run adds its own epochs to the first's."""
    net = model()
    history = train(net, 2, False)

    again = train(net, 3, False, history=history)

    assert again is history
    assert len(history.loss) == len(history.learning_rate) == 5
    assert history.stopped == "epochs"
