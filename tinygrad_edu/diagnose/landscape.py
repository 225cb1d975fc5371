"""``loss_surface``: the loss around the weights, along one or two directions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot, isfinite
from random import Random
from typing import TYPE_CHECKING, Any

from tinygrad_edu.compiled.symbolic import Loss
from tinygrad_edu.diagnose.objective import objective
from tinygrad_edu.diagnose.places import by_unit
from tinygrad_edu.diagnose.sandbox import Subject
from tinygrad_edu.engine import set_numbers
from tinygrad_edu.engine.errors import SettingError
from tinygrad_edu.nn import Module
from tinygrad_edu.nn.init import choose_rng
from tinygrad_edu.shared.arguments import extra, one_of, same_length, whole, within
from tinygrad_edu.shared.plots import BLUE, ORANGE, axes_or_new, drawable, legend
from tinygrad_edu.shared.samples import as_list

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEVELS = 14  # of the contours
WHAT = "the plot of the loss surface"


@dataclass(frozen=True, repr=False)
class LossSurface:
    """The result of :func:`loss_surface`: ``print`` it, plot it, or take the numbers.

    Attributes
    ----------
    alphas : tuple of float, the steps along the first direction
    betas : tuple of float, those along the second; None for a curve
    losses : tuple of rows of float, one row for each of ``betas`` (a single row for a curve), with
        the mean loss for each of ``alphas``
    center : float, the loss at the weights themselves
    directions : tuple of directions, each with one number for each of ``model.parameters()``
    """

    alphas: tuple[float, ...]
    betas: tuple[float, ...] | None
    losses: tuple[tuple[float, ...], ...]
    center: float
    directions: tuple[tuple[float, ...], ...]

    def __str__(self) -> str:
        betas = self.betas or (0.0,)
        points = [
            (loss, alpha, beta)
            for beta, row in zip(betas, self.losses, strict=True)
            for alpha, loss in zip(self.alphas, row, strict=True)
            if isfinite(loss)
        ]
        head = f"{len(betas) * len(self.alphas)} losses around the weights, {self.center:.4g} there"
        if not points:
            return f"{head}; all around are nan or inf"
        (low, *at), (high, *top) = min(points), max(points)
        return f"{head}\nlowest {low:.4g} at {self._at(at)}, highest {high:.4g} at {self._at(top)}"

    __repr__ = __str__

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the curve, or the filled contours; return the Axes."""
        with axes_or_new(ax, WHAT, (6.0, 4.6)) as ax:
            unit = "step along direction {} (1: as large as the weights)"
            if self.betas is None:
                ax.plot(self.alphas, [*map(drawable, self.losses[0])], color=BLUE, lw=2)
                ax.plot(
                    [0.0], [drawable(self.center)], "*", ms=14, color=ORANGE, label="the weights"
                )
            else:
                self._contours(ax)
            ax.set(xlabel=unit.format(1), ylabel=unit.format(2) if self.betas else "mean loss")
            ax.set_title("Loss around the weights")
            legend(ax, "upper right")
        return ax

    def _contours(self, ax: Axes) -> None:
        numpy = extra("numpy", "numpy", WHAT)
        colors = extra("matplotlib.colors", "matplotlib", WHAT)
        losses = numpy.ma.masked_invalid([[*map(drawable, row)] for row in self.losses])
        if not losses.count():
            return  # nothing that can be drawn: an empty picture says so
        low, high = float(losses.min()), float(losses.max())
        wide = low > 0.0 and high > 10.0 * low
        space = numpy.geomspace if wide else numpy.linspace
        if high - low <= max(1e-9 * max(abs(low), abs(high)), 1e-300):  # as good as flat
            high = low + max(1.0, abs(low))
        levels = space(low, high, LEVELS)
        norm = colors.LogNorm(levels[0], levels[-1]) if wide else None
        grid = (self.alphas, self.betas, losses)
        filled = ax.contourf(*grid, levels=levels, cmap="cividis", norm=norm)
        ax.contour(*grid, levels=levels, colors="white", linewidths=0.4)
        bar = ax.figure.colorbar(filled, ax=ax, label="mean loss" + " (logarithmic)" * wide)
        bar.set_ticks(levels[::3], labels=[f"{level:.3g}" for level in levels[::3]])
        bar.ax.minorticks_off()
        ax.plot([0.0], [0.0], "*", ms=14, color="white", mec="black", label="the weights")

    def _at(self, place: Sequence[float]) -> str:
        used = place if self.betas is not None else place[:1]
        return "(" + ", ".join(f"{x:+.3g}" for x in used) + ")"


