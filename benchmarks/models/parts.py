"""What the models share: data, and the loops that learners write again and again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Array = Any  # of NumPy, PyTorch or JAX
Slopes = dict[str, Array]  # by the name of the parameter
ROWS = 64


def uniform(*shape: int, seed: int = 0) -> Array:
    """Draw numbers between -1 and 1."""
    return np.random.RandomState(seed).uniform(-1.0, 1.0, shape)


def dot(xs: Sequence[Any], ys: Sequence[Any]) -> Any:
    """Add up the products of two lists."""
    return sum(x * y for x, y in zip(xs, ys, strict=True))


def affine(W: Sequence[Sequence[Any]], b: Sequence[Any], x: Sequence[Any]) -> list[Any]:
    """Compute W x + b, row by row."""
    return [dot(row, x) + bias for row, bias in zip(W, b, strict=True)]


def sigmoid(x: Array) -> Array:
    """Compute the logistic function of an array of NumPy."""
    return 1.0 / (1.0 + np.exp(-x))
