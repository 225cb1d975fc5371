"""Optimisers: one formula each, against the published algorithm computed at 40 digits."""

import random

import mpmath
import numpy as np
import pytest

from tinygrad_edu import Value
from tinygrad_edu.engine.errors import SettingError
from tinygrad_edu.train import OPTIMIZERS, SGD, Adam, AdamW, ClipByNorm, Optimizer, RMSprop

STEPS = 100


def gradient_at(step):
    """A gradient that changes in size and sign."""
    return random.Random(step).gauss(0.0, 3.0)


def run(optimizer_of, start=1.5):
    """The weight after each of 100 steps on given gradients."""
    w = Value(start)
    optimizer = optimizer_of([w])
    path = []
    for step in range(STEPS):
        w.grad = gradient_at(step)
        optimizer.step()
        path.append(w.data)
    return path


def test_sgd_follows_its_published_formula():
    """v = m v + (g + d w); w = w - r v (Sutskever et al. 2013, PyTorch's form)."""
    path = run(lambda p: SGD(p, 0.05, momentum=0.9, weight_decay=0.01))

    w, v = mpmath.mpf(1.5), mpmath.mpf(0)
    for step in range(STEPS):
        v = mpmath.mpf(0.9) * v + gradient_at(step) + mpmath.mpf(0.01) * w
        w -= mpmath.mpf(0.05) * v
        assert path[step] == pytest.approx(float(w), rel=1e-13)


def test_adam_follows_its_published_formula():
    """Kingma and Ba 2015, algorithm 1, typed out."""
    path = run(lambda p: Adam(p, 0.01))

    w, m, v = mpmath.mpf(1.5), mpmath.mpf(0), mpmath.mpf(0)
    b1, b2 = mpmath.mpf(0.9), mpmath.mpf(0.999)
    for step in range(STEPS):
        g = mpmath.mpf(gradient_at(step))
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
        mean, square = m / (1 - b1 ** (step + 1)), v / (1 - b2 ** (step + 1))
        w -= mpmath.mpf(0.01) * mean / (mpmath.sqrt(square) + mpmath.mpf(1e-8))
        assert path[step] == pytest.approx(float(w), rel=1e-12)


def test_nesterov_follows_its_published_formula():
    """The momentum is applied once more to the step itself (PyTorch's form)."""
    path = run(lambda p: SGD(p, 0.05, momentum=0.9, nesterov=True))

    w, v, m = mpmath.mpf(1.5), mpmath.mpf(0), mpmath.mpf(0.9)
    for step in range(STEPS):
        g = mpmath.mpf(gradient_at(step))
        v = m * v + g
        w -= mpmath.mpf(0.05) * (g + m * v)
        assert path[step] == pytest.approx(float(w), rel=1e-12)


def test_rmsprop_follows_its_published_formula():
    """Tieleman and Hinton 2012: w = w - r g / (sqrt(running mean of g^2) + e)."""
    path = run(lambda p: RMSprop(p, 0.01, smoothing=0.9))

    w, v = mpmath.mpf(1.5), mpmath.mpf(0)
    for step in range(STEPS):
        g = mpmath.mpf(gradient_at(step))
        v = mpmath.mpf(0.9) * v + (1 - mpmath.mpf(0.9)) * g * g
        w -= mpmath.mpf(0.01) * g / (mpmath.sqrt(v) + mpmath.mpf(1e-8))
        assert path[step] == pytest.approx(float(w), rel=1e-12)


def test_adamw_shrinks_the_weights_apart_from_the_moments():
    """With no gradient it decays by r d a step, where Adam's decay enters the moments."""
    w = Value(1.5)
    optimizer = AdamW([w], 0.1, weight_decay=0.5)

    for step in range(5):
        optimizer.step()
        assert w.data == pytest.approx(1.5 * 0.95 ** (step + 1), rel=1e-14)
    assert optimizer.state == [(0.0, 0.0)]


@pytest.mark.promise(name="settings")
def test_nesterov_without_momentum_is_refused():
    """It would be plain gradient descent under another name."""
    with pytest.raises(SettingError, match="nesterov needs momentum"):
        SGD([Value(1.0)], 0.1, nesterov=True)


def test_every_optimizer_has_a_name():
    """As the command line and the estimators ask for them."""
    assert list(OPTIMIZERS) == ["sgd", "rmsprop", "adam", "adamw"]


