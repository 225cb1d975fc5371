"""Scaling: mean 0 and deviation 1, as ``standardize`` does it, and back."""

import pytest

from tinygrad_edu.experiments.scaling import Scaling
from tinygrad_edu.train.data import Split, standardize

ROWS = [[1.0, 7.0, -1e50], [2.0, 7.0, 3e50], [6.0, 7.0, 2.0]]


def test_rows_are_scaled_as_standardize_does_it():
    """A constant column is only shifted."""
    scaling = Scaling.of(ROWS)

    standardized = standardize(Split(ROWS, [0, 0, 0], [], []))
    for row, expected in zip(ROWS, standardized.X, strict=True):
        assert scaling.to(row) == pytest.approx(expected, rel=1e-12)
    assert scaling.deviation[1] == 1.0


def test_rows_come_back():
    """In their own units."""
    scaling = Scaling.of(ROWS)

    for row in ROWS:
        assert scaling.back(scaling.to(row)) == pytest.approx(row, rel=1e-12, abs=1e35)
