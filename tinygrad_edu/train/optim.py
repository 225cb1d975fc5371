"""Optimisers: each is one update formula, the same for a float and for an array of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import fsum, sqrt
from typing import Any

from tinygrad_edu.engine import Value, ieee, set_numbers
from tinygrad_edu.engine.errors import SettingError
from tinygrad_edu.shared.arguments import within
from tinygrad_edu.train.schedules import Schedule


class Optimizer:
    """Changes parameters a step against their gradients; subclasses write the ``update``.

    Parameters
    ----------
    parameters : Values, for example ``model.parameters()``
    learning_rate : float > 0
    schedule : function of the number of steps made, to a factor of the learning rate
    clip : formula on gradients, such as :class:`ClipByNorm`

    Attributes
    ----------
    rate : float, the learning rate of the step at hand: ``learning_rate`` times the schedule's
        factor
    steps : int, how many were made
    """

    slots = 0  # numbers remembered for each parameter, 0.0 at the start

    def __init__(
        self,
        parameters: Iterable[Value],
        learning_rate: float,
        *,
        schedule: Schedule | None = None,
        clip: Callable[[Any, Any, float], Any] | None = None,
    ) -> None:
        self.parameters = list(parameters)
        self.rate = self.learning_rate = within("learning_rate", learning_rate, above=0.0)
        self.schedule, self.clip, self.steps = schedule, clip, 0
        self.state: Any = [(0.0,) * self.slots for _ in self.parameters]
        if not self.parameters:
            raise SettingError("there are no parameters to train.", fix="pass model.parameters().")

    def update(self, xp: Any, steps: int, w: Any, g: Any, *state: Any) -> tuple[Any, ...]:
        """New parameter and new state from parameter, gradient and state, all of one kind."""
        raise SettingError(
            f"{type(self).__name__} has no update formula.",
            fix="define update(self, xp, steps, w, g, *state) in the class.",
        )

    def step(self) -> None:
        """Update every parameter, or none: Ctrl-C can't leave half of them changed."""
        norm = sqrt(fsum(p.grad * p.grad for p in self.parameters)) if self.clip else 0.0
        self.begin()
        pairs = zip(self.parameters, self.state, strict=True)
        new = [self.change(ieee, norm, p.data, p.grad, *state) for p, state in pairs]
        set_numbers(self.parameters, "data", [numbers[0] for numbers in new])
        self.state = [numbers[1:] for numbers in new]
        self.steps += 1

    def begin(self) -> None:
        """Set the learning rate of the step to come."""
        factor = self.schedule(self.steps) if self.schedule is not None else 1.0
        self.rate = self.learning_rate * within("the schedule's factor", factor, least=0.0)

    def change(self, xp: Any, norm: float, w: Any, g: Any, *state: Any) -> tuple[Any, ...]:
        """Clip the gradient, then :meth:`update`: on one float, or on an array of all."""
        if self.clip is not None:
            g = self.clip(xp, g, norm)
        return self.update(xp, self.steps + 1, w, g, *state)

    def flat_state(self, parameters: Sequence[Value]) -> list[list[float]]:
        """The state as a list for each slot, in the order of these parameters."""
        state = dict(zip(self.parameters, self.state, strict=True))
        return [[state[p][slot] for p in parameters] for slot in range(self.slots)]

    def take_flat_state(self, parameters: Sequence[Value], flat: Sequence[Any]) -> None:
        """The reverse: remember a state that was kept in arrays."""
        columns = zip(*[map(float, column) for column in flat], strict=True) if flat else ()
        state = dict(zip(parameters, columns or [()] * len(parameters), strict=False))
        self.state = [state.get(p, ()) for p in self.parameters]

    def zero_grad(self) -> None:
        """Set the gradient of every parameter to 0."""
        for parameter in self.parameters:
            parameter.grad = 0.0


