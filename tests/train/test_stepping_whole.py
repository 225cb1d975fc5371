"""Every target trains as the graph does, whether it takes steps one by one or many in one call."""

import copy
import os
import pickle
import signal
import sys
from math import isfinite
from random import Random
from threading import Timer
from time import perf_counter

import numpy as np
import pytest

from tests.targets import CC, NODE, TARGETS
from tinygrad_edu import nn
from tinygrad_edu.compiler.program import Program
from tinygrad_edu.compiler.updates import update_of
from tinygrad_edu.engine.errors import AnomalyError
from tinygrad_edu.train import (
    SGD,
    Adam,
    AdamW,
    ClipByNorm,
    ClipByValue,
    History,
    Optimizer,
    RMSprop,
    cosine,
    fit,
    stepping,
    warm_up,
)
from tinygrad_edu.train.stepping import AT_ONCE, CompiledStepper

rng = Random(2)
X = [[rng.uniform(-1.0, 1.0) for _ in range(3)] for _ in range(30)]
Y = [int(x[0] > 0.0) + 2 * int(x[1] * x[2] > 0.0) for x in X]
WEIGHTS = [rng.choice([0.0, 0.5, 1.0, 3.0]) for _ in X]

on_every_target = pytest.mark.parametrize("target", TARGETS)
# those that take many steps in one call
WHOLE = [pytest.param("c", marks=CC), pytest.param("javascript", marks=NODE)]
on_whole_steps = pytest.mark.parametrize("target", WHOLE)


class Shy(Optimizer):
    """An optimizer of a user's own, whose formula asks for numbers: symbols can't answer."""

    state_size = 1

    def update(self, xp, steps, w, g, *state):
        """Follow the sign of a running mean, for as long as numbers are finite."""
        mean = 0.5 * state[0] + 0.5 * g
        if not np.all(np.isfinite(g)):
            return w, mean
        return w - self.rate * mean / (xp.abs(mean) + 0.1), mean


OPTIMIZERS = {
    "sgd": lambda p: SGD(p, 0.1),
    "momentum": lambda p: SGD(p, 0.1, momentum=0.9, weight_decay=0.01),
    "nesterov": lambda p: SGD(p, 0.1, momentum=0.9, nesterov=True),
    "rmsprop": lambda p: RMSprop(p, 0.01, weight_decay=0.01),
    "adam": lambda p: Adam(p, 0.02, weight_decay=0.01),
    "adamw": lambda p: AdamW(p, 0.02, weight_decay=0.1),
    "clipped by norm": lambda p: SGD(p, 0.5, momentum=0.5, clip=ClipByNorm(0.1)),
    "clipped by value": lambda p: Adam(p, 0.05, clip=ClipByValue(0.01)),
    "scheduled": lambda p: Adam(p, 0.05, schedule=warm_up(5, then=cosine(40))),
    "of some": lambda p: AdamW(p[:24:2], 0.05, clip=ClipByNorm(0.01)),
    "of one": lambda p: Adam(p[3:4], 0.05),
    "of a user": lambda p: Shy(p, 0.05),
}


def halving(parameters):
    """An optimizer, and a callback that changes its settings between epochs."""
    optimizer = SGD(parameters, 0.2, momentum=0.9)

    def change(history, model):
        optimizer.learning_rate *= 0.5
        optimizer.momentum *= 0.9

    return optimizer, {"callbacks": [change]}


SETTINGS = {
    "L2": {"penalty": nn.L2(0.05)},
    "L1": {"penalty": nn.L1(0.02)},
    "weights": {"sample_weight": WEIGHTS},
    "validation": {"validation": (X[:9], Y[:9])},
    "metrics": {"metrics": {"zeros": lambda y, p: sum(x == 0 for x in p) / len(y)}},
    "patience": {"validation": (X[:5], [3 - y for y in Y[:5]]), "patience": 2, "epochs": 40},
    "one output": {"loss": lambda out, target: out[0] * out[0]},  # the others have no gradient
    "one batch": {"batch_size": 100},
    "one by one": {"batch_size": 1, "epochs": 3},
}


def network():
    """Three inputs, six tanh, four logits."""
    return nn.MLP(3, [6, 4], activation="tanh", rng=Random(1))


def trained(target, make=OPTIMIZERS["momentum"], build=None, **settings):
    """A run of fit: the model, the history and the optimizer."""
    model = (build or network)()
    optimizer = make(model.parameters())
    given = {"epochs": 6, "batch_size": 7, "rng": Random(5), "progress": False} | settings
    loss = given.pop("loss", nn.cross_entropy)
    history = fit(model, loss, X, Y, optimizer=optimizer, compiled=target, **given)
    return model, history, optimizer


