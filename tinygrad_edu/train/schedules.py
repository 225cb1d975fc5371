"""Schedule the learning rate and clip gradients: what is done to a step before it is taken.

A schedule is a function of the number of updates made so far, and returns the factor that
multiplies the learning rate; it can be pickled with its optimizer. A clipping is a formula on a
gradient (a float, or an array of them) and on the norm of all gradients together.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import cos, pi
from typing import Any, TypeAlias

from tinygrad_edu.shared.arguments import whole, within

Schedule: TypeAlias = Callable[[int], float]


def constant() -> Schedule:
    """Keep the learning rate as it was given."""
    return _constant


def _constant(step: int) -> float:
    return 1.0


def step_decay(every: int, factor: float = 0.1) -> Schedule:
    """Multiply the rate by ``factor`` after every ``every`` updates.

    Examples
    --------
    >>> from tinygrad_edu.train import step_decay
    >>> rate = step_decay(10, 0.5)
    >>> rate(9), rate(10), rate(25)
    (1.0, 0.5, 0.25)
    """
    every, factor = whole("every", every), within("factor", factor, above=0.0)
    return partial(_step_decay, every, factor)


def _step_decay(every: int, factor: float, step: int) -> float:
    return factor ** (step // every)


def linear(steps: int, end: float = 0.0) -> Schedule:
    """Change in a straight line from 1 to ``end`` in ``steps`` updates, then stay there.

    Examples
    --------
    >>> from tinygrad_edu.train import linear
    >>> linear(10)(5)
    0.5
    """
    steps, end = whole("steps", steps), within("end", end, least=0.0)
    return partial(_linear, steps, end)


def _linear(steps: int, end: float, step: int) -> float:
    return 1.0 + (end - 1.0) * min(step / steps, 1.0)


def cosine(steps: int, end: float = 0.0) -> Schedule:
    """Change from 1 to ``end`` along half a cosine in ``steps`` updates, then stay there.

    References
    ----------
    Loshchilov and Hutter, SGDR: stochastic gradient descent with warm restarts, ICLR 2017, eq. 5.

    Examples
    --------
    >>> from tinygrad_edu.train import cosine
    >>> f"{cosine(10)(5):.3f}"
    '0.500'
    """
    steps, end = whole("steps", steps), within("end", end, least=0.0)
    return partial(_cosine, steps, end)


def _cosine(steps: int, end: float, step: int) -> float:
    return end + (1.0 - end) * 0.5 * (1.0 + cos(pi * min(step / steps, 1.0)))


def cosine_restarts(steps: int, growth: int = 1, end: float = 0.0) -> Schedule:
    """Repeat :func:`cosine`: it starts again at 1 after ``steps`` updates, then after longer waits.

    Parameters
    ----------
    steps : int, the updates of the first cycle
    growth : int, how many times as long as the cycle before each cycle is
    end : float, the factor at the end of each cycle

    References
    ----------
    Loshchilov and Hutter, SGDR: stochastic gradient descent with warm restarts, ICLR 2017, T_mult.

    Examples
    --------
    >>> from tinygrad_edu.train import cosine_restarts
    >>> rate = cosine_restarts(2, growth=2)
    >>> [round(rate(step), 2) for step in range(7)]
    [1.0, 0.5, 1.0, 0.85, 0.5, 0.15, 1.0]
    """
    steps, growth = whole("steps", steps), whole("growth", growth)
    return partial(_cosine_restarts, steps, growth, within("end", end, least=0.0))


def _cosine_restarts(steps: int, growth: int, end: float, step: int) -> float:
    if growth == 1:
        return _cosine(steps, end, step % steps)
    while step >= steps:
        step, steps = step - steps, steps * growth
    return _cosine(steps, end, step)


def warm_up(steps: int, then: Schedule | None = None) -> Schedule:
    """Raise the rate to 1 in ``steps`` equal parts; ``then`` goes on from its own step 0.

    References
    ----------
    Goyal et al., Accurate, large minibatch SGD, arXiv:1706.02677 (2017), section 2.2.

    Examples
    --------
    >>> from tinygrad_edu.train import cosine, warm_up
    >>> rate = warm_up(4, then=cosine(100))
    >>> rate(0), rate(3), rate(4)
    (0.25, 1.0, 1.0)
    """
    return partial(_warm_up, whole("steps", steps), then or constant())


def _warm_up(steps: int, then: Schedule, step: int) -> float:
    return (step + 1) / steps if step < steps else then(step - steps)


class ClipByNorm:
    """Clip by the norm: all gradients shrink by one factor where their norm is above ``limit``.

    References
    ----------
    Pascanu, Mikolov and Bengio, On the difficulty of training recurrent neural networks, ICML
    2013, algorithm 1; the 1e-6 is PyTorch's.
    """

    def __init__(self, limit: float) -> None:
        self.limit = within("limit", limit, above=0.0)

    def __call__(self, xp: Any, g: Any, norm: float) -> Any:
        """Clip the gradient of one parameter, or an array of them."""
        return g * min(1.0, self.limit / (norm + 1e-6))

    def __repr__(self) -> str:
        return f"ClipByNorm({self.limit:g})"


class ClipByValue:
    """Clip each gradient to -limit .. limit on its own; the direction of the step may change."""

    def __init__(self, limit: float) -> None:
        self.limit = within("limit", limit, above=0.0)

    def __call__(self, xp: Any, g: Any, norm: float) -> Any:
        """Clip the gradient of one parameter, or an array of them."""
        return xp.minimum(xp.maximum(g, -self.limit), self.limit)

    def __repr__(self) -> str:
        return f"ClipByValue({self.limit:g})"