@pytest.mark.parametrize(
    "make",
    [
        lambda p: SGD(p, 0.05, momentum=0.9, weight_decay=0.01),
        lambda p: SGD(p, 0.05, momentum=0.9, nesterov=True),
        lambda p: RMSprop(p, 0.01, weight_decay=0.01),
        lambda p: Adam(p, 0.01, weight_decay=0.01),
        lambda p: AdamW(p, 0.01),
    ],
)
def test_the_same_formula_runs_on_arrays(make):
    """The update of a flat vector is that of each number in it, bit for bit."""
    numbers = [0.5, -1.25, 3.0]
    values = [Value(x) for x in numbers]
    optimizer = make(values)
    w, state = np.array(numbers), [np.zeros(3)] * optimizer.state_size
    for step in range(5):
        gradient = [gradient_at(10 * step + i) for i in range(3)]
        for value, g in zip(values, gradient, strict=True):
            value.grad = g
        optimizer.step()
        w, *state = optimizer.update(np, step + 1, w, np.array(gradient), *state)

        assert [v.data for v in values] == w.tolist()


@pytest.mark.parametrize("clip", [None, ClipByNorm(0.5)])
@pytest.mark.parametrize("make", [SGD, Adam])
def test_steps_on_arrays_are_the_same_steps(make, clip):
    """In the order that a program has; the state comes back, and what it leaves out stays."""
    twins = [[Value(0.5), Value(-1.25), Value(3.0)] for _ in range(2)]
    eager, compiled = (make(values, 0.1, clip=clip) for values in twins)
    order, w = (twins[1][2], twins[1][0]), np.array([3.0, 0.5])
    for step in range(5):
        for value, g in zip(twins[0], [gradient_at(step), 0.0, -1.0], strict=True):
            value.grad = g
        eager.step()
        compiled.step_arrays(np, order, w, np.array([-1.0, gradient_at(step)]))

    same = pytest.approx if clip else list
    assert w.tolist() == same([twins[0][2].data, twins[0][0].data])
    assert compiled.steps == eager.steps == 5
    assert compiled.state[1] == (0.0,) * make.state_size
    for mine, right in zip(compiled.state, eager.state, strict=True):
        assert list(mine) == same(list(right))


def test_a_state_that_is_set_counts_for_the_next_step_on_arrays():
    """As a checkpoint sets it between two steps."""
    w, vector = Value(1.0), np.array([1.0])
    optimizer = SGD([w], 0.5, momentum=0.5)
    optimizer.step_arrays(np, (w,), vector, np.array([1.0]))

    optimizer.state = [(10.0,)]
    optimizer.step_arrays(np, (w,), vector, np.array([0.0]))

    assert vector.tolist() == [1.0 - 0.5 - 0.5 * 5.0]
    assert optimizer.state == [(5.0,)]


def test_an_interrupted_step_changes_no_weight():
    """Ctrl-C in the middle of an update leaves all weights, or none, changed."""

    class Interrupted(SGD):
        def update(self, xp, steps, w, g, *state):
            if w == 2.0:
                raise KeyboardInterrupt
            return super().update(xp, steps, w, g, *state)

    values = [Value(1.0), Value(2.0)]
    values[0].grad = 1.0
    optimizer = Interrupted(values, 0.1)

    with pytest.raises(KeyboardInterrupt):
        optimizer.step()

    assert [v.data for v in values] == [1.0, 2.0]
    assert optimizer.steps == 0


@pytest.mark.promise(name="settings")
@pytest.mark.parametrize("rate", [float("nan"), float("inf"), 0.0, -0.1, None, "0.1"])
@pytest.mark.parametrize("kind", [SGD, Adam])
def test_a_learning_rate_that_is_none_is_refused(kind, rate):
    """By name, before any step."""
    with pytest.raises(SettingError, match="learning_rate is"):
        kind([Value(1.0)], rate)


@pytest.mark.promise(name="settings")
def test_no_parameters_is_an_error():
    """An optimiser of nothing trains nothing, silently: refused."""
    with pytest.raises(SettingError, match="no parameters"):
        SGD([], 0.1)


def test_an_optimizer_without_a_formula_says_so():
    """A subclass writes ``update``."""
    with pytest.raises(SettingError, match="Optimizer has no update formula"):
        Optimizer([Value(1.0)], 0.1).step()
