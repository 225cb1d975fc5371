"""Shift and scale numbers to mean 0 and standard deviation 1, and back again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum, sqrt


@dataclass(frozen=True)
class Scaling:
    """The mean and the standard deviation of each column, 1 for a constant one."""

    mean: list[float]
    deviation: list[float]

    @classmethod
    def of(cls, rows: Sequence[Sequence[float]]) -> Scaling:
        """Measure the columns of some rows."""
        columns, count = list(zip(*rows, strict=True)), len(rows)
        means = [fsum(column) / count for column in columns]
        squares = [
            fsum((x - mean) ** 2 for x in column)
            for column, mean in zip(columns, means, strict=True)
        ]
        constant = [min(column) == max(column) for column in columns]
        return cls(
            means,
            [
                1.0 if same else sqrt(square / count)
                for square, same in zip(squares, constant, strict=True)
            ],
        )

    def to(self, row: Sequence[float]) -> list[float]:
        """Return a row shifted and scaled."""
        parts = zip(row, self.mean, self.deviation, strict=True)
        return [(x - mean) / deviation for x, mean, deviation in parts]

    def back(self, row: Sequence[float]) -> list[float]:
        """Return a row in its own units."""
        parts = zip(row, self.mean, self.deviation, strict=True)
        return [x * deviation + mean for x, mean, deviation in parts]
