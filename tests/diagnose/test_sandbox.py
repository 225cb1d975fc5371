"""Experiments that leave a model as it was."""

import math
import random
from functools import partial
from random import Random
from threading import Lock

import numpy as np
import pandas as pd
import pytest

from tests import networks
from tests.networks import gaussian
from tinygrad_edu import Value, nn
from tinygrad_edu.diagnose import (
    decision_boundary,
    gradient_flow,
    learning_rate_range,
    loss_surface,
    sandbox,
)
from tinygrad_edu.diagnose.sandbox import Subject, untouched
from tinygrad_edu.engine.errors import LengthError, OperandError, SettingError
from tinygrad_edu.train import Adam

X, Y = gaussian(3)


def mlp():
    """Build a small network for the samples above."""
    return networks.mlp(2, width=4)


class Keeper(nn.Module):
    """Holds what modules may hold: numbers, a generator, a list, a constant, its last graph."""

    def __init__(self):
        self.inner, self.rng, self.seen = mlp(), Random(3), []
        self.mean, self.last = Value(0.5).detach(), None

    def forward(self, x):
        """Change all of it."""
        self.seen.append(self.rng.random())
        self.mean.data += 1.0
        self.last = self.inner(x)
        return self.last * self.mean


def test_all_that_a_module_holds_comes_back():
    """The very objects, with their contents, though each was changed inside."""
    model = Keeper()
    model(X[0]).backward()
    parts = (model.inner, model.rng, model.seen, model.mean, model.last, model.inner.layers)
    facts = (model.rng.getstate(), list(model.seen), model.mean.data, model.last.grad)
    numbers = [(p.data, p.grad) for p in model.parameters()]

    with untouched(model) as parameters:
        for _ in range(3):
            model(X[1]).backward()
        for parameter in parameters:
            parameter.data = 7.0
        model.added = 1

    now = (model.inner, model.rng, model.seen, model.mean, model.last, model.inner.layers)
    assert all(a is b for a, b in zip(parts, now, strict=True))
    assert (model.rng.getstate(), model.seen, model.mean.data, model.last.grad) == facts
    assert [(p.data, p.grad) for p in model.parameters()] == numbers
    assert not hasattr(model, "added")


DIAGNOSES = {
    "gradient_flow": gradient_flow,
    "learning_rate_range": partial(learning_rate_range, steps=10),
    "loss_surface": partial(loss_surface, points=3),
}


@pytest.mark.parametrize("kind", [mlp, Keeper])
@pytest.mark.parametrize("diagnosis", [*DIAGNOSES, "decision_boundary"])
def test_each_diagnosis_leaves_model_and_optimizer_as_they_are(diagnosis, kind):
    """Weights, gradients, what the model holds, the optimizer's state: all as before."""
    model = kind()
    optimizer = Adam(model.parameters(), 0.05)
    nn.mse(model(X[0]), Y[0]).backward()
    optimizer.step()

    def everything():
        numbers = [(p.data, p.grad) for p in model.parameters()]
        state = (list(optimizer.state), optimizer.steps, optimizer.learning_rate)
        held = (model.rng.getstate(), [*model.seen], model.mean.data) if kind is Keeper else ()
        return numbers, state, held, [part.training for _, part in model.named_modules()]

    before = everything()

    if diagnosis == "decision_boundary":
        decision_boundary(model, X, [0, 1, 1], resolution=5)
    else:
        uses = {} if diagnosis == "loss_surface" else {"optimizer": optimizer}
        DIAGNOSES[diagnosis](model, nn.mse, X, Y, **uses)

    assert everything() == before


@pytest.mark.parametrize("diagnosis", DIAGNOSES)
def test_it_comes_back_on_errors_too(diagnosis):
    """Any exit will do, Ctrl-C half-way as well."""
    model = mlp()
    nn.mse(model(X[0]), Y[0]).backward()
    before = [(p.data, p.grad) for p in model.parameters()]
    calls = []

    def breaks(out, target):
        calls.append(target)
        if len(calls) > 8:
            raise KeyboardInterrupt
        return nn.mse(out, target)

    with pytest.raises(KeyboardInterrupt):
        DIAGNOSES[diagnosis](model, breaks, X * 4, Y * 4, compiled=False)

    assert [(p.data, p.grad) for p in model.parameters()] == before