class SGD(Optimizer):
    """Gradient descent with momentum (Sutskever et al. 2013, in PyTorch's form) and weight decay.

    With ``nesterov`` the gradient is taken where the momentum is about to lead (Nesterov 1983, as
    in Sutskever et al. 2013, section 2).

    Examples
    --------
    >>> from tinygrad_edu import Value
    >>> from tinygrad_edu.train import SGD
    >>> w = Value(1.0)
    >>> (w * w).backward()
    >>> SGD([w], learning_rate=0.1).step()
    >>> w.data
    0.8
    """

    slots = 1

    def __init__(
        self,
        parameters: Iterable[Value],
        learning_rate: float = 0.1,
        *,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        **settings: Any,
    ) -> None:
        super().__init__(parameters, learning_rate, **settings)
        self.momentum = within("momentum", momentum, least=0.0, below=1.0)
        self.weight_decay = within("weight_decay", weight_decay, least=0.0)
        self.nesterov = nesterov
        if nesterov and not momentum:
            raise SettingError(
                "nesterov needs momentum, which is 0.", fix="set momentum, for example to 0.9."
            )

    def update(self, xp: Any, steps: int, w: Any, g: Any, *state: Any) -> tuple[Any, ...]:
        """velocity = momentum * velocity + gradient; w -= rate * velocity."""
        g = g + self.weight_decay * w
        velocity = self.momentum * state[0] + g
        ahead = g + self.momentum * velocity if self.nesterov else velocity
        return w - self.rate * ahead, velocity


class RMSprop(Optimizer):
    """Steps divided by a running root mean square of the gradient (Tieleman and Hinton 2012).

    Source: lecture 6e of Neural Networks for Machine Learning; epsilon outside the root, as in
    PyTorch.
    """

    slots = 1

    def __init__(
        self,
        parameters: Iterable[Value],
        learning_rate: float = 0.01,
        *,
        smoothing: float = 0.99,
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
        **settings: Any,
    ) -> None:
        super().__init__(parameters, learning_rate, **settings)
        self.smoothing = within("smoothing", smoothing, least=0.0, below=1.0)
        self.epsilon = within("epsilon", epsilon, above=0.0)
        self.weight_decay = within("weight_decay", weight_decay, least=0.0)

    def update(self, xp: Any, steps: int, w: Any, g: Any, *state: Any) -> tuple[Any, ...]:
        """square = smoothing * square + (1 - smoothing) * gradient^2."""
        g = g + self.weight_decay * w
        square = self.smoothing * state[0] + (1.0 - self.smoothing) * (g * g)
        return w - self.rate * g / (xp.sqrt(square) + self.epsilon), square


class Adam(Optimizer):
    """Adam (Kingma and Ba 2015, algorithm 1): steps scaled by running moments of the gradient."""

    slots = 2

    def __init__(
        self,
        parameters: Iterable[Value],
        learning_rate: float = 0.001,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
        **settings: Any,
    ) -> None:
        super().__init__(parameters, learning_rate, **settings)
        self.beta1 = within("betas[0]", betas[0], least=0.0, below=1.0)
        self.beta2 = within("betas[1]", betas[1], least=0.0, below=1.0)
        self.epsilon = within("epsilon", epsilon, above=0.0)
        self.weight_decay = within("weight_decay", weight_decay, least=0.0)

    def update(self, xp: Any, steps: int, w: Any, g: Any, *state: Any) -> tuple[Any, ...]:
        """First and second moment of the gradient, corrected for their start at 0."""
        return self.adam(xp, steps, w, g + self.weight_decay * w, *state)

    def adam(self, xp: Any, steps: int, w: Any, g: Any, *state: Any) -> tuple[Any, ...]:
        """The algorithm itself, which AdamW uses on other terms."""
        mean = self.beta1 * state[0] + (1.0 - self.beta1) * g
        square = self.beta2 * state[1] + (1.0 - self.beta2) * (g * g)
        unbiased = xp.sqrt(square / (1.0 - self.beta2**steps))
        rate = self.rate / (1.0 - self.beta1**steps)
        return w - rate * mean / (unbiased + self.epsilon), mean, square


class AdamW(Adam):
    """Adam with the weight decay apart from the moments.

    References
    ----------
    Loshchilov and Hutter, Decoupled weight decay regularization, ICLR 2019, algorithm 2.
    """

    def __init__(
        self,
        parameters: Iterable[Value],
        learning_rate: float = 0.001,
        *,
        weight_decay: float = 0.01,
        **settings: Any,
    ) -> None:
        super().__init__(parameters, learning_rate, weight_decay=weight_decay, **settings)

    def update(self, xp: Any, steps: int, w: Any, g: Any, *state: Any) -> tuple[Any, ...]:
        """The weights shrink by rate * weight_decay, then Adam's step."""
        return self.adam(xp, steps, w * (1.0 - self.rate * self.weight_decay), g, *state)


OPTIMIZERS: dict[str, type[Optimizer]] = {
    "sgd": SGD, "rmsprop": RMSprop, "adam": Adam, "adamw": AdamW
}  # fmt: skip