def assert_same(found, expected):
    """Losses, measures, weights, moments, and when it ended."""
    (model, history, optimizer), (twin, path, other) = found, expected
    assert (history.stopped, len(history.loss)) == (path.stopped, len(path.loss))
    for part in ("batch_loss", "loss", "accuracy", "validation_loss", "learning_rate"):
        pair = getattr(history, part), getattr(path, part)
        np.testing.assert_allclose(*pair, rtol=1e-9, atol=1e-12, err_msg=part)
    assert history.metrics == path.metrics
    for mine, right in zip(history.gradient, path.gradient, strict=True):
        assert mine == pytest.approx(right, rel=1e-7, abs=1e-12)
    pairs = zip(model.parameters(), twin.parameters(), strict=True)
    assert all(p.data == pytest.approx(q.data, rel=1e-9, abs=1e-11) for p, q in pairs)
    assert optimizer.steps == other.steps
    assert optimizer.rate == other.rate
    np.testing.assert_allclose(optimizer.state, other.state, rtol=1e-9, atol=1e-14)


@on_every_target
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_is_the_same_on_every_target(name, target):
    """Also one that trains some parameters, and one whose formula can't be run on symbols."""
    make = OPTIMIZERS[name]

    assert_same(trained(target, make), trained(False, make))


@on_every_target
@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_is_the_same_on_every_target(name, target):
    """Penalties, weights of samples, validation, metrics, patience, and sizes of batches."""
    settings = SETTINGS[name]

    assert_same(trained(target, **settings), trained(False, **settings))


LISTS = {
    "dropout": {"parts": lambda: ["relu", nn.Dropout(0.3, Random(4))]},
    "batch norm": {"parts": lambda: [nn.BatchNorm(6), "relu"]},
    "weights": {"sample_weight": WEIGHTS},
    "validation": {"validation": (X[:9], Y[:9]), "penalty": nn.L2(0.05)},
    "clipped": {"make": OPTIMIZERS["clipped by norm"]},
    "some": {"make": OPTIMIZERS["of some"]},
    "user": {"make": OPTIMIZERS["of a user"]},
}


@pytest.mark.parametrize("target", [True, *TARGETS[1:]])
@pytest.mark.parametrize("name", LISTS)
def test_without_numpy_it_is_the_same(name, target, monkeypatch):
    """On lists: steps one by one or at once, a smaller last batch, what layers draw and observe."""
    settings = dict(LISTS[name])
    parts = settings.pop("parts", lambda: ["tanh"])

    def build():
        rng = Random(1)
        return nn.Sequential(nn.Layer(3, 6, rng=rng), *parts(), nn.Layer(6, 4, rng=rng))

    expected = trained(False, build=build, **settings)
    monkeypatch.setitem(sys.modules, "numpy", None)

    found = trained(target, build=build, **settings)

    monkeypatch.undo()
    assert_same(found, expected)


@on_every_target
def test_what_a_callback_changes_counts_from_the_next_epoch(target):
    """A momentum is part of the formula, so that the loops are written anew."""
    runs = []
    for compiled in (target, False):
        model = network()
        optimizer, settings = halving(model.parameters())
        history = fit(
            model, nn.cross_entropy, X, Y, epochs=5, batch_size=7, optimizer=optimizer,
            progress=False, compiled=compiled, **settings,
        )  # fmt: skip
        runs.append((model, history, optimizer))

    assert_same(*runs)


@on_whole_steps
def test_an_epoch_is_one_call(target, monkeypatch):
    """Once the time of a step is known; the optimizer of a user, above, gets no such call."""
    counts = []
    take = Program.take_steps

    def counted(self, steps, order, *given):
        counts.append(len(order))
        return take(self, steps, order, *given)

    monkeypatch.setattr(Program, "take_steps", counted)

    trained(target, OPTIMIZERS["adam"])
    assert counts[0] == 7
    assert counts[-1] == len(X)
    counts.clear()
    trained(target, OPTIMIZERS["of a user"])
    assert counts == []


@on_every_target
@pytest.mark.parametrize("name", ["adam", "of a user"])
@pytest.mark.parametrize("seen", [True, False])
def test_a_formula_is_written_again_where_it_may_have_changed(name, seen, target, monkeypatch):
    """In each epoch if not all it depends on can be seen: it takes as long as 20 steps in NumPy."""
    calls = []

    def counted(*given):
        calls.append(1)
        return update_of(*given)

    monkeypatch.setattr(stepping, "update_of", counted)

    def make(parameters):
        optimizer = OPTIMIZERS[name](parameters)
        if not seen:
            optimizer.mine = [0.5]
        return optimizer

    trained(target, make, epochs=4)

    assert len(calls) == (1 if seen else 4)


