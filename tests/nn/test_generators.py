"""Generators of a model: all are found once, and their state comes back through JSON."""

import copy
import json
import pickle
import random
import sys
from collections import deque
from functools import partial

import pytest

from tinygrad_edu.engine.errors import SettingError
from tinygrad_edu.nn import Dropout, Layer, Module, Sequential
from tinygrad_edu.nn.generators import generators, get_state, global_generators, set_state

np = pytest.importorskip("numpy")


class Holder(Module):
    """Holds what it is given."""

    def __init__(self, **held):
        vars(self).update(held)


def draw(generator):
    """Draw three normal numbers: an odd count, so that Random keeps the fourth."""
    if isinstance(generator, random.Random):
        return [generator.gauss(0.0, 1.0) for _ in range(3)]
    if isinstance(generator, np.random.BitGenerator):
        generator = np.random.Generator(generator)
    if hasattr(generator, "normal"):
        return [generator.normal() for _ in range(3)]
    return sys.modules["torch"].randn(3, generator=generator).tolist()


def torch_generator():
    """A generator of PyTorch, where it is installed."""
    return pytest.importorskip("torch").Generator().manual_seed(3)


KINDS = {
    "random": lambda: random.Random(7),
    "default_rng": lambda: np.random.default_rng(7),
    **{
        name: lambda name=name: np.random.Generator(getattr(np.random, name)(7))
        for name in ("MT19937", "Philox", "SFC64", "PCG64DXSM")
    },
    "bits": lambda: np.random.PCG64(7),
    "RandomState": lambda: np.random.RandomState(7),
    "torch": torch_generator,
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_state_comes_back_through_json(kind):
    """The same numbers follow, also where a normal number is kept for the next call."""
    generator, other = KINDS[kind](), KINDS[kind]()
    draw(generator)
    state = json.loads(json.dumps(get_state(generator)))
    expected = draw(generator)

    set_state(other, state)

    assert draw(other) == expected
    assert [part for _, part in generators(Holder(source=other))] == [other]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "torch"])
def test_a_copy_of_a_model_draws_the_same_numbers(kind, copied):
    """And its generators are its own."""
    model = Holder(source=KINDS[kind]())
    twin = copied(model)

    assert draw(twin.source) == draw(model.source)
    assert twin.source is not model.source


def test_generators_are_found_where_parameters_are():
    """In attributes, lists, tuples and dicts of modules at any depth; a shared one counts once."""
    shared, numpy_s = random.Random(1), np.random.default_rng(1)
    model = Holder(
        source=shared,
        pair=(shared, [np.random.RandomState(2)]),
        inner=Holder(noise={"of": numpy_s, "x": 3.0}, again=shared),
        rest=Sequential(Layer(2, 2), "relu", Dropout(0.5), Dropout(0.5)),
    )

    found = [name for name, _ in generators(model)]

    assert found == ["source", "pair1.0", "inner.noise.of", "rest.layer2.rng", "rest.layer3.rng"]


def drawing(rng):
    """A function that closes over a generator."""
    return lambda: rng.random()


class Sampler:
    """An object of one's own, whose method a layer holds."""

    def __init__(self, source):
        self.source = source

    def draw(self):
        """Draw a number."""
        return self.source.random()


RNG = random.Random(7)


@pytest.mark.parametrize(
    ("held", "path"),
    [
        (Sampler(RNG), "held.source"),
        (Sampler([RNG]), "held.source.0"),
        (Sampler(RNG).draw, "held.__self__.source"),
        (RNG.random, "held.__self__"),
        (drawing(RNG), "held.rng"),
        (lambda rng=RNG: rng.random(), "held.0"),
        (partial(max, RNG), "held.1"),
        (partial(drawing(RNG), 3), "held.0.rng"),
        ({"noise": Sampler(RNG)}, "held.noise.source"),
        (deque([RNG]), "held.0"),
    ],
)
def test_generators_are_found_in_objects_and_functions_too(held, path):
    """A sampler of one's own, its method, a function that closes over a generator."""
    assert generators(Holder(inner=Holder(held=held))) == [(f"inner.{path}", RNG)]


def test_circles_and_deep_lists_end():
    """An object may hold itself, and lists may stand in lists beyond any recursion limit."""
    circle = Sampler(RNG)
    circle.me = circle
    deep = Sampler(RNG)
    for _ in range(10_000):
        deep = Sampler(deep)

    assert generators(Holder(held=circle)) == [("held.source", RNG)]
    assert [source for _, source in generators(Holder(held=deep))] == [RNG]


def test_the_generators_of_the_process_are_those_of_its_functions():
    """``random.random()`` and ``numpy.random.rand()`` draw from them."""
    found = global_generators()
    states = {name: get_state(source) for name, source in found.items()}
    expected = random.random(), np.random.rand()

    for name, source in found.items():
        set_state(source, states[name])

    assert (random.random(), np.random.rand()) == expected


def test_two_generators_of_one_name_are_refused():
    """A file could not tell them apart."""
    model = Holder(rng0=random.Random(1), rng=[random.Random(2)])

    with pytest.raises(SettingError, match="two generators of Holder are both named 'rng0'"):
        generators(model)


def test_a_generator_without_a_state_is_refused():
    """A run that draws from the system's entropy can't be gone on with."""
    with pytest.raises(SettingError, match="SystemRandom has no state that could be kept"):
        get_state(random.SystemRandom())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("other", ["random", "default_rng", "RandomState", "torch", "SFC64"])
def test_the_state_of_another_kind_is_refused(kind, other):
    """And the generator draws what it would have drawn."""
    generator, twin = KINDS[kind](), KINDS[kind]()
    state = get_state(KINDS[other]())
    if other in (kind, {"bits": "default_rng", "MT19937": "RandomState"}.get(kind)):
        pytest.skip("of one kind: the generator in a layer of its own, or around the same bits")

    with pytest.raises(SettingError, match="this is not the state of a"):
        set_state(generator, state)

    assert draw(generator) == draw(twin)


@pytest.mark.parametrize("state", [None, 3, [], {}, "x", [3, [1, 2], None], [-1] * 5056])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_a_state_is_refused(kind, state):
    """Whatever stood in a file."""
    generator, twin = KINDS[kind](), KINDS[kind]()

    with pytest.raises(SettingError, match="this is not the state of a"):
        set_state(generator, state)

    assert draw(generator) == draw(twin)
