"""Optimizers: each is one update formula, the same for a float and for an array of them."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from math import hypot, inf, isfinite
from operator import mul
from typing import Any

from tinygrad_edu.engine import Value, ieee, set_numbers
from tinygrad_edu.engine.errors import AnomalyError, SettingError
from tinygrad_edu.engine.guards import real
from tinygrad_edu.shared.arguments import function, whole, within
from tinygrad_edu.train.schedules import ClipByNorm, ClipByValue, Schedule

# what a formula is told, or has no part in
_NO_PART = ("parameters", "learning_rate", "rate", "steps", "schedule", "_state", "_arrays")


class Optimizer:
    """Changes parameters step by step against their gradients; subclasses write ``update``.

    Parameters
    ----------
    parameters : Values, for example ``model.parameters()``. What is left out, and constants, stay
        as they are
    learning_rate : float > 0, which may be changed between two steps
    schedule : function of the number of steps made, whose result multiplies the learning rate
    clip : formula on gradients, such as :class:`ClipByNorm`

    Attributes
    ----------
    rate : float, the learning rate of the latest step: ``learning_rate`` times the schedule's
        factor
    steps : int, how many were made
    state : list of tuple of float, what is remembered for each parameter, such as its momentum
    state_size : int, how many numbers a subclass remembers for each parameter; they start at 0.0
    """

    state_size = 0

    def __init__(
        self,
        parameters: Iterable[Value],
        learning_rate: float,
        *,
        schedule: Schedule | None = None,
        clip: Callable[[Any, Any, float], Any] | None = None,
    ) -> None:
        self.parameters = _leaves(parameters)
        self.rate = self.learning_rate = within("learning_rate", learning_rate, above=0.0)
        if schedule is not None:
            function("schedule", schedule, "train.cosine(100)")
        if clip is not None:
            function("clip", clip, "train.ClipByNorm(1.0)")
        self.schedule, self.clip, self.steps = schedule, clip, 0
        size = whole(f"{type(self).__name__}.state_size", self.state_size, least=0)
        self._state = [(0.0,) * size for _ in self.parameters]
        # newer than _state if there
        self._arrays: tuple[Sequence[Value], Sequence[Any]] | None = None
        if all(p.constant for p in self.parameters):
            raise SettingError(
                "there are no parameters to train.",
                fix="pass model.parameters(), or call model.unfreeze() first.",
            )

    def __getstate__(self) -> dict[str, Any]:
        state = self.state  # which arrays have no part in any more
        return vars(self) | {"_state": state}

    def __setstate__(self, facts: dict[str, Any]) -> None:
        """Read a pickle; in the first edition ``state`` was an attribute."""
        self.__dict__ = {"_state": facts.pop("state", []), "_arrays": None} | facts

    def update(self, xp: Any, steps: int, w: Any, g: Any, *state: Any) -> tuple[Any, ...]:
        """Return the new parameter and its new state: floats for floats, arrays for arrays."""
        raise SettingError(
            f"{type(self).__name__} has no update formula.",
            fix="define update(self, xp, steps, w, g, *state) in the class.",
        )

    @property
    def state(self) -> list[tuple[float, ...]]:
        """Return what is remembered for each parameter, in their order."""
        if self._arrays is not None:
            order, arrays = self._arrays
            columns = [array.tolist() for array in arrays]
            latest = dict(zip(order, zip(*columns, strict=True), strict=True)) if columns else {}
            pairs = zip(self.parameters, self._state, strict=True)
            self._state, self._arrays = [latest.get(p, old) for p, old in pairs], None
        return self._state

    @state.setter
    def state(self, numbers: Iterable[tuple[float, ...]]) -> None:
        self._state, self._arrays = list(numbers), None

    def step(self, *, finite: bool = False) -> None:
        """Update every parameter, or none: Ctrl-C can't leave half of them changed.

        With ``finite`` it raises AnomalyError, and changes nothing, if a weight would become nan or
        infinite; without, that is what the weight becomes.
        """
        norm = hypot(*[p.grad for p in self.parameters if not p.constant]) if self.clip else 0.0
        self._set_rate()
        new = [
            (p.data, *state) if p.constant else self._change(ieee, norm, p.data, p.grad, *state)
            for p, state in zip(self.parameters, self.state, strict=True)
        ]  # a frozen parameter keeps its number and its state
        weights = [real(numbers[0]) for numbers in new]
        if finite:
            old, grads = ([getattr(p, x) for p in self.parameters] for x in ("data", "grad"))
            self._check_finite(self.parameters, old, grads, weights)
        set_numbers(self.parameters, "data", weights)
        self.state = [numbers[1:] for numbers in new]
        self.steps += 1

    def step_arrays(
        self, np: Any, parameters: Sequence[Value], w: Any, g: Any, *, finite: bool = False
    ) -> None:
        """Make the same step on arrays: weights, changed in place, and their gradients.

        They are in the order of ``parameters``, as a compiled program has them, and arrays of
        Python where ``np`` is None, which is NumPy. The state stays in arrays between such steps,
        and is brought back when :attr:`state` is read.
        """
        if self._arrays is None or self._arrays[0] is not parameters:
            known = dict(zip(self.parameters, self.state, strict=True))
            rows = [known[p] for p in parameters]
            self._arrays = parameters, [array("d", x) for x in zip(*rows, strict=True)]
        kept = self._arrays[1]
        self._set_rate()
        if np is None:
            norm = hypot(*g) if self.clip else 0.0
            each = [self._change(ieee, norm, *one) for one in zip(w, g, *kept, strict=True)]
            new, *state = (array("d", x) for x in zip(*each, strict=True))
            square = sum(map(mul, new, new))
        else:
            norm = float(np.hypot.reduce(g)) if self.clip else 0.0
            new, *state = self._change(np, norm, w, g, *map(np.asarray, kept))
            square = np.vdot(new, new)
        if finite and not isfinite(square):  # of finite ones it may be infinite, too
            self._check_finite(parameters, w.tolist(), g.tolist(), new.tolist())
        w[:] = new
        self._arrays, self.steps = (parameters, state), self.steps + 1

    def formula(
        self, xp: Any, steps: Any, rate: Any, norm: Any, w: Any, g: Any, *state: Any
    ) -> tuple[Any, ...]:
        """Clip, then update, with steps made and rate as given: on symbols, for whole steps."""
        twin = object.__new__(type(self))  # a copy would bring back what is in the stores
        vars(twin).update(vars(self) | {"steps": steps, "rate": rate})
        return twin._change(xp, norm, w, g, *state)

    def facts(self) -> dict[str, str] | None:
        """Return what the formula depends on, beside rate and steps; None if that can't be seen."""
        facts = {name: x for name, x in vars(self).items() if name not in _NO_PART}
        if type(self.clip) in (ClipByNorm, ClipByValue):
            facts |= {"clip": type(self.clip).__name__, **vars(self.clip)}
        plain = all(type(x) in (bool, int, float, str, type(None)) for x in facts.values())
        return {name: repr(x) for name, x in facts.items()} if plain else None

    def rates(self, count: int) -> list[float]:
        """Return the learning rates of the steps to come."""
        if not (type(self.learning_rate) is float and 0.0 < self.learning_rate < inf):
            self.learning_rate = within("learning_rate", self.learning_rate, above=0.0)
        if self.schedule is None:
            return [self.learning_rate] * count
        return [
            self.learning_rate * within(f"schedule({step})", self.schedule(step), least=0.0)
            for step in range(self.steps, self.steps + count)
        ]

    def give_state(self, parameters: Sequence[Value], stores: Sequence[Any]) -> None:
        """Copy what is remembered of parameters, in this order, unless it stands there already."""
        if self._arrays is not None and self._arrays[1] is stores:
            return
        known = dict(zip(self.parameters, self.state, strict=True))
        for k, store in enumerate(stores):
            store[:] = memoryview(array("d", [known[p][k] for p in parameters]))

    def took(self, parameters: Sequence[Value], stores: Sequence[Any], rates: list[float]) -> None:
        """Record that a program took steps, and has left there what is remembered."""
        self._arrays, self.steps = (parameters, stores), self.steps + len(rates)
        self.rate = rates[-1]

    def _set_rate(self) -> None:
        """Set the learning rate of the step to come."""
        (self.rate,) = self.rates(1)

    def _change(self, xp: Any, norm: float, w: Any, g: Any, *state: Any) -> tuple[Any, ...]:
        """Clip the gradient, then :meth:`update`: on one float, or on an array of all."""
        if self.clip is not None:
            g = self.clip(xp, g, norm)
        new = self.update(xp, self.steps + 1, w, g, *state)
        if not isinstance(new, tuple) or len(new) != 1 + len(state):
            raise SettingError(
                f"{type(self).__name__}.update returned {new!r:.60}.",
                expected=f"a tuple of the new parameter and {len(state)} numbers of state",
                fix="return (w, *state) from update, or set state_size in the class.",
            )
        return new

    def _check_finite(
        self,
        parameters: Sequence[Value],
        weights: Sequence[float],
        grads: Sequence[float],
        new_weights: Sequence[float],
    ) -> None:
        """Raise AnomalyError if one of the new weights is not finite."""
        numbers = zip(parameters, weights, grads, new_weights, strict=True)
        for i, (p, weight, grad, new) in enumerate(numbers):
            if not isfinite(new):
                raise AnomalyError(
                    f"parameter {p.label or i} would become {new}: it is {weight:.6g}, and its "
                    f"gradient {grad:.6g}.",
                    where=f"step {self.steps + 1}, with the learning rate {self.rate:.4g}",
                    fix="lower the learning rate."
                    if isfinite(grad)
                    else "detect_anomaly() around it names the operation with that gradient.",
                )

    def zero_grad(self) -> None:
        """Set the gradient of every parameter to 0."""
        for parameter in self.parameters:
            parameter.grad = 0.0