@on_whole_steps
def test_a_run_goes_on_from_a_checkpoint(target, tmp_path):
    """With the same bits as a run that was never stopped."""
    make, path = OPTIMIZERS["adam"], tmp_path / "run"
    whole, history, left = trained(target, make, epochs=5)

    trained(target, make, epochs=2, checkpoint=path)
    model, again, optimizer = trained(target, make, epochs=5, checkpoint=path)

    assert again.batch_loss == history.batch_loss
    assert [p.data for p in model.parameters()] == [p.data for p in whole.parameters()]
    assert optimizer.state == left.state


@on_whole_steps
def test_what_was_trained_can_be_copied_and_pickled(target):
    """The optimizer with what it remembers, and the model; a second run begins with both."""
    model, _, optimizer = trained(target, OPTIMIZERS["adam"])

    twin, other = pickle.loads(pickle.dumps((model, optimizer)))
    third = copy.deepcopy(optimizer)

    assert other.state == third.state == optimizer.state
    assert all(isinstance(x, float) for row in optimizer.state for x in row)
    assert [p.data for p in twin.parameters()] == [p.data for p in model.parameters()]
    settings = {"epochs": 2, "progress": False, "compiled": target}
    mine = fit(model, nn.cross_entropy, X, Y, optimizer=optimizer, **settings)
    theirs = fit(twin, nn.cross_entropy, X, Y, optimizer=other, **settings)
    assert mine.batch_loss == theirs.batch_loss


@on_whole_steps
def test_a_state_that_was_assigned_counts(target):
    """From the next run on, as it does on graphs."""
    runs = []
    for compiled in (target, False):
        model, _, optimizer = trained(compiled, OPTIMIZERS["adam"])
        optimizer.state = [(0.1, 0.2)] * len(optimizer.state)
        history = fit(
            model, nn.cross_entropy, X, Y, epochs=2, optimizer=optimizer, progress=False,
            compiled=compiled,
        )  # fmt: skip
        runs.append((model, history, optimizer))

    assert_same(*runs)


def steep(out, target):
    """A loss whose slopes grow faster than the outputs."""
    return nn.cross_entropy(out, target) + out[0] ** 4


def diverging(target, make, loss):
    """The error of a run that diverges, its history, the weights left, and the steps made."""
    model, history = network(), History()
    optimizer = make(model.parameters())
    with pytest.raises(AnomalyError) as caught:
        fit(
            model, loss, X, Y, epochs=100, batch_size=7, optimizer=optimizer, history=history,
            progress=False, compiled=target,
        )  # fmt: skip
    weights = [p.data for p in model.parameters()]
    return str(caught.value), history.batch_loss, weights, optimizer.steps, optimizer.state


def leap(steps):
    """A schedule that grows beyond all bounds at the tenth step."""
    return 1e-4 if steps < 10 else 1e308


DIVERGING = {
    "loss": (lambda p: SGD(p, 3.0, momentum=0.9), steep),
    "weights": (lambda p: SGD(p, 1e300), lambda out, t: 1e9 * nn.cross_entropy(out, t)),
    "later": (
        lambda p: SGD(p, 1.0, momentum=0.9, schedule=leap),
        lambda out, t: 1e3 * nn.cross_entropy(out, t),
    ),
    "clipped": (lambda p: SGD(p, 1e308, clip=ClipByNorm(1e9)), nn.cross_entropy),
}


@on_every_target
@pytest.mark.parametrize("name", DIVERGING)
def test_a_run_that_diverges_ends_at_the_same_step(name, target):
    """With the same error, and the weights before that step left behind."""
    error, losses, weights, steps, state = diverging(target, *DIVERGING[name])
    said, path, expected, made, kept = diverging(False, *DIVERGING[name])

    first, right = (text.splitlines()[0].replace("inf", "nan") for text in (error, said))
    assert first == right  # where infinities of both signs meet, sums differ by their order
    assert all(map(isfinite, weights))
    assert (len(losses), steps) == (len(path), made)
    np.testing.assert_allclose(losses, path, rtol=1e-6)
    np.testing.assert_allclose(weights, expected, rtol=1e-6)
    np.testing.assert_allclose(state, kept, rtol=1e-6)


@on_whole_steps
def test_ctrl_c_waits_for_the_steps_of_a_call(target, monkeypatch):
    """What was recorded and the weights belong together: to those of a run of so many steps."""
    model, history = network(), History()
    optimizer, take, calls = OPTIMIZERS["adam"](model.parameters()), Program.take_steps, []

    def pressed(self, *given):
        calls.append(1)
        if len(calls) == 7:
            signal.raise_signal(signal.SIGINT)
        return take(self, *given)

    with monkeypatch.context() as patched:
        patched.setattr(Program, "take_steps", pressed)
        with pytest.raises(KeyboardInterrupt):
            fit(
                model, nn.cross_entropy, X, Y, epochs=100, batch_size=7, rng=Random(5),
                optimizer=optimizer, history=history, progress=False, compiled=target,
            )  # fmt: skip

    made = len(history.batch_loss)
    assert optimizer.steps == made > 6
    expected = weights_after(made)
    assert [p.data for p in model.parameters()] == pytest.approx(expected, rel=1e-9)


