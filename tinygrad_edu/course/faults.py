"""The engine with one classical bug switched on inside a ``with`` block.

While the block runs, a function stands where the engine looks up its own one: it takes the wrong
one where the block is in force (see ``engine/context.py``), and the right one for all others, such
as other threads. It goes with the last block of its bug; the engine's files know nothing of it.

Nothing is compiled inside the block: ``fit`` and predictions run on the graph of Values, and so
does what ``compile_graph`` returns, since a program of matrices would not have the bug.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import reduce, wraps
from operator import add
from threading import RLock
from typing import Any

from tinygrad_edu.engine import functions, ops, walk
from tinygrad_edu.engine.context import Block, Fault, here
from tinygrad_edu.engine.guards import local_partials
from tinygrad_edu.engine.value import Value, operand
from tinygrad_edu.nn import Module, layers, losses
from tinygrad_edu.shared.arguments import one_of
from tinygrad_edu.train.optim import Optimizer


@dataclass(frozen=True, eq=False)
class Bug(Fault):
    """A bug: its description, and what replaces which attribute while it is on."""

    words: str
    patches: tuple[tuple[Any, str, Callable[..., Any]], ...]


@contextmanager
def fault(name: str) -> Iterator[str]:
    """Switch on a bug inside the block, and yield its description.

    Only the thread, asyncio task or generator that opened the block has the bug. Nothing runs
    compiled there: training, predictions and :func:`tinygrad_edu.compile_graph` show the bug, too.

    Parameters
    ----------
    name : str, a key of ``FAULTS``

    Raises
    ------
    SettingError
        If there is not a fault of this name; the error lists all names. Also by a program that was
        compiled outside the block and runs inside.

    Warns
    -----
    UserWarning
        If ``compiled=True`` is asked for inside the block: the graph is used all the same.

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
    bug = _BUGS[one_of("name", name, FAULTS)]
    with _choosing(bug), Block(bug):
        yield bug.words


_open = Counter[Bug]()  # blocks of each bug, wherever they are open
_undo = defaultdict[Bug, ExitStack](ExitStack)
_lock = RLock()  # reentrant: the garbage collector may end a block while one begins


@contextmanager
def _choosing(bug: Bug) -> Iterator[None]:
    """Let the engine choose between right and wrong as long as a block of the bug is open."""
    with _lock:
        _open[bug] += 1
        for target, attribute, wrong in bug.patches if _open[bug] == 1 else ():
            right = _held(target, attribute)
            _undo[bug].callback(_put, target, attribute, right)
            _put(target, attribute, _choice(bug, right, wrong))
    try:
        yield
    finally:
        with _lock:
            _open[bug] -= 1
            if not _open[bug]:
                _undo[bug].close()


def _choice(bug: Bug, right: Callable[..., Any], wrong: Callable[..., Any]) -> Callable[..., Any]:
    """Make the function that is wrong where the bug is switched on."""

    @wraps(right)
    def choice(*args: Any, **kwargs: Any) -> Any:
        return (wrong if bug in here().in_force(Bug) else right)(*args, **kwargs)

    return choice


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


def _uphill(self: Any, xp: Any, norm: float, w: Any, g: Any, *state: Any) -> tuple[Any, ...]:
    """Mirror an optimizer's right step at the weight."""
    new, *rest = _step(self, xp, norm, w, g, *state)
    return (w + (w - new), *rest)


_step = Optimizer._change
_BUGS = {
    bug.name: bug
    for bug in (
        Bug(
            "assign instead of accumulate",
            "a value used twice keeps the gradient of one use only: = stands where += belongs",
            ((walk, "send_back", _assign),),
        ),
        Bug(
            "no topological order",
            "a value hands its gradient on before all of its uses have sent theirs",
            ((walk, "topological_order", _as_met),),
        ),
        Bug(
            "forgotten zero_grad",
            "gradients of earlier passes stay, and every pass adds to them",
            tuple((owner, "zero_grad", _nothing) for owner in (Value, Module, Optimizer)),
        ),
        Bug(
            "wrong sign in subtraction",
            "x - y hands y the gradient with a plus sign",
            ((ops.SUB, "partials", lambda xp, out, x, y: (1.0, 1.0)),),
        ),
        Bug(
            "swapped factors in multiplication",
            "x * y hands each input its own value in place of the other one's",
            ((ops.MUL, "partials", lambda xp, out, x, y: (x, y)),),
        ),
        Bug(
            "unstable softmax",
            "the logits are not shifted, and cross entropy takes the logarithm of a softmax",
            ((losses, "_shifted", _no_shift), (losses, "_class_entropy", _log_of_softmax)),
        ),
        Bug(
            "all weights equal",
            "every weight of a new layer starts at 0.5, so that all its neurons stay alike",
            ((layers, "choose_initializer", _all_alike),),
        ),
        Bug(
            "uphill step",
            "the optimizer adds the gradient where it should subtract it",
            ((Optimizer, "_change", _uphill),),
        ),
    )
}

FAULTS = {name: bug.words for name, bug in _BUGS.items()}
