"""What ends a run: a threshold, patience, a callback; and the best weights are kept."""

from random import Random

import numpy as np
import pytest

from tinygrad_edu import nn
from tinygrad_edu.train import SGD, History, fit
from tinygrad_edu.train.stopping import Stopping

X = [[i / 20, (i % 7) / 7] for i in range(40)]
Y = [int(3 * a > 2 * b) for a, b in X]
WORSE = (X[:10], [1 - y for y in Y[:10]])  # the opposite: its loss rises soon


def train(**settings):
    """A network for two classes, and the history of its training."""
    net = nn.MLP(2, [4, 2], rng=Random(0))
    settings = {"epochs": 9, "batch_size": 10, "validation": WORSE, "progress": False} | settings
    return net, fit(net, nn.cross_entropy, X, Y, optimizer=SGD(net.parameters(), 0.3), **settings)


def numbers(net):
    """Parameters and buffers."""
    return [value.data for _, value in net.named_values()]


@pytest.mark.parametrize("compiled", [True, False])
def test_patience_ends_the_run_and_restores_the_best_weights(compiled):
    """Validation that gets worse: the weights are those of its best epoch, not the last."""
    seen = []

    net, history = train(
        epochs=200, patience=3, compiled=compiled,
        callbacks=[lambda _, model: seen.append(numbers(model))],
    )  # fmt: skip

    best = min(range(len(seen)), key=lambda i: history.validation_loss[i])
    assert history.stopped == "patience"
    assert len(seen) == best + 1 + 3
    assert numbers(net) == seen[best]


def test_numpys_true_ends_the_run_too():
    """It is another object than True; Optuna's and NumPy's comparisons return it."""
    answers = iter([np.bool_(False), np.bool_(True), np.bool_(False)])

    _, history = train(callbacks=[lambda *_: next(answers)])

    assert history.stopped == "callback"
    assert len(history.loss) == 2


def test_an_array_of_one_boolean_ends_the_run_too():
    """A comparison of an array or tensor without dimensions returns one."""
    _, history = train(callbacks=[lambda *_: np.array(True)])

    assert len(history.loss) == 1


def test_a_callback_ends_the_run():
    """By True alone; other answers mean nothing."""
    answers = iter([None, 1, "stop", True])

    _, history = train(callbacks=[lambda *_: next(answers)])

    assert history.stopped == "callback"
    assert len(history.loss) == 4


@pytest.mark.parametrize("compiled", [True, False])
def test_a_callback_that_reads_no_weights_is_called_all_the_same(compiled):
    """It says so by an attribute; weights need not be brought to it, and come at the end."""

    def count(history, model):
        calls.append(len(history.loss))

    calls, count.reads_weights = [], False
    assert not Stopping(callbacks=[count]).reads_weights

    net, _ = train(validation=None, callbacks=[count], compiled=compiled)
    same, _ = train(validation=None, compiled=compiled)

    assert calls == [*range(1, 10)]
    assert numbers(net) == numbers(same)


def test_a_run_is_judged_by_its_own_limits():
    """What stopped an earlier run counts again only if it is still reached."""
    history = History(loss=[0.5, 0.4], stopped="threshold")

    Stopping(below=0.45).begin(history)
    assert history.stopped == "threshold"

    Stopping(below=0.1).begin(history)
    assert history.stopped == ""
