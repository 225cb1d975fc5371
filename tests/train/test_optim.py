"""Optimisers: one formula each, against the published algorithm computed at 40 digits."""

import copy
import pickle
import random

import mpmath
import numpy as np
import pytest
from mpmath import mpf

from tinygrad_edu import Value, nn
from tinygrad_edu.engine.errors import SettingError
from tinygrad_edu.train import (
    OPTIMIZERS,
    SGD,
    Adam,
    AdamW,
    ClipByNorm,
    Optimizer,
    RMSprop,
    cosine,
    fit,
)


def gradient_at(step):
    """A gradient that changes in size and sign."""
    return random.Random(step).gauss(0.0, 3.0)


def sgd(w, g, step, v=0):
    """Sutskever et al. 2013, in PyTorch's form."""
    v = mpf(0.9) * v + g + mpf(0.01) * w
    return w - mpf(0.05) * v, v


def nesterov(w, g, step, v=0):
    """The momentum is applied once more to the step itself (PyTorch's form)."""
    v = mpf(0.9) * v + g
    return w - mpf(0.05) * (g + mpf(0.9) * v), v


def rmsprop(w, g, step, v=0):
    """Tieleman and Hinton 2012."""
    v = mpf(0.9) * v + (1 - mpf(0.9)) * g * g
    return w - mpf(0.01) * g / (mpmath.sqrt(v) + mpf(1e-8)), v


def adam(w, g, step, m=0, v=0):
    """Kingma and Ba 2015, algorithm 1."""
    b1, b2 = mpf(0.9), mpf(0.999)
    m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
    mean, square = m / (1 - b1**step), v / (1 - b2**step)
    return w - mpf(0.01) * mean / (mpmath.sqrt(square) + mpf(1e-8)), m, v


@pytest.mark.parametrize(
    ("make", "formula"),
    [
        (lambda p: SGD(p, 0.05, momentum=0.9, weight_decay=0.01), sgd),
        (lambda p: SGD(p, 0.05, momentum=0.9, nesterov=True), nesterov),
        (lambda p: RMSprop(p, 0.01, smoothing=0.9), rmsprop),
        (lambda p: Adam(p, 0.01), adam),
    ],
)
def test_an_optimizer_follows_its_published_formula(make, formula):
    """The weight after each of 100 steps on given gradients, to 1e-13."""
    w = Value(1.5)
    optimizer, (expected, *state) = make([w]), [mpf(1.5)]

    with mpmath.workdps(40):
        for step in range(100):
            w.grad = gradient_at(step)
            optimizer.step()
            expected, *state = formula(expected, w.grad, step + 1, *state)

            assert w.data == pytest.approx(float(expected), rel=1e-13)


def test_adamw_shrinks_the_weights_apart_from_the_moments():
    """With no gradient it decays by r d a step, where Adam's decay enters the moments."""
    w = Value(1.5)
    optimizer = AdamW([w], 0.1, weight_decay=0.5)

    for step in range(5):
        optimizer.step()
        assert w.data == pytest.approx(1.5 * 0.95 ** (step + 1), rel=1e-14)
    assert optimizer.state == [(0.0, 0.0)]


def test_every_optimizer_has_a_name():
    """As the command line and the estimators ask for them."""
    assert list(OPTIMIZERS) == ["sgd", "rmsprop", "adam", "adamw"]


@pytest.mark.parametrize("clip", [None, ClipByNorm(0.5)])
@pytest.mark.parametrize(
    "make",
    [
        lambda p, **k: SGD(p, 0.05, momentum=0.9, weight_decay=0.01, **k),
        lambda p, **k: SGD(p, 0.05, momentum=0.9, nesterov=True, **k),
        lambda p, **k: RMSprop(p, 0.01, weight_decay=0.01, **k),
        lambda p, **k: Adam(p, 0.01, weight_decay=0.01, **k),
        lambda p, **k: AdamW(p, 0.01, **k),
    ],
)
def test_steps_on_arrays_are_the_same_steps(make, clip):
    """Bit for bit but for the norm's sum, in a program's order; what it leaves out stays."""
    first, out, second = Value(0.5), Value(-1.25), Value(3.0)
    order, w = (Value(3.0), Value(0.5)), np.array([3.0, 0.5])
    eager, compiled = make([first, second], clip=clip), make([order[1], out, order[0]], clip=clip)
    for step in range(5):
        first.grad, second.grad = gradient_at(step), -1.0
        eager.step()
        compiled.step_arrays(np, order, w, np.array([-1.0, gradient_at(step)]))

    same = pytest.approx if clip else list
    assert w.tolist() == same([second.data, first.data])
    assert compiled.steps == eager.steps == 5
    mine, left_out, last = compiled.state
    assert left_out == (0.0,) * compiled.state_size
    assert [*mine, *last] == same([x for numbers in eager.state for x in numbers])


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


def test_a_pickle_of_the_first_edition_is_read():
    """There ``state`` was an attribute; the next step is that of the optimizer pickled."""
    w = Value(1.0)
    optimizer = SGD([w], 0.5, momentum=0.5)
    facts = {name: x for name, x in vars(optimizer).items() if not name.startswith("_")}

    twin = SGD.__new__(SGD)
    twin.__setstate__(facts | {"state": [(10.0,)]})
    twin.step()

    assert w.data == 1.0 - 0.5 * 5.0
    assert pickle.loads(pickle.dumps(twin)).state == [(5.0,)]


