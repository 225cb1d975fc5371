"""``learning_rate_range``: which learning rates does a model stand?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, count
from math import exp, isfinite, log, nan
from random import Random
from typing import TYPE_CHECKING, Any

from tinygrad_edu.compiled.symbolic import Loss
from tinygrad_edu.diagnose.objective import objective
from tinygrad_edu.diagnose.sandbox import Subject
from tinygrad_edu.nn import Module
from tinygrad_edu.nn.init import choose_rng
from tinygrad_edu.shared.arguments import whole, within
from tinygrad_edu.shared.plots import BLUE, GREY, ORANGE, axes_or_new, drawable, legend
from tinygrad_edu.train.data import minibatches
from tinygrad_edu.train.optim import Optimizer

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GIVE_UP = 4.0  # times the lowest loss: it has diverged, what follows tells nothing
WINDOW = 2  # losses on each side in the moving mean: minibatches push this way and that
RAGGED = 0.1  # of the whole fall: where it first rises by more, rates are too large (Smith 2017)
STARTS_TO_FALL = 0.1  # of the whole fall: below that the loss is as good as flat


@dataclass(frozen=True)
class LearningRateRange:
    """The result of :func:`learning_rate_range`: ``print`` it, plot it, or take the numbers.

    Attributes
    ----------
    learning_rates : tuple of float, one for each step, in geometric progression, to where it ended
    losses : tuple of float, before each step
    smooth : tuple of float, the losses' moving mean
    usable : (float, float), from where the loss starts to fall to its lowest before it first
        rises; nan, nan if it never falls
    suggestion : float, where it falls most steeply; nan if it never falls
    diverged : bool, whether the loss grew above its start and ``GIVE_UP`` times its lowest, or
        became nan or inf
    """

    learning_rates: tuple[float, ...]
    losses: tuple[float, ...]
    smooth: tuple[float, ...]
    usable: tuple[float, float]
    suggestion: float
    diverged: bool

    def __str__(self) -> str:
        first, last = self.learning_rates[0], self.learning_rates[-1]
        end = "where the loss diverged" if self.diverged else "and the loss never diverged"
        head = f"{len(self.losses)} steps with learning rates from {first:.2g} to {last:.2g}, {end}"
        if not isfinite(self.suggestion):
            return f"{head}\nthe loss never falls"
        low, high = self.usable
        return f"{head}\nusable: {low:.2g} to {high:.2g}; try {self.suggestion:.2g}"

    __repr__ = __str__

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw loss against learning rate, the usable range marked; return the Axes."""
        with axes_or_new(ax, "the plot of loss against learning rate") as ax:
            drawn = [*map(drawable, self.losses)]
            ax.plot(self.learning_rates, drawn, "o", ms=2.5, color=GREY, label="before each step")
            rates = self.learning_rates[: len(self.smooth)]
            ax.plot(rates, [*map(drawable, self.smooth)], color=BLUE, lw=2, label="moving mean")
            if isfinite(self.suggestion):
                low, high = self.usable
                label = f"usable: {low:.2g} to {high:.2g}"
                ax.axvspan(low, high, color=ORANGE, alpha=0.15, lw=0, label=label)
                suggestion = f"try {self.suggestion:.2g}"
                ax.axvline(self.suggestion, color=ORANGE, ls="--", label=suggestion)
            ax.set_xscale("log")
            finite = [loss for loss in drawn if isfinite(loss)] or [0.0]
            top = max(min(loss, 2.0 * finite[0]) for loss in finite)
            extent, size = top - min(finite), abs(top)
            margin = 0.06 * extent if extent > 1e-9 * size else max(1.0, size)
            # a loss that diverged would flatten all else
            ax.set_ylim(min(finite) - margin, top + margin)
            ax.set(xlabel="learning rate (logarithmic)", ylabel="mean loss")
            ax.set_title("Loss while the learning rate grows")
            legend(ax, "lower left")
        return ax


