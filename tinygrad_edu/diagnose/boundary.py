"""Where a model of two features changes its mind."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any

from tinygrad_edu.compiled.predict import Predictor
from tinygrad_edu.diagnose.plots import axes_or_new, class_colors, class_markers
from tinygrad_edu.diagnose.sandbox import untouched
from tinygrad_edu.engine import Value
from tinygrad_edu.engine.collector import collector_paused
from tinygrad_edu.engine.errors import LengthError
from tinygrad_edu.nn import Module
from tinygrad_edu.shared.arguments import same_length, whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARGIN = 0.08  # of the data's extent, on each side
WHAT = "the plot of the decision boundary"


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
    ax : Axes to draw on; default those of a new Figure

    Returns
    -------
    Axes

    Raises
    ------
    LengthError, SettingError
        If a sample has not two features, or a setting can't be used.
    MissingExtraError
        If Matplotlib is not installed.

    Examples
    --------
    >>> from tinygrad_edu import nn
    >>> from tinygrad_edu.diagnose.boundary import decision_boundary
    >>> ax = decision_boundary(nn.MLP(2, [4, 1]), [[-1, 0], [1, 0]], [0, 1], resolution=20)
    >>> ax.get_xlabel()
    'feature 0'
    """
    same_length("y", y, "X", X)
    resolution = whole("resolution", resolution, least=2)
    for i, x in enumerate(X):
        _two(i, x)
    ax = axes_or_new(ax, WHAT, (5.6, 4.6))
    xs, ys = (_axis([float(x[k]) for x in X], resolution) for k in (0, 1))
    with collector_paused(), untouched(model), model.evaluating():
        threshold = _threshold(model(X[0]))
        outputs = Predictor(model)([[a, b] for b in ys for a in xs])
    single = len(outputs[0]) == 1
    margins = [_margins(out, threshold) for out in outputs]
    for k, color in enumerate(class_colors(len(margins[0]))):
        column = [margin[k] for margin in margins]
        rows = [column[i : i + resolution] for i in range(0, len(column), resolution)]
        _region(ax, (xs, ys, rows), color)
    _samples(ax, X, y, len(margins[0]), single=single)
    ax.set(xlabel="feature 0", ylabel="feature 1", title="Decision boundary")
    ax.set(xlim=(xs[0], xs[-1]), ylim=(ys[0], ys[-1]))
    return ax


def _two(i: int, x: Sequence[float]) -> None:
    if len(x) != 2:
        raise LengthError(
            f"X[{i}] has {len(x)} features.",
            expected="two: they are the axes of the picture",
            fix="pick two features, or train a model on two.",
        )


def _axis(column: list[float], resolution: int) -> list[float]:
    """Evenly spaced numbers from a little below to a little above the data."""
    low, high = min(column), max(column)
    margin = MARGIN * (high - low) or 1.0
    low, high = low - margin, high + margin
    return [low + (high - low) * i / (resolution - 1) for i in range(resolution)]


def _threshold(out: Any) -> float:
    """Where a single output changes class: sigmoids say 0.5 for what others call 0."""
    single = out if isinstance(out, Value) else out[0] if len(out) == 1 else None
    sigmoid = single is not None and single.op is not None and single.op.name == "sigmoid"
    return 0.5 if sigmoid else 0.0


def _margins(out: list[float], threshold: float) -> list[float]:
    """For each class, how far it is ahead of the best of the others; 0 on the boundary."""
    if len(out) == 1:
        return [threshold - out[0], out[0] - threshold]
    return [own - max(out[:k] + out[k + 1 :]) for k, own in enumerate(out)]


def _region(ax: Axes, grid: tuple[list[float], list[float], list[list[float]]], color: str) -> None:
    """Where a class is ahead, and the line round it, where there is any in the picture."""
    numbers = [number for row in grid[2] for number in row if isfinite(number)]
    if numbers and max(numbers) > 0.0:
        ax.contourf(*grid, levels=[0.0, max(numbers)], colors=[color], alpha=0.25, extend="neither")
        if min(numbers) < 0.0:
            ax.contour(*grid, levels=[0.0], colors="black", linewidths=1.2)


def _samples(
    ax: Axes, X: Sequence[Sequence[float]], y: Sequence[Any], count: int, *, single: bool
) -> None:
    """The samples, by colour and by marker; a class is named as its target is."""
    places = [int(target > 0) if single else int(target) for target in y]
    looks = zip(range(count), class_colors(count), class_markers(count), strict=True)
    for k, color, marker in looks:
        mine = [i for i, place in enumerate(places) if place == k]
        if mine:
            ax.scatter(
                [X[i][0] for i in mine], [X[i][1] for i in mine], color=color, marker=marker,
                s=26, edgecolors="white", linewidths=0.6, label=f"target {y[mine[0]]}",
            )  # fmt: skip
    ax.legend(frameon=True, framealpha=0.85, edgecolor="none", fontsize=8)
