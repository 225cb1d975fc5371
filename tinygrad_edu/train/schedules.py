"""Schedule the learning rate and clip gradients: what is done to a step before it is taken.

A schedule is a function of the number of updates made so far, and returns the factor that
multiplies the learning rate; it can be pickled with its optimizer. ``ReduceLROnPlateau`` changes
the rate by the losses instead. A clipping is a formula on a
gradient (a float, or an array of them) and on the norm of all gradients together.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import cos, inf, isfinite, pi
from typing import Any, TypeAlias

from tinygrad_edu.engine.errors import AnomalyError
from tinygrad_edu.nn import Module
from tinygrad_edu.shared.arguments import function, whole, within
from tinygrad_edu.train.history import History

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
    then = constant() if then is None else function("then", then, "train.cosine(100)")
    return partial(_warm_up, whole("steps", steps), then)


def _warm_up(steps: int, then: Schedule, step: int) -> float:
    return (step + 1) / steps if step < steps else then(step - steps)


class ReduceLROnPlateau:
    """A callback of ``fit`` that lowers the learning rate where the loss has stopped falling.

    After so many epochs without a better validation (else training) loss the learning rate of the
    optimizer is multiplied by ``factor``, and the epochs are counted anew.

    Parameters
    ----------
    optimizer : Optimizer, the one that ``fit`` is given
    factor : float above 0, below 1
    patience : int, epochs
    min_delta : float, by how much a loss must be lower than the best to be better
    smallest : float, the learning rate does not fall below it

    Examples
    --------
    >>> from tinygrad_edu import nn
    >>> from tinygrad_edu.train import SGD, ReduceLROnPlateau, fit
    >>> model = nn.MLP(1, [1])
    >>> optimizer = SGD(model.parameters(), 1.0)
    >>> slower = ReduceLROnPlateau(optimizer, factor=0.5, patience=2)
    >>> settings = {"epochs": 20, "optimizer": optimizer, "callbacks": [slower], "progress": False}
    >>> history = fit(model, nn.mse, [[-1.0], [1.0]], [1.0, 3.0], **settings)
    >>> history.learning_rate[0], history.learning_rate[-1] < 0.6
    (1.0, True)
    """

    reads_weights = False

    def __init__(
        self,
        optimizer: Any,
        *,
        factor: float = 0.1,
        patience: int = 10,
        min_delta: float = 0.0,
        smallest: float = 0.0,
    ) -> None:
        self.optimizer, self.patience = optimizer, whole("patience", patience)
        self.factor = within("factor", factor, above=0.0, below=1.0)
        self.min_delta = within("min_delta", min_delta, least=0.0)
        self.smallest = within("smallest", smallest, least=0.0)
        self.seen, self.best, self.waited = 0, inf, 0

    def __call__(self, history: History, model: Module) -> None:
        """Look at an epoch; at all of the run, if it was resumed, as if it had not stopped."""
        losses = history.judged
        if len(losses) != self.seen + 1:
            self.seen, self.best, self.waited = 0, inf, 0
        for loss in losses[self.seen :]:
            self.waited = 0 if self.waited == self.patience else self.waited
            better = loss < self.best - self.min_delta
            self.best, self.waited = (loss, 0) if better else (self.best, self.waited + 1)
        self.seen = len(losses)
        if self.waited == self.patience:
            lower = max(self.optimizer.learning_rate * self.factor, self.smallest)
            self.optimizer.learning_rate = min(lower, self.optimizer.learning_rate)


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
        if isinstance(norm, float) and not isfinite(norm):  # a symbol is neither
            raise AnomalyError(
                f"the norm of the gradient is {norm}, which can't be clipped to {self.limit:g}.",
                fix="detect_anomaly() around it names the operation with that gradient.",
            )
        return g * xp.minimum(1.0, self.limit / (norm + 1e-6))

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