def loss_surface(
    model: Module,
    loss: Loss,
    X: Sequence[Any],
    y: Sequence[Any],
    *,
    dimensions: int = 2,
    directions: Sequence[Sequence[float]] | None = None,
    span: float = 1.0,
    points: int = 25,
    samples: int = 200,
    rng: Random | None = None,
    compiled: bool | str = "auto",
) -> LossSurface:
    """Compute the mean loss at weights + alpha * direction (+ beta * second direction).

    The model runs in evaluation mode, so that dropout, for example, is off.

    Parameters
    ----------
    dimensions : 1 or 2, how many random directions to draw
    directions : one or two lists with a number for each of ``model.parameters()``, taken as they
        are, in place of random ones
    span : float > 0, at most 1e100; alpha and beta run from -span to span
    points : int, at least 3, values of alpha, and of beta; an odd number has the weights among them
    model, loss, X, y, samples, rng, compiled : see :mod:`tinygrad_edu.diagnose`

    Notes
    -----
    Random directions are normal, then filter-normalised: the numbers of each neuron (its weights
    and its bias) are scaled to the norm of those they are added to, so that pictures of networks
    with small and with large weights can be compared. Weights of a neuron that are all 0 stay 0.

    References
    ----------
    Li, Xu, Taylor, Studer and Goldstein 2018, Visualizing the loss landscape of neural nets,
    section 4.

    Examples
    --------
    >>> from tinygrad_edu import nn
    >>> from tinygrad_edu.diagnose import loss_surface
    >>> line = nn.MLP(1, [1])
    >>> w, b = line.parameters()
    >>> w.data, b.data = 2.0, 0.0
    >>> surface = loss_surface(line, nn.mse, [[1.0]], [2.0], directions=[[1.0, 0.0]], points=3)
    >>> surface.losses
    ((1.0, 0.0, 1.0),)
    """
    subject = Subject(model, loss, X, y, compiled=compiled).part(samples)
    span, points = within("span", span, above=0.0, most=1e100), whole("points", points, least=3)
    rng = choose_rng(rng)
    if directions is None:
        count = int(one_of("dimensions", dimensions, (1, 2)))
        lines = [_random_direction(model, rng) for _ in range(count)]
    else:
        lines = _given(model, directions)
    steps = tuple(span * (2.0 * i / (points - 1) - 1.0) for i in range(points))
    betas = steps if len(lines) == 2 else (0.0,)
    with subject.untouched() as parameters, model.evaluating():
        mean_loss, start = objective(subject), [p.data for p in parameters]

        def loss_at(alpha: float, beta: float) -> float:
            moved = zip(start, lines[0], lines[-1], strict=True)
            set_numbers(parameters, "data", [w + alpha * d + beta * e for w, d, e in moved])
            return mean_loss.forward()

        center = mean_loss.forward()
        losses = tuple(tuple(loss_at(a, b) for a in steps) for b in betas)
    found = tuple(map(tuple, lines))
    return LossSurface(steps, betas if len(lines) == 2 else None, losses, center, found)


def _random_direction(model: Module, rng: Random) -> list[float]:
    """Draw normal numbers, scaled neuron by neuron to the norm of its weights."""
    names, parameters = zip(*model.named_parameters(), strict=True)
    direction = [rng.gauss(0.0, 1.0) for _ in parameters]
    for unit in by_unit(enumerate(names)):
        scale = hypot(*[parameters[i].data for i in unit]) / hypot(*[direction[i] for i in unit])
        for i in unit:
            direction[i] *= scale
    return direction


def _given(model: Module, directions: Sequence[Sequence[float]]) -> list[list[float]]:
    """Check the directions that were passed."""
    directions = as_list(directions, "directions")
    if len(directions) not in (1, 2):
        raise SettingError(
            f"directions has {len(directions)} entries.",
            expected="one or two directions",
            fix="pass the first two, for example directions=directions[:2].",
        )
    directions = [as_list(line, f"directions[{i}]") for i, line in enumerate(directions)]
    for i, direction in enumerate(directions):
        same_length(f"directions[{i}]", direction, "model.parameters()", model.parameters())
    return [
        [within(f"directions[{i}][{j}]", x) for j, x in enumerate(direction)]
        for i, direction in enumerate(directions)
    ]