@on_whole_steps
@pytest.mark.parametrize("seconds", [0.3, 0.35])
def test_ctrl_c_at_any_moment_ends_the_run_soon(seconds, target):
    """Pressed by a timer, while C or node is at work or between; nothing is half done."""
    model, history, pressed = network(), History(), []
    optimizer = OPTIMIZERS["adam"](model.parameters())

    def press():
        pressed.append(perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    timer = Timer(seconds, press)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        fit(
            model, nn.cross_entropy, X, Y, epochs=10**6, batch_size=7, rng=Random(5),
            optimizer=optimizer, history=history, progress=False, compiled=target,
        )  # fmt: skip
    took = perf_counter() - pressed[0]

    assert took < 2.0  # it waits for AT_ONCE, on a machine that does other things, too
    made = len(history.batch_loss)
    assert optimizer.steps == made
    expected = weights_after(made)
    assert [p.data for p in model.parameters()] == pytest.approx(expected, rel=1e-6)


def weights_after(steps):
    """The weights of a run, step by step with NumPy, after so many steps."""
    model, left = network(), iter(range(steps))
    optimizer = OPTIMIZERS["adam"](model.parameters())
    step = optimizer.step_arrays

    def until(*given, **settings):
        if next(left, None) is None:
            raise KeyboardInterrupt
        step(*given, **settings)

    optimizer.step_arrays = until
    with pytest.raises(KeyboardInterrupt):
        fit(
            model, nn.cross_entropy, X, Y, epochs=10**6, batch_size=7, rng=Random(5),
            optimizer=optimizer, progress=False, compiled="numpy",
        )  # fmt: skip
    return [p.data for p in model.parameters()]


@on_whole_steps
def test_a_call_is_short(target, monkeypatch):
    """Ctrl-C waits for it: of a large batch it takes as many steps as end within a moment."""
    seconds = []
    whole_steps = CompiledStepper.whole_steps

    def timed(self, batches, at):
        start = perf_counter()
        found = whole_steps(self, batches, at)
        seconds.append(perf_counter() - start)
        return found

    monkeypatch.setattr(CompiledStepper, "whole_steps", timed)
    rng = Random(0)
    X = [[rng.gauss(0.0, 1.0) for _ in range(20)] for _ in range(2000)]
    model = nn.MLP(20, [40, 2], rng=rng)

    fit(
        model, nn.cross_entropy, X, [int(x[0] > 0) for x in X], epochs=10, batch_size=8,
        optimizer=Adam(model.parameters(), 0.01), progress=False, compiled=target,
    )  # fmt: skip

    assert sorted(seconds[1:])[len(seconds) // 2] < 3 * AT_ONCE  # the first compiles the formula


@on_whole_steps
@pytest.mark.parametrize("clip", [ClipByNorm, ClipByValue])
def test_a_limit_that_changes_a_little_counts(clip, target):
    """In the sixth digit behind the point, between two epochs, as on the graph."""

    def run(target):
        def tighter(history, model):
            optimizer.clip.limit *= 1.0 - 1e-7

        model = network()
        optimizer = SGD(model.parameters(), 0.1, clip=clip(1e-3))
        fit(
            model, nn.cross_entropy, X, Y, epochs=3, batch_size=7, optimizer=optimizer,
            callbacks=[tighter], progress=False, compiled=target,
        )  # fmt: skip
        return [p.data for p in model.parameters()]

    assert run(target) == pytest.approx(run(False), rel=0.0, abs=1e-15)


@pytest.mark.parametrize("target", [False, *TARGETS])
def test_a_norm_that_is_infinite_can_not_be_clipped(target):
    """Though each gradient is finite, and so would be the weights: the graph says so, too."""
    model = nn.MLP(2, [1], rng=Random(0))
    for p in model.parameters():
        p.data = 1e-10
    optimizer = SGD(model.parameters(), 1e-3, clip=ClipByNorm(1.0))

    with pytest.raises(AnomalyError, match="the norm of the gradient is inf"):
        fit(
            model, lambda out, target: out * 1.0, [[1.7e308, 1.7e308]] * 4, [0.0] * 4, epochs=3,
            batch_size=2, optimizer=optimizer, progress=False, compiled=target,
        )  # fmt: skip

    assert [p.data for p in model.parameters()] == [1e-10] * 3
