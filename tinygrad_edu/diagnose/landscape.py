"""The loss around the weights: a slice of its landscape along one or two directions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot, isfinite
from random import Random
from typing import TYPE_CHECKING, Any

from tinygrad_edu.compiled.program import check_compiled
from tinygrad_edu.compiled.symbolic import Loss
from tinygrad_edu.diagnose.flow import unit_name
from tinygrad_edu.diagnose.objective import Objective, objective
from tinygrad_edu.diagnose.sandbox import untouched
from tinygrad_edu.engine import set_numbers
from tinygrad_edu.engine.collector import collector_paused
from tinygrad_edu.engine.errors import SettingError
from tinygrad_edu.nn import Module
from tinygrad_edu.nn.init import choose_rng
from tinygrad_edu.shared.arguments import same_length, whole, within

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, repr=False)
class LossSurface:
    """What :func:`loss_surface` computed.

    Attributes
    ----------
    alphas : tuple of float, the steps along the first direction
    betas : tuple of float, those along the second; None for a curve
    losses : tuple of rows of float, a row for each of ``betas`` (one row for a curve), in it the
        mean loss for each of ``alphas``
    center : float, the loss at the weights themselves
    directions : tuple of directions, each a number for every parameter, as ``model.parameters()``
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
            return f"{head}; none is finite"
        (low, *at), (high, *top) = min(points), max(points)
        return f"{head}\nlowest {low:.4g} at {self._at(at)}, highest {high:.4g} at {self._at(top)}"

    __repr__ = __str__

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the curve, or the filled contours; return the Axes."""
        from tinygrad_edu.diagnose.plots import plot_surface

        return plot_surface(self, ax)

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

    The model is left as it is; it behaves as in use, so that dropout, for one, is off.

    Parameters
    ----------
    model, loss, X, y : as for :func:`tinygrad_edu.train.fit`
    dimensions : 1 or 2, how many random directions to draw
    directions : in their place one or two lists with a number for each of ``model.parameters()``,
        taken as they are
    span : float > 0; alpha and beta run from -span to span
    points : int, at least 3, values of alpha, and of beta; an odd number has the weights among them
    samples : int, at most so many, evenly spread over X, tell the loss
    rng : random.Random that draws the directions; default ``Random(0)``
    compiled : True for matrices, False for graphs, "auto" for matrices where that can be

    Returns
    -------
    LossSurface

    Raises
    ------
    LengthError, SettingError
        Before any work, if a setting can't be used.

    Notes
    -----
    Random directions are normal, then filter-normalised: the numbers of each neuron (its weights
    and its bias) are scaled to the norm of those they are added to, so that pictures of networks
    with small and with large weights can be compared. A neuron whose weights are all 0 stays put.

    References
    ----------
    Li, Xu, Taylor, Studer and Goldstein 2018, Visualizing the loss landscape of neural nets,
    section 4.

    Examples
    --------
    >>> from tinygrad_edu import nn
    >>> from tinygrad_edu.diagnose.landscape import loss_surface
    >>> line = nn.MLP(1, [1])
    >>> w, b = line.parameters()
    >>> w.data, b.data = 2.0, 0.0
    >>> surface = loss_surface(line, nn.mse, [[1.0]], [2.0], directions=[[1.0, 0.0]], points=3)
    >>> surface.losses
    ((1.0, 0.0, 1.0),)
    """
    same_length("y", y, "X", X)
    span, points = within("span", span, above=0.0), whole("points", points, least=3)
    rng, chosen = choose_rng(rng), range(0, len(X), -(-len(X) // whole("samples", samples)))
    check_compiled(compiled)
    if directions is None:
        lines = [_random_direction(model, rng) for _ in range(_one_or_two(dimensions))]
    else:
        lines = _given(model, directions)
    steps = tuple(span * (2.0 * i / (points - 1) - 1.0) for i in range(points))
    betas = steps if len(lines) == 2 else (0.0,)
    with collector_paused(), untouched(model), model.evaluating():
        task = objective(model, loss, [X[i] for i in chosen], [y[i] for i in chosen], compiled)
        start = [p.data for p in task.parameters]
        second = lines[1] if len(lines) == 2 else [0.0] * len(start)
        center = task.forward()
        rows = [
            tuple(_loss_at(task, start, (lines[0], a), (second, b)) for a in steps) for b in betas
        ]
    found = tuple(map(tuple, lines))
    return LossSurface(steps, betas if len(lines) == 2 else None, tuple(rows), center, found)


def _loss_at(task: Objective, start: list[float], *moves: tuple[Sequence[float], float]) -> float:
    (first, alpha), (second, beta) = moves
    there = [w + alpha * d + beta * e for w, d, e in zip(start, first, second, strict=True)]
    set_numbers(task.parameters, "data", there)
    return task.forward()


def _random_direction(model: Module, rng: Random) -> list[float]:
    """Normal numbers, scaled neuron by neuron to the norm of its weights."""
    units, weights = dict[str, list[int]](), list[float]()
    for i, (name, parameter) in enumerate(model.named_parameters()):
        units.setdefault(unit_name(name), []).append(i)
        weights.append(parameter.data)
    direction = [rng.gauss(0.0, 1.0) for _ in weights]
    for places in units.values():
        drawn = hypot(*[direction[i] for i in places])
        size = hypot(*[weights[i] for i in places])
        for i in places:
            direction[i] *= size / drawn
    return direction


def _one_or_two(dimensions: int) -> int:
    if dimensions not in (1, 2):
        raise SettingError(
            f"dimensions is {dimensions!r:.40}.", expected="1 or 2", fix="choose one of these."
        )
    return int(dimensions)


def _given(model: Module, directions: Sequence[Sequence[float]]) -> list[list[float]]:
    _one_or_two(len(directions))
    parameters = model.parameters()
    for i, direction in enumerate(directions):
        same_length(f"directions[{i}]", direction, "model.parameters()", parameters)
    return [
        [within(f"directions[{i}][{j}]", x) for j, x in enumerate(direction)]
        for i, direction in enumerate(directions)
    ]