REFUSED = [
    *[(diagnosis, {"compiled": "maybe"}) for diagnosis in DIAGNOSES],
    *[(diagnosis, {"samples": 0}) for diagnosis in DIAGNOSES],
    ("gradient_flow", {"learning_rate": -1.0}),
    ("gradient_flow", {"learning_rate": math.nan}),
    ("learning_rate_range", {"smallest": 0.0}),
    ("learning_rate_range", {"largest": 1e-7}),
    ("learning_rate_range", {"steps": 9}),
    ("learning_rate_range", {"batch_size": 0}),
    ("learning_rate_range", {"rng": 3}),
    ("loss_surface", {"dimensions": 3}),
    ("loss_surface", {"span": 0.0}),
    ("loss_surface", {"points": 2}),
    ("loss_surface", {"rng": 0}),
    ("loss_surface", {"directions": [[math.nan] * 17]}),
    ("loss_surface", {"directions": []}),
]


@pytest.mark.promise(name="settings")
@pytest.mark.parametrize(("diagnosis", "setting"), REFUSED)
def test_settings_are_refused(diagnosis, setting):
    """What can't be used is refused by name."""
    with pytest.raises(SettingError, match=next(iter(setting))):
        DIAGNOSES[diagnosis](mlp(), nn.mse, X, Y, **setting)


@pytest.mark.promise(name="shapes")
@pytest.mark.parametrize("diagnosis", DIAGNOSES)
def test_targets_of_another_length_are_refused(diagnosis):
    """They are matched one to one."""
    with pytest.raises(LengthError, match="y has 2"):
        DIAGNOSES[diagnosis](mlp(), nn.mse, X, Y[1:])


def test_what_else_the_optimizer_moves_comes_back_too():
    """It may train more than this model."""
    model, other = mlp(), Value(2.0)
    optimizer = Adam([*model.parameters(), other], 0.1)
    other.grad = 1.0

    learning_rate_range(model, nn.mse, X, Y, optimizer=optimizer, steps=10)
    gradient_flow(model, nn.mse, X, Y, optimizer=optimizer)

    assert (other.data, other.grad) == (2.0, 1.0)


def test_a_graph_that_was_alive_can_be_walked_afterwards():
    """The weights are the same to the bit, so it is not stale."""
    model = mlp()
    total = nn.mse(model(X[0]), Y[0])

    with untouched(model) as parameters:
        parameters[0].data += 1.0
    total.backward()

    assert any(p.grad for p in model.parameters())


def test_a_copied_optimizer_moves_the_same_values():
    """State and steps are its own, the Values are not."""
    model = mlp()
    optimizer = Adam(model.parameters(), 0.1)
    model(X[0]).backward()

    twin = Subject(model, nn.mse, X, Y, optimizer).mover(0.5)
    twin.step()

    assert twin.parameters == optimizer.parameters
    assert (optimizer.steps, optimizer.learning_rate) == (0, 0.1)
    assert (twin.steps, twin.learning_rate) == (1, 0.5)


def test_ctrl_c_while_it_comes_back_leaves_nothing_half_done(monkeypatch):
    """It is passed on when all is as before."""
    model = Keeper()
    nn.mse(model(X[0]), Y[0]).backward()
    before = [(p.data, p.grad) for p in model.parameters()], [*model.seen]
    real, calls = sandbox.set_numbers, []

    def interrupted(*args):
        calls.append(args)
        if len(calls) == 2:
            raise KeyboardInterrupt
        real(*args)

    def diagnose():
        with untouched(model) as parameters:
            model(X[1]).backward()
            parameters[0].data = 7.0
            monkeypatch.setattr(sandbox, "set_numbers", interrupted)

    with pytest.raises(KeyboardInterrupt):
        diagnose()

    assert ([(p.data, p.grad) for p in model.parameters()], model.seen) == before


class Locked(nn.Module):
    """A model that holds what can't be copied."""

    def __init__(self):
        self.inner, self.lock, self.numbers = mlp(), Lock(), (i for i in range(3))

    def forward(self, x):
        """Use the lock."""
        with self.lock:
            return self.inner(x)


@pytest.mark.parametrize("diagnosis", DIAGNOSES)
def test_what_can_t_be_copied_is_lent(diagnosis):
    """A lock or a generator keeps no model from being diagnosed."""
    assert str(DIAGNOSES[diagnosis](Locked(), nn.mse, X, Y))