def _leaves(parameters: Any) -> list[Value]:
    """Return the parameters, each once, after checking that they can be trained."""
    if not isinstance(parameters, Iterable):
        raise SettingError(
            f"the parameters are {parameters!r:.60}.",
            expected="a list of Values",
            fix="pass model.parameters().",
        )
    each = list(dict.fromkeys(parameters))
    for i, p in enumerate(each):
        if not isinstance(p, Value) or p.op is not None:
            raise SettingError(
                f"parameter {i} is {p!r:.60}.",
                expected="Values that were not computed from others",
                fix="pass model.parameters(), or a list of such Values.",
            )
    return each


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

    state_size = 1

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
                "nesterov needs momentum, which is 0.",
                fix="pass a momentum, for example momentum=0.9.",
            )

    def update(self, xp: Any, steps: int, w: Any, g: Any, *state: Any) -> tuple[Any, ...]:
        """Return w - rate * velocity, where velocity = momentum * velocity + gradient."""
        g = g + self.weight_decay * w
        velocity = self.momentum * state[0] + g
        ahead = g + self.momentum * velocity if self.nesterov else velocity
        return w - self.rate * ahead, velocity


class RMSprop(Optimizer):
    """Steps divided by a running root mean square of the gradient (Tieleman and Hinton 2012).

    Source: lecture 6e of Neural Networks for Machine Learning; epsilon outside the root, as in
    PyTorch.
    """

    state_size = 1

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
        """Divide by the root of square = smoothing * square + (1 - smoothing) * gradient^2."""
        g = g + self.weight_decay * w
        square = self.smoothing * state[0] + (1.0 - self.smoothing) * (g * g)
        return w - self.rate * g / (xp.sqrt(square) + self.epsilon), square


