"""The facts of a run: the same for the same run in any container and process, others for others."""

import json
from functools import partial
from random import Random

import numpy as np
import pandas as pd
import pytest

from tinygrad_edu import nn
from tinygrad_edu.train import SGD, Adam, ClipByNorm, ClipByValue, cosine, linear, warm_up
from tinygrad_edu.train.identity import described, facts_of, fingerprint
from tinygrad_edu.train.stepping import Task

X, Y = [[0.5, 1.0], [2.0, 3.0], [4.0, 5.5]], [0, 1, 1]


@pytest.mark.parametrize(
    "same",
    [
        (X, Y),
        (tuple(map(tuple, X)), [0.0, 1.0, 1.0]),
        (np.array(X), np.array(Y)),
        (np.array(X, np.float32), np.array(Y, np.uint8)),
        (pd.DataFrame(X).to_numpy(), pd.Series(Y).to_numpy()),
    ],
)
def test_data_have_one_fingerprint_in_any_container(same):
    """Numbers count, not their types."""
    assert fingerprint(*same) == fingerprint(X, Y)


@pytest.mark.parametrize(
    "other",
    [
        (X, [0, 1, 0]),
        ([X[1], X[0], X[2]], Y),
        (X[:2], Y[:2]),
        ([[0.5, 1.0 + 1e-15], *X[1:]], Y),
        ([[0.5], [1.0, 2.0], [3.0, 4.0, 5.5]], Y),
        (X, ["a", "b", "b"]),
        (X, [[0], [1], [1]][::-1]),
    ],
)
def test_other_data_have_another_fingerprint(other):
    """A digit, an order, a target, a length."""
    assert fingerprint(*other) != fingerprint(X, Y)


def test_rows_of_rows_and_text_have_fingerprints_too():
    """An own model may take images, or words."""
    images = [[[1.0, 2.0], [3.0, 4.0]]]

    assert fingerprint(images, [0]) == fingerprint(np.array(images), [0])
    assert fingerprint(images, [0]) != fingerprint([[[1.0, 2.0], [3.0, 4.5]]], [0])
    assert fingerprint(["ab"], [0]) != fingerprint(["ac"], [0])


def scaled(factor):
    """A schedule that closes over a number."""
    return lambda step: factor


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (linear(60), linear(120)),
        (cosine(60), linear(60)),
        (warm_up(3, cosine(10)), warm_up(3, cosine(11))),
        (scaled(0.5), scaled(0.25)),
        (lambda step: 0.5, lambda step: 0.25),
        (lambda step, by=0.5: by, lambda step, by=0.25: by),
        (ClipByNorm(1.0), ClipByNorm(2.0)),
        (ClipByNorm(1.0), ClipByValue(1.0)),
        (nn.L2(0.1), nn.L1(0.1)),
        (nn.mse, nn.hinge),
        (partial(nn.mse), nn.cross_entropy),
        (1.0, 2.0),
        (np.int64(1), np.int64(2)),
        (np.float32(0.5), 0.25),
        (float("inf"), 0.0),
    ],
)
def test_what_differs_is_described_otherwise(one, other):
    """And the same thing, built again, alike; JSON keeps both as they are."""
    assert described(one) != described(other)
    for thing in (one, other):
        assert json.loads(json.dumps(described(thing), allow_nan=False)) == described(thing)


@pytest.mark.parametrize(
    "make",
    [
        lambda: warm_up(3, cosine(10)),
        lambda: scaled(0.5),
        lambda: ClipByNorm(1.0),
        lambda: lambda model: nn.L1(0.5)(model) + nn.L2(0.25)(model),
        object,
        lambda: nn.MLP(1, [1]),
    ],
)
def test_no_address_is_in_a_description(make):
    """Two objects of one kind are described alike."""
    assert described(make()) == described(make())


def test_things_that_hold_themselves_are_described():
    """To a certain depth."""

    class Circle:
        pass

    circle = Circle()
    circle.me = circle

    assert described(circle)[0] == "Circle"


def facts(rate=0.5, make=lambda p: SGD(p, 0.1), rng=0, **others):
    """The facts of a small run, with some of them changed."""
    model = nn.Sequential(nn.Layer(2, 3), nn.Dropout(rate))
    run = {"loss": nn.cross_entropy, "X": X, "y": Y, "batch_size": 2} | others
    return facts_of(Task(model=model, optimizer=make(model.parameters()), **run), Random(rng))


@pytest.mark.parametrize(
    ("others", "name"),
    [
        ({"X": [[0.5, 1.0], [2.0, 3.0], [4.0, 5.0]]}, "data"),
        ({"validation": (X, Y)}, "validation"),
        ({"batch_size": 3}, "batch_size"),
        ({"loss": lambda out, t: nn.cross_entropy(out, t)}, "loss"),
        ({"penalty": nn.L2(0.1)}, "penalty"),
        ({"rng": 1}, "rng"),
        ({"rate": 0.25}, "layer2.rate"),
        ({"make": lambda p: SGD(p, 0.2)}, "learning_rate"),
        ({"make": lambda p: SGD(p, 0.1, momentum=0.9)}, "momentum"),
        ({"make": lambda p: SGD(p, 0.1, schedule=cosine(3))}, "schedule"),
        ({"make": lambda p: SGD(p, 0.1, clip=ClipByNorm(1.0))}, "clip"),
    ],
)
def test_each_setting_is_a_fact_of_its_own(others, name):
    """All other facts are the same; so they are of the same run, built again."""
    before, now = facts(), facts(**others)

    assert [key for key in before if before[key] != now[key]] == [name]
    assert facts() == before


def test_what_changes_in_training_is_not_a_fact():
    """Steps, state and rate of the optimizer."""
    model = nn.MLP(2, [2])
    optimizer = Adam(model.parameters(), 0.1)
    task = Task(model, nn.cross_entropy, X, Y, optimizer)
    before = facts_of(task, Random(0))

    nn.cross_entropy(model(X[0]), 0).backward()
    optimizer.step()

    assert facts_of(task, Random(0)) == before
