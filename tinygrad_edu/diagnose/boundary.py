"""``decision_boundary``: where does a model of two features go from one class to the next?"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any

from tinygrad_edu.compiled.predict import Predictor
from tinygrad_edu.diagnose.sandbox import untouched
from tinygrad_edu.engine import Value
from tinygrad_edu.engine.errors import LengthError
from tinygrad_edu.engine.ops import SIGMOID
from tinygrad_edu.nn import Module
from tinygrad_edu.shared.arguments import extra, same_length, whole
from tinygrad_edu.shared.plots import axes_or_new, class_looks, legend
from tinygrad_edu.shared.samples import by_position, rows_of_numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WHAT = "the plot of the decision boundary"
MARGIN = 0.08  # of the data's extent, on each side


def decision_boundary(
    model: Module,
    X: Sequence[Sequence[float]],
    y: Sequence[Any],
    *,
    resolution: int = 150,
    ax: Axes | None = None,
) -> Axes:
    """Draw the regions that a model of two features assigns to each class, and the samples.

    Parameters
    ----------
    model : Module with one output, whose sign is the class (above 0.5 where the output is a
        sigmoid), or with one for each class, of which the largest is
    X : samples of two features; y : their classes: 1 against 0 or -1, or the index of the output
    resolution : int, at least 2, points on each side of the grid

    Examples
    --------
    >>> from tinygrad_edu import nn
    >>> from tinygrad_edu.diagnose import decision_boundary
    >>> ax = decision_boundary(nn.MLP(2, [4, 1]), [[-1, 0], [1, 0]], [0, 1], resolution=20)
    >>> ax.get_xlabel()
    'feature 0'
    """
    X, y = rows_of_numbers(X), by_position(y, "y")
    same_length("y", y, "X", X)
    resolution = whole("resolution", resolution, least=2)
    for i, x in enumerate(X):
        if len(x) != 2:
            raise LengthError(
                f"X[{i}] has {len(x)} features.",
                expected="two: they are the axes of the picture",
                fix="train a model on two features, for example X = [[x[0], x[1]] for x in X].",
            )
    extra("matplotlib.figure", "matplotlib", WHAT)
    xs, ys = (_axis([float(x[k]) for x in X], resolution) for k in (0, 1))
    with untouched(model), model.evaluating():
        out = model(X[0])
        single = out if isinstance(out, Value) else out[0]
        threshold = 0.5 if single.op is SIGMOID else 0.0  # where a single output changes class
        outputs = Predictor(model)([[a, b] for b in ys for a in xs])
    margins = [_margins(out, threshold) for out in outputs]
    with axes_or_new(ax, WHAT, (5.6, 4.6)) as ax:
        looks = class_looks(len(margins[0]))
        for k, (color, _) in enumerate(looks):
            column = [margin[k] for margin in margins]
            rows = [column[i : i + resolution] for i in range(0, len(column), resolution)]
            _region(ax, (xs, ys, rows), color)
        classes = [int(target > 0) if len(outputs[0]) == 1 else int(target) for target in y]
        for k, (color, marker) in enumerate(looks):
            mine = [i for i, own in enumerate(classes) if own == k]
            if mine:
                places = [X[i][0] for i in mine], [X[i][1] for i in mine]
                dots = ax.scatter(*places, s=26, color=color, marker=marker, edgecolors="white")
                dots.set(linewidths=0.6, label=f"target {y[mine[0]]}")
        ax.set(xlabel="feature 0", ylabel="feature 1", title="Decision boundary")
        ax.set(xlim=(xs[0], xs[-1]), ylim=(ys[0], ys[-1]))
        legend(ax, "upper right")
    return ax


def _axis(column: list[float], resolution: int) -> list[float]:
    """Space numbers evenly from a little below to a little above the data."""
    low, high = min(column), max(column)
    margin = MARGIN * (high - low) or 1.0
    low, high = low - margin, high + margin
    return [low + (high - low) * i / (resolution - 1) for i in range(resolution)]


def _margins(out: list[float], threshold: float) -> list[float]:
    """Compute how far each class is ahead of the best of the others; 0 on the boundary."""
    if len(out) == 1:
        return [threshold - out[0], out[0] - threshold]
    return [own - max(out[:k] + out[k + 1 :]) for k, own in enumerate(out)]


def _region(ax: Axes, grid: tuple[list[float], list[float], list[list[float]]], color: Any) -> None:
    """Fill the region where a class is ahead, and draw its border, where there are any."""
    numbers = [number for row in grid[2] for number in row if isfinite(number)]
    if numbers and max(numbers) > 0.0:
        ax.contourf(*grid, levels=[0.0, max(numbers)], colors=[color], alpha=0.25, extend="neither")
        if min(numbers) < 0.0:
            ax.contour(*grid, levels=[0.0], colors="black", linewidths=1.2)
