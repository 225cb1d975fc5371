"""Initializers: where the weights start.

Each draws one weight: ``(rng, fan_in, fan_out) -> float``. ``fan_in`` and ``fan_out`` are the
numbers of inputs and outputs of the layer. The variance is such that signals, and gradients on
their way back, neither fade nor grow from layer to layer.

References
----------
Glorot and Bengio, Understanding the difficulty of training deep feedforward neural networks,
AISTATS 2010, eq. 12 (variance) and eq. 16 (uniform).
He, Zhang, Ren and Sun, Delving deep into rectifiers, ICCV 2015, eq. 10.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import TypeAlias

from tinygrad_edu.engine.errors import SettingError
from tinygrad_edu.engine.guards import real

Initializer: TypeAlias = Callable[[random.Random, int, int], float]


def glorot_uniform(rng: random.Random, fan_in: int, fan_out: int) -> float:
    """Draw uniformly within sqrt(6 / (fan_in + fan_out)) of 0: variance 2 / (fan_in + fan_out).

    Examples
    --------
    >>> import random
    >>> round(glorot_uniform(random.Random(0), 3, 3), 3)
    0.689
    """
    bound = math.sqrt(6.0 / (real(fan_in) + real(fan_out)))
    return rng.uniform(-bound, bound)


def glorot_normal(rng: random.Random, fan_in: int, fan_out: int) -> float:
    """Draw from a normal distribution with variance 2 / (fan_in + fan_out)."""
    return rng.gauss(0.0, math.sqrt(2.0 / (real(fan_in) + real(fan_out))))


def he_uniform(rng: random.Random, fan_in: int, fan_out: int) -> float:
    """Draw uniformly within sqrt(6 / fan_in) of 0: variance 2 / fan_in, as relu drops half."""
    bound = math.sqrt(6.0 / real(fan_in))
    return rng.uniform(-bound, bound)


def he_normal(rng: random.Random, fan_in: int, fan_out: int) -> float:
    """Draw from a normal distribution with variance 2 / fan_in, since relu drops half."""
    return rng.gauss(0.0, math.sqrt(2.0 / real(fan_in)))


def zeros(rng: random.Random, fan_in: int, fan_out: int) -> float:
    """Return 0, which suits a last layer; hidden neurons that start alike stay alike."""
    return 0.0


INITIALIZERS: dict[str, Initializer] = {
    f.__name__: f for f in (glorot_uniform, glorot_normal, he_uniform, he_normal, zeros)
}


def choose_initializer(initializer: str | Initializer | None, activation: object) -> Initializer:
    """Find an initializer by name; the default is he_uniform for relu, else glorot_uniform."""
    if initializer is None:
        return he_uniform if activation == "relu" else glorot_uniform
    if isinstance(initializer, str) and initializer in INITIALIZERS:
        return INITIALIZERS[initializer]
    if callable(initializer):
        return initializer
    raise SettingError(
        f"the initializer is {initializer!r:.60}.",
        expected=f"{', '.join(INITIALIZERS)}, or a function (rng, fan_in, fan_out) -> float",
        fix="pass one of these, for example initializer='glorot_uniform'.",
    )


def choose_rng(rng: random.Random | None) -> random.Random:
    """Return the generator, or a new one seeded with 0: same script, same bits."""
    if rng is None:
        return random.Random(0)
    if isinstance(rng, random.Random):
        return rng
    raise SettingError(
        f"rng is {rng!r:.60}.",
        expected="a random.Random, or None for random.Random(0)",
        fix="pass random.Random(seed).",
    )