class Adam(Optimizer):
    """Adam (Kingma and Ba 2015, algorithm 1): steps scaled by running moments of the gradient."""

    state_size = 2

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
        if not isinstance(betas, Iterable) or len([*betas]) != 2:
            raise SettingError(
                f"betas is {betas!r:.60}.",
                expected="two numbers of at least 0 and below 1",
                fix="pass both, for example betas=(0.9, 0.999).",
            )
        self.beta1 = within("betas[0]", betas[0], least=0.0, below=1.0)
        self.beta2 = within("betas[1]", betas[1], least=0.0, below=1.0)
        self.epsilon = within("epsilon", epsilon, above=0.0)
        self.weight_decay = within("weight_decay", weight_decay, least=0.0)

    def update(self, xp: Any, steps: int, w: Any, g: Any, *state: Any) -> tuple[Any, ...]:
        """Add the weight decay to the gradient, then make Adam's step."""
        return self.adam(xp, steps, w, g + self.weight_decay * w, *state)

    def adam(self, xp: Any, steps: int, w: Any, g: Any, *state: Any) -> tuple[Any, ...]:
        """Step by the mean gradient over its root mean square, both corrected for starting at 0."""
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
        """Shrink the weights by rate * weight_decay, then make Adam's step."""
        return self.adam(xp, steps, w * (1.0 - self.rate * self.weight_decay), g, *state)


OPTIMIZERS: dict[str, type[Optimizer]] = {
    "sgd": SGD,
    "rmsprop": RMSprop,
    "adam": Adam,
    "adamw": AdamW,
}