@pytest.mark.parametrize("diagnosis", DIAGNOSES)
@pytest.mark.parametrize(
    ("error", "match", "kind"),
    [
        (SettingError, "model is None", {"model": None}),
        (SettingError, "model is <class", {"model": nn.MLP}),
        (SettingError, "model is <built-in function sum>", {"model": sum}),
        (SettingError, "loss is None", {"loss": None}),
        (OperandError, "the loss returned 0.5, of type float", {"loss": lambda out, t: 0.5}),
        (OperandError, "of type list", {"loss": lambda out, t: [out]}),
        (OperandError, "of type float", {"loss": lambda out, t: (out.data - t) ** 2}),
    ],
)
def test_other_things_than_a_model_or_a_loss_are_refused(diagnosis, error, match, kind):
    """Wherever it would have failed."""
    settings = {"model": mlp(), "loss": nn.mse, "X": X, "y": Y} | kind

    with pytest.raises(error, match=match):
        DIAGNOSES[diagnosis](**settings)


@pytest.mark.parametrize("diagnosis", ["gradient_flow", "learning_rate_range"])
def test_a_rate_is_not_an_optimizer(diagnosis):
    """It is asked for by its name."""
    with pytest.raises(SettingError, match=r"optimizer is 0\.1"):
        DIAGNOSES[diagnosis](mlp(), nn.mse, X, Y, optimizer=0.1)


@pytest.mark.parametrize("diagnosis", DIAGNOSES)
def test_samples_may_come_from_a_generator(diagnosis):
    """They are read once."""
    lists, generators = (
        DIAGNOSES[diagnosis](mlp(), nn.mse, data, targets)
        for data, targets in ((X, Y), ((x for x in X), (t for t in Y)))
    )

    assert str(lists) == str(generators)


@pytest.mark.parametrize("diagnosis", DIAGNOSES)
def test_tables_are_read_by_position(diagnosis):
    """Neither a shuffled index nor the names of columns count."""
    table = pd.DataFrame(X, columns=[1, 0], index=[2, 0, 1])
    column = pd.Series(Y, index=[1, 2, 0])

    found = [DIAGNOSES[diagnosis](mlp(), nn.mse, *data) for data in ((X, Y), (table, column))]

    assert str(found[0]) == str(found[1])


@pytest.mark.parametrize("diagnosis", ["gradient_flow", "learning_rate_range"])
def test_the_optimizer_of_another_model_is_refused(diagnosis):
    """Its steps would change nothing, and the diagnosis would blame the rate."""
    other = Adam(mlp().parameters(), 0.05)

    with pytest.raises(SettingError, match="none of which belongs to the model"):
        DIAGNOSES[diagnosis](mlp(), nn.mse, X, Y, optimizer=other)


@pytest.mark.parametrize("diagnosis", DIAGNOSES)
def test_a_frozen_layer_is_left_out(diagnosis):
    """It is not a fault, and it stays as it is; with all layers frozen there is nothing to do."""
    model = mlp()
    model.layers[0].freeze()
    before = [w.data for neuron in model.layers[0].neurons for w in neuron.w]

    found = DIAGNOSES[diagnosis](model, nn.mse, X, Y)

    assert "vanishing" not in str(found)
    assert [w.data for neuron in model.layers[0].neurons for w in neuron.w] == before
    model.freeze()
    with pytest.raises(SettingError, match="no parameters to train"):
        DIAGNOSES[diagnosis](model, nn.mse, X, Y)


class Noisy(nn.Module):
    """A model that draws from the generators of Python and of NumPy, as scripts do."""

    def __init__(self):
        self.inner = mlp()

    def forward(self, x):
        """Add a little noise."""
        return self.inner(x) + random.gauss(0.0, 0.01) + float(np.random.normal(0.0, 0.01))


@pytest.mark.parametrize("diagnosis", DIAGNOSES)
def test_the_generators_of_a_script_are_left_as_they_are(diagnosis):
    """A diagnosis in the middle of a script changes nothing that comes after it."""
    before = random.getstate(), np.random.get_state()

    DIAGNOSES[diagnosis](Noisy(), nn.mse, X, Y)

    assert random.getstate() == before[0]
    assert all(np.array_equal(a, b) for a, b in zip(np.random.get_state(), before[1], strict=True))