def learning_rate_range(
    model: Module,
    loss: Loss,
    X: Sequence[Any],
    y: Sequence[Any],
    *,
    smallest: float = 1e-6,
    largest: float = 10.0,
    steps: int = 100,
    batch_size: int = 32,
    samples: int = 100,
    optimizer: Optimizer | None = None,
    rng: Random | None = None,
    compiled: bool | str = "auto",
) -> LearningRateRange:
    """Train with a learning rate that grows from step to step, and watch the loss.

    Parameters
    ----------
    smallest, largest : float > 0, learning rates of the first and the last step
    steps : int, at least 10; batch_size : int, samples in each step
    samples : int, the loss is measured on at most so many, evenly spread over X: always the same
        ones, since the differences between minibatches would hide the first signs of a fall
    model, loss, X, y, optimizer, rng, compiled : see :mod:`tinygrad_edu.diagnose`

    References
    ----------
    Smith 2017, Cyclical learning rates for training neural networks, section 3.3; here the rate
    grows geometrically, since what matters is its order of magnitude.

    Examples
    --------
    A line through two points: its error shrinks by 1 - 2 r a step, so rates above 1 diverge.

    >>> from tinygrad_edu import nn
    >>> from tinygrad_edu.diagnose import learning_rate_range
    >>> found = learning_rate_range(nn.MLP(1, [1]), nn.mse, [[-1.0], [1.0]], [-2.0, 2.0])
    >>> 0.01 < found.suggestion < 1.0 and found.diverged
    True
    """
    subject = Subject(model, loss, X, y, optimizer, compiled)
    smallest = within("smallest", smallest, above=0.0)
    largest = within("largest", largest, above=smallest)
    steps, batch_size = whole("steps", steps, least=10), whole("batch_size", batch_size)
    chosen, rng = subject.spread(samples), choose_rng(rng)
    batches = (batch for _ in count() for batch in minibatches(len(subject.X), batch_size, rng))
    rates = [_between(smallest, largest, i / (steps - 1)) for i in range(steps)]
    losses = list[float]()
    with subject.untouched():
        mean_loss, mover = objective(subject), subject.mover(smallest)
        for rate, batch in zip(rates, batches, strict=False):
            losses.append(mean_loss.quiet(chosen))
            if _diverged(losses):
                break
            mean_loss.backward(batch)
            mover.learning_rate = rate
            mover.step()
    curve = smooth(losses if isfinite(losses[-1]) else losses[:-1])
    low, steep, high = _fall(curve)
    falls = high > low
    return LearningRateRange(
        learning_rates=tuple(rates[: len(losses)]),
        losses=tuple(losses),
        smooth=tuple(curve),
        usable=(rates[low], rates[high]) if falls else (nan, nan),
        suggestion=rates[steep] if falls else nan,
        diverged=_diverged(losses),
    )


def _between(smallest: float, largest: float, share: float) -> float:
    """Return a rate in geometric progression, also where the ratio of the two overflows."""
    growth = largest / smallest
    if isfinite(growth):
        return smallest * float(growth**share)
    return exp((1.0 - share) * log(smallest) + share * log(largest))


def _diverged(losses: Sequence[float]) -> bool:
    """Check whether the loss is not finite, or twice in a row far above lowest and start."""
    if not isfinite(losses[-1]):
        return True
    start = _mean(losses[: 2 * WINDOW + 1])
    return min(losses[-2:]) > max(GIVE_UP * min(smooth(losses)), start) and len(losses) > 1


def smooth(losses: Sequence[float]) -> list[float]:
    """Take the mean of each loss and its neighbours, of fewer at the ends."""
    last = len(losses) - 1
    near = [min(WINDOW, i, last - i) for i in range(last + 1)]
    return [_mean(losses[i - k : i + k + 1]) for i, k in enumerate(near)]


def _fall(curve: Sequence[float]) -> tuple[int, int, int]:
    """Find where the curve starts to fall, is steepest, and ends; 0, 0, 0 if it never falls."""
    if len(curve) < 3:
        return 0, 0, 0
    drop = curve[0] - min(curve)
    rises = (i for i, low in enumerate(accumulate(curve, min)) if curve[i] > low + RAGGED * drop)
    high = min(range(next(rises, len(curve))), key=curve.__getitem__)
    drop = curve[0] - curve[high]
    flat = [i for i in range(high) if curve[i] > curve[0] - STARTS_TO_FALL * drop]
    low = max(flat, default=0)
    slopes = {i: curve[i + 1] - curve[i - 1] for i in range(max(low, 1), high)}
    return low, min(slopes, key=slopes.__getitem__, default=low), high


def _mean(numbers: Sequence[float]) -> float:
    return sum(numbers) / len(numbers)
