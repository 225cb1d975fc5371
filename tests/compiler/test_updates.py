"""An optimizer's formula as loops: what they compute is the optimizer's own step."""

from math import nan
from random import Random

import pytest

from tests.interpreter import Stores
from tinygrad_edu import Value
from tinygrad_edu.compiler.updates import TOLD, update_of
from tinygrad_edu.engine.errors import SettingError
from tinygrad_edu.train import (
    SGD,
    Adam,
    AdamW,
    ClipByNorm,
    ClipByValue,
    Optimizer,
    RMSprop,
    cosine,
)


class Largest(Optimizer):
    """A user's own: by the largest gradient that a parameter has had, with a number that decays."""

    state_size = 2

    def update(self, xp, steps, w, g, *state):
        """Divide by the largest, which reads the second number before that changes."""
        largest = xp.maximum(0.9 * state[0], xp.abs(g) + state[1])
        decay = 0.5 * state[1] + 1.0 / (1.0 + steps) ** 2
        return xp.where(g > 0.1, w - self.rate * g / largest, w), largest, decay


OPTIMIZERS = {
    "sgd": lambda p: SGD(p, 0.1),
    "momentum": lambda p: SGD(p, 0.1, momentum=0.9, weight_decay=0.01),
    "nesterov": lambda p: SGD(p, 0.1, momentum=0.9, nesterov=True),
    "rmsprop": lambda p: RMSprop(p, 0.01, weight_decay=0.01),
    "adam": lambda p: Adam(p, 0.02, weight_decay=0.01),
    "adamw": lambda p: AdamW(p, 0.02, weight_decay=0.1),
    "clipped by norm": lambda p: SGD(p, 0.5, clip=ClipByNorm(0.1)),
    "adam, clipped by norm": lambda p: Adam(p, 0.5, clip=ClipByNorm(0.1)),
    "clipped by value": lambda p: Adam(p, 0.05, clip=ClipByValue(0.01)),
    "scheduled": lambda p: Adam(p, 0.05, schedule=cosine(10)),
    "of a user": lambda p: Largest(p, 0.05),
}
on_all_optimizers = pytest.mark.parametrize("name", OPTIMIZERS)


def momentum(xp, steps, rate, norm, w, g, velocity):
    """The formula in the docstring."""
    velocity = 0.9 * velocity + g
    return w - rate * velocity, velocity


def test_the_picture_in_the_docstring_is_what_is_written():
    """One loop per line; the last one finds a parameter that is not finite."""
    text = str(update_of(momentum, 1, range(5)))

    shown = [line.strip() for line in update_of.__doc__.split("After::")[1].splitlines()]
    assert text.splitlines() == [line for line in shown if line.startswith(("s[", "u[", "h["))]


@on_all_optimizers
@pytest.mark.parametrize("places", [(0, 1, 2, 3), (3, 1, 4), (2,)], ids=str)
def test_loops_are_the_optimizers_own_step(name, places):
    """Interpreted number by number, they give its weights and its state; others stay."""
    rng = Random(3)
    parameters = [Value(rng.uniform(-1.0, 1.0)) for _ in range(5)]
    trained = [parameters[place] for place in places]
    optimizer = OPTIMIZERS[name](trained)
    states, count = optimizer.state_size, len(places)
    update = update_of(optimizer.formula, states, places)
    stores = Stores(None, [p.data for p in parameters], [])
    stores.update({("s", at, 0): 0.0 for at in range(states * count)})

    for step in range(6):
        for place, p in enumerate(parameters):
            p.grad = stores["du", place, 0] = rng.uniform(-1.0, 1.0)
        (rate,) = optimizer.rates(1)
        told = {"rate": rate, "steps": float(step), "norm": nan}
        stores.update({("h", TOLD.index(name), 0): x for name, x in told.items()})
        stores.run(update.loops)
        optimizer.step()

        assert [stores["u", k, 0] for k in range(5)] == pytest.approx([p.data for p in parameters])
        for k, row in enumerate(optimizer.state):
            kept = [stores["s", count * j + k, 0] for j in range(states)]
            assert kept == pytest.approx(row, rel=1e-13)
        assert stores["h", TOLD.index("change"), 0] == 0.0
    assert {at for store, at, _ in stores if store == "h"} <= {*range(update.scalars)}


@on_all_optimizers
def test_what_is_the_same_for_all_parameters_is_computed_once(name):
    """A loop over the parameters has no power of the number of steps in it."""
    update = update_of(
        OPTIMIZERS[name]([Value(1.0)]).formula, OPTIMIZERS[name]([Value(1.0)]).state_size, range(4)
    )

    wide = [loop for loop in update.loops if loop.axes]

    assert not any("h[1]" in str(loop) for loop in wide)


@pytest.mark.parametrize("bad", [nan, float("inf"), -float("inf")])
def test_a_parameter_that_is_not_finite_is_found(bad):
    """By a number that is nan then, and 0 otherwise."""
    update = update_of(momentum, 1, range(3))
    stores = Stores(None, [1.0, bad, 2.0], [])
    stores.update({("s", k, 0): 0.0 for k in range(3)} | {("h", 0, 0): 0.1})

    stores.run(update.loops)

    change = stores["h", TOLD.index("change"), 0]
    assert change != change


@pytest.mark.parametrize("largest", [0.0, 1e-200, 1.0, 1e200])
def test_the_norm_is_right_at_every_size(largest):
    """Its square may be infinite, or 0."""
    update = update_of(SGD([Value(1.0)], clip=ClipByNorm(1.0)).formula, 1, range(2))
    stores = Stores(None, [1.0, 1.0], [])
    stores.update({("s", k, 0): 0.0 for k in range(2)} | {("h", k, 0): 0.1 for k in (0, 1)})
    stores.update({("du", 0, 0): 3.0 * largest, ("du", 1, 0): -4.0 * largest})

    stores.run(update.loops)

    assert stores["h", TOLD.index("norm"), 0] == pytest.approx(5.0 * largest, rel=1e-15, abs=0.0)


def late(xp, steps, rate, norm, w, g, first, second):
    """The second reads what the first was, which has changed then."""
    return w - rate * first, g, first + g


def swapped(xp, steps, rate, norm, w, g, first, second):
    """Both change places."""
    return w - rate * g, second, first


@pytest.mark.parametrize("formula", [late, swapped])
def test_a_formula_that_reads_what_has_changed_is_refused(formula):
    """It would read the new number for the old one; the message names the remedy."""
    with pytest.raises(SettingError, match="the formula reads old0 after it was changed"):
        update_of(formula, 2, range(3))