@pytest.mark.promise(name="settings")
@pytest.mark.parametrize(
    ("make", "message"),
    [
        *((lambda p, kind=kind: kind(p, -0.1), "learning_rate is") for kind in OPTIMIZERS.values()),
        (lambda p: SGD(p, 0.1, momentum=1.0), "momentum is 1.0"),
        (lambda p: SGD(p, 0.1, nesterov=True), "nesterov needs momentum"),
        (lambda p: RMSprop(p, smoothing=1.0), "smoothing is 1.0"),
        (lambda p: Adam(p, betas=(0.9, 1.0)), r"betas\[1\] is 1.0"),
        (lambda p: Adam(p, betas=0.9), "betas is 0.9"),
        (lambda p: Adam(p, betas=(0.9,)), r"betas is \(0.9,\)"),
        (lambda p: SGD(p, 0.1, clip=1.0), "clip is 1.0"),
        (lambda p: SGD(p, 0.1, schedule=0.5), "schedule is 0.5"),
        (lambda p: Adam(p, epsilon=0.0), "epsilon is 0.0"),
        (lambda p: AdamW(p, weight_decay=-1.0), "weight_decay is -1.0"),
        (lambda p: SGD([], 0.1), "no parameters"),
        (lambda p: Optimizer(p, 0.1).step(), "Optimizer has no update formula"),
    ],
)
def test_an_optimizer_that_would_train_nothing_or_wrongly_is_refused(make, message):
    """By name, before any step; and a subclass has to write ``update``."""
    with pytest.raises(SettingError, match=message):
        make([Value(1.0)])


@pytest.mark.promise(name="settings")
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SGD(nn.MLP(1, [1])), "the parameters are MLP"),
        (lambda: SGD(Value(1.0)), "the parameters are Value"),
        (lambda: SGD([1.0]), "parameter 0 is 1.0"),
        (lambda: SGD([Value(1.0), Value(1.0) * 2.0]), "parameter 1 is Value"),
        (lambda: SGD(nn.MLP(1, [1]).named_parameters()), "parameter 0 is"),
        (lambda: SGD([Value(1.0).detach()]), "no parameters to train"),
    ],
)
def test_what_is_not_a_list_of_leaves_is_refused(make, message):
    """A model without .parameters(), numbers, pairs, what was computed, constants alone."""
    with pytest.raises(SettingError, match=message):
        make()


def test_a_parameter_given_twice_is_moved_once():
    """As where two models share a layer, and their parameters are added up."""
    w = Value(1.0)
    w.grad = 1.0
    optimizer = SGD([w, w], 0.5, momentum=0.5)

    optimizer.step()

    assert (w.data, len(optimizer.state)) == (0.5, 1)


@pytest.mark.parametrize("size", ["2", None, 1.5, -1])
def test_a_subclass_with_a_wrong_number_of_states_is_told(size):
    """By the name of its attribute."""
    kind = type("Mine", (Optimizer,), {"state_size": size})

    with pytest.raises(SettingError, match=r"Mine\.state_size is"):
        kind([Value(1.0)], 0.1)


@pytest.mark.parametrize("returned", [None, 1.0, (1.0,), (1.0, 2.0, 3.0), [1.0, 2.0]])
def test_an_update_that_returns_something_else_is_told(returned):
    """On floats and on arrays, and no weight has changed."""
    attributes = {"state_size": 1, "update": lambda self, xp, steps, w, g, *state: returned}
    w, vector = Value(0.5), np.array([0.5])
    optimizer = type("Mine", (Optimizer,), attributes)([w], 0.1)

    with pytest.raises(SettingError, match=r"Mine\.update returned"):
        optimizer.step()
    with pytest.raises(SettingError, match=r"Mine\.update returned"):
        optimizer.step_arrays(np, (w,), vector, np.array([1.0]))
    assert (w.data, vector.tolist(), optimizer.steps) == (0.5, [0.5], 0)


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), "0.1", True])
def test_a_learning_rate_that_is_assigned_is_checked_at_the_next_step(rate):
    """As a callback may assign it."""
    w = Value(0.5)
    optimizer = SGD([w], 0.1)
    optimizer.learning_rate = rate

    with pytest.raises(SettingError, match="learning_rate is"):
        optimizer.step()
    assert (w.data, optimizer.steps) == (0.5, 0)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))])
@pytest.mark.parametrize("kind", OPTIMIZERS.values())
def test_a_copy_trains_its_own_model_on(kind, copied):
    """With its state, after steps of either kind."""
    model = nn.MLP(1, [2, 1], rng=random.Random(0))
    optimizer = kind(model.parameters(), 0.1, schedule=cosine(9), clip=ClipByNorm(1.0))
    task = (model, nn.mse, [[0.5], [1.0]], [1.0, 3.0])
    fit(*task, optimizer=optimizer, epochs=2, progress=False)

    twin, its_optimizer = copied((model, optimizer))
    for net, its in ((model, optimizer), (twin, its_optimizer)):
        fit(net, *task[1:], optimizer=its, epochs=2, progress=False)

    assert [p.data for p in twin.parameters()] == [p.data for p in model.parameters()]
    assert its_optimizer.state == optimizer.state
    assert its_optimizer.parameters[0] is twin.parameters()[0]
