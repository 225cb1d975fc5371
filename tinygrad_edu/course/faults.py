"""The engine with one classical bug switched on inside a ``with`` block.

The bug is put in from outside, where the engine looks up its own functions, and taken out however
the block ends; the engine's files know nothing of it. While the block runs, the whole process has
the bug, other threads too. Blocks nest, and end in the reverse of the order in which they began.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

from tinygrad_edu.engine import functions, ops, walk
from tinygrad_edu.engine.guards import local_partials
from tinygrad_edu.engine.value import Value, operand
from tinygrad_edu.nn import Module, layers, losses
from tinygrad_edu.shared.arguments import one_of
from tinygrad_edu.train.optim import SGD, Adam, Optimizer


@dataclass(frozen=True)
class Fault:
    """A bug: its description, and what replaces which attribute while it is on."""

    words: str
    patches: tuple[tuple[Any, str, Callable[..., Any]], ...]


@contextmanager
def fault(name: str) -> Iterator[str]:
    """Switch on a bug inside the block, and yield its description.

    Parameters
    ----------
    name : str, a key of ``FAULTS``

    Raises
    ------
    SettingError
        If there is not a fault of this name; the error lists all names.

    Examples
    --------
    >>> from tinygrad_edu import Value
    >>> from tinygrad_edu.course import fault
    >>> x = Value(3.0)
    >>> with fault("assign instead of accumulate"):
    ...     (x * x).backward()
    >>> x.grad
    3.0
    """
    bug = _FAULTS[one_of("name", name, FAULTS)]
    with ExitStack() as undo:
        for target, attribute, wrong in bug.patches:
            undo.callback(_put, target, attribute, _held(target, attribute))
            _put(target, attribute, wrong)
        yield bug.words


def _held(target: Any, attribute: str) -> Any:
    """Return the attribute as it is now, unbound."""
    if isinstance(target, ops.Primitive):
        return getattr(target, attribute)
    return vars(target)[attribute]


def _put(target: Any, attribute: str, what: Any) -> None:
    if isinstance(target, ops.Primitive):
        object.__setattr__(target, attribute, what)  # a row is frozen to everyone else
    else:
        setattr(target, attribute, what)


def _assign(order: list[Value]) -> None:
    """Walk back with = where += belongs: the last use of a value overwrites the others."""
    for node in reversed(order):
        if node.op is not None:
            for value, partial in zip(node.inputs, local_partials(node), strict=True):
                value.grad = partial * node.grad


def _as_met(root: Value) -> list[Value]:
    """Sort the values so that one hands its gradient on before all of it has arrived."""
    met: dict[Value, None] = {}
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if node not in met:
            met[node] = None
            waiting.extend(reversed(node.inputs))
    return [*reversed(met)]


def _nothing(self: Any) -> None:
    """Leave the old gradients where they are."""


def _no_shift(logits: Any) -> tuple[list[Value], Value]:
    """Leave the logits as they are: e to the power of a large one is inf."""
    return [operand(z) for z in losses._listed("logits", logits)], operand(0.0)


def _log_of_softmax(logits: Any, target: Any) -> Value:
    """Compute minus the sum of t times log y, exactly as the formula is written."""
    probabilities = losses.softmax(logits)
    weights = losses._weights(target, len(probabilities))
    terms = [w * functions.log(y) for w, y in zip(weights, probabilities, strict=True) if w]
    total: Value = reduce(add, terms)
    return -total


def _all_alike(initializer: Any, activation: object) -> Callable[..., float]:
    return lambda rng, fan_in, fan_out: 0.5


def _uphill(update: Callable[..., Any]) -> Callable[..., Any]:
    """Mirror an optimizer's right step at the weight."""

    def wrong(self: Any, xp: Any, steps: int, w: Any, g: Any, *state: Any) -> tuple[Any, ...]:
        new, *rest = update(self, xp, steps, w, g, *state)
        return (w + (w - new), *rest)

    return wrong


_FAULTS = {
    "assign instead of accumulate": Fault(
        "a value used twice keeps the gradient of one use only: = stands where += belongs",
        ((walk, "send_back", _assign),),
    ),
    "no topological order": Fault(
        "a value hands its gradient on before all of its uses have sent theirs",
        ((walk, "topological_order", _as_met),),
    ),
    "forgotten zero_grad": Fault(
        "gradients of earlier passes stay, and every pass adds to them",
        tuple((owner, "zero_grad", _nothing) for owner in (Value, Module, Optimizer)),
    ),
    "wrong sign in subtraction": Fault(
        "x - y hands y the gradient with a plus sign",
        ((ops.SUB, "partials", lambda xp, out, x, y: (1.0, 1.0)),),
    ),
    "swapped factors in multiplication": Fault(
        "x * y hands each input its own value in place of the other one's",
        ((ops.MUL, "partials", lambda xp, out, x, y: (x, y)),),
    ),
    "unstable softmax": Fault(
        "the logits are not shifted, and cross entropy takes the logarithm of a softmax",
        ((losses, "_shifted", _no_shift), (losses, "_class_entropy", _log_of_softmax)),
    ),
    "all weights equal": Fault(
        "every weight of a new layer starts at 0.5, so that all its neurons stay alike",
        ((layers, "choose_initializer", _all_alike),),
    ),
    "uphill step": Fault(
        "the optimizer adds the gradient where it should subtract it",
        tuple((owner, "update", _uphill(owner.update)) for owner in (SGD, Adam)),
    ),
}

FAULTS = {name: bug.words for name, bug in _FAULTS.items()}
