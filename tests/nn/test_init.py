"""Initialisers: their bounds, variances and shapes, with statistical bounds that are computed."""

import math
import random
import re
from statistics import NormalDist

import pytest

from tinygrad_edu.engine.errors import OperandError, SettingError
from tinygrad_edu.nn import INITIALIZERS, Layer, Neuron, glorot_uniform, he_uniform
from tinygrad_edu.nn.init import choose_initializer

DRAWS = 20_000
SIGMAS = 5.0  # one honest initializer in 1.7 million seeds fails
FANS = [(1, 1), (3, 5), (64, 10), (10, 64)]
VARIANCES = {  # Glorot and Bengio 2010, eq. 12; He et al. 2015, eq. 10
    "glorot_uniform": lambda fan_in, fan_out: 2.0 / (fan_in + fan_out),
    "glorot_normal": lambda fan_in, fan_out: 2.0 / (fan_in + fan_out),
    "he_uniform": lambda fan_in, fan_out: 2.0 / fan_in,
    "he_normal": lambda fan_in, fan_out: 2.0 / fan_in,
}
every = pytest.mark.parametrize("name", VARIANCES)
sizes = pytest.mark.parametrize("fans", FANS, ids=str)


def draw(name, fans):
    """Many weights of one kind."""
    rng = random.Random(f"{name}{fans}")
    return [INITIALIZERS[name](rng, *fans) for _ in range(DRAWS)]


@every
@sizes
def test_the_mean_is_zero_and_the_variance_that_of_the_paper(name, fans):
    """Sample means deviate by sqrt(variance / n), sample variances by sqrt((kurtosis - 1) / n)."""
    weights, variance = draw(name, fans), VARIANCES[name](*fans)
    kurtosis = 1.8 if name.endswith("uniform") else 3.0

    mean = math.fsum(weights) / DRAWS
    ratio = math.fsum(x * x for x in weights) / DRAWS / variance

    assert abs(mean) < SIGMAS * math.sqrt(variance / DRAWS)
    assert abs(ratio - 1.0) < SIGMAS * math.sqrt((kurtosis - 1.0) / DRAWS) < 0.06


@every
def test_the_distribution_is_uniform_or_normal(name):
    """Kolmogorov and Smirnov: the largest gap to the distribution function, 1e-5 to be beyond."""
    scale = math.sqrt(VARIANCES[name](3, 5))
    numbers = sorted(x / scale for x in draw(name, (3, 5)))

    if name.endswith("uniform"):
        expected = [(x / math.sqrt(3.0) + 1.0) / 2.0 for x in numbers]
    else:
        expected = [NormalDist().cdf(x) for x in numbers]
    gap = max(abs(p - (i + 0.5) / DRAWS) for i, p in enumerate(expected))

    assert gap < 2.47 / math.sqrt(DRAWS)


@pytest.mark.parametrize("name", ["glorot_uniform", "he_uniform"])
@sizes
def test_a_uniform_initializer_fills_its_interval_and_no_more(name, fans):
    """The interval within sqrt(3 variance): a maximum short of it by 1/1000 is a 2e-9 event."""
    bound = math.sqrt(3.0 * VARIANCES[name](*fans))

    largest = max(map(abs, draw(name, fans)))

    assert 0.999 * bound < largest <= bound


def test_zeros_are_zero_and_draw_nothing():
    """The generator is left where it was."""
    rng = random.Random(3)
    before = rng.getstate()

    assert INITIALIZERS["zeros"](rng, 3, 4) == 0.0
    assert rng.getstate() == before


@pytest.mark.parametrize(
    ("activation", "expected"),
    [
        ("relu", he_uniform),
        ("tanh", glorot_uniform),
        ("linear", glorot_uniform),
        ("sigmoid", glorot_uniform),
        (abs, glorot_uniform),
    ],
)
def test_the_default_goes_with_the_activation(activation, expected):
    """He's for relu, Glorot's for all others: the same draws as if asked for by name."""
    default = Layer(3, 2, activation, rng=random.Random(5))
    named = Layer(3, 2, activation, expected.__name__, rng=random.Random(5))

    assert choose_initializer(None, activation) is expected
    assert [p.data for p in default.parameters()] == [p.data for p in named.parameters()]


@pytest.mark.promise(name="settings")
@pytest.mark.parametrize("initializer", ["he", "", 3, ["he_normal"]])
def test_an_unknown_initializer_is_refused_with_the_list_of_known_ones(initializer):
    """The message names every one that may be chosen."""
    match = re.escape(f"the initializer is {initializer!r}.")

    with pytest.raises(SettingError, match=match) as info:
        Neuron(2, initializer=initializer)

    assert all(name in str(info.value) for name in INITIALIZERS)


def test_an_initializer_must_return_numbers():
    """What it returns becomes a weight, or is refused like any operand."""
    with pytest.raises(OperandError, match="expected a real number, got str"):
        Neuron(2, initializer=lambda rng, fan_in, fan_out: "0.5")
