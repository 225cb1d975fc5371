"""Stage 1: a graph of Values becomes a tape, one instruction for each node."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tinygrad_edu.compiler.tape import CONSTANT, INPUT, PARAMETER, Kind, Tape
from tinygrad_edu.engine import Value, topological_order
from tinygrad_edu.engine.context import Block, Trace, Watcher
from tinygrad_edu.engine.errors import SettingError
from tinygrad_edu.engine.guards import describe


def record(
    root: Value, inputs: Sequence[Value] = (), outputs: Sequence[Value] = ()
) -> tuple[Tape, list[Value]]:
    """Record everything that ``root`` depends on; return the tape and the Value of each slot.

    Before::

        loss = (w * x).relu()

    After::

        %0 = parameter
        %1 = input
        %2 = mul %0 %1
        %3 = relu %2
        return %3
    """
    order, slot_of = _slots(root, outputs)
    left = [-1 if node._left is None else slot_of[node._left] for node in order]
    right = [-1 if node._right is None else slot_of[node._right] for node in order]
    given = set(inputs)
    kinds: list[Kind] = []
    for node, a, b in zip(order, left, right, strict=True):
        if node.op is not None:
            kinds.append(Kind.computed_from(kinds[a], kinds[b] if b >= 0 else kinds[a]))
        elif node in given:
            kinds.append(INPUT)
        else:
            kinds.append(CONSTANT if node.constant else PARAMETER)
    return Tape(
        ops=[node.op for node in order],
        left=left,
        right=right,
        kinds=kinds,
        data=[node.data for node in order],
        recorded=[*slot_of.values()],  # the same ints as in left and right
        parameters=[slot for slot, kind in enumerate(kinds) if kind is PARAMETER],
        inputs=[slot_of.get(node, -1) for node in inputs],
        root=slot_of[root],
        outputs=[slot_of[node] for node in outputs],
    ), order


def _slots(root: Value, outputs: Sequence[Value]) -> tuple[list[Value], dict[Value, int]]:
    """Return the Values in topological order, and the slot of each.

    The result need not depend on every output: what only an output needs comes at the end.
    """
    order = topological_order(root)
    slot_of = {node: slot for slot, node in enumerate(order)}
    for output in outputs:
        for node in topological_order(output) if output not in slot_of else ():
            if node not in slot_of:
                slot_of[node] = len(order)
                order.append(node)
    return order, slot_of


@contextmanager
def recording() -> Iterator[Trace]:
    """Refuse comparisons of Values inside: a branch on data would be baked into the tape.

    Yields a :class:`tinygrad_edu.engine.context.Trace`: the random numbers that modules asked for,
    and what they want to be told about each run.

    Examples
    --------
    >>> from tinygrad_edu import Value
    >>> from tinygrad_edu.compiler import recording
    >>> with recording():
    ...     Value(1.0) > 0.0
    Traceback (most recent call last):
        ...
    tinygrad_edu.engine.errors.SettingError: leaf = 1 was compared while its graph was recorded.
      Where : a program has one structure for all data: a branch on this sample would be baked in
      Fix   : use maximum, minimum, relu or abs, which are recorded; or train with compiled=False.
    """
    recorder = _NoBranches()
    with Block(recorder):
        yield recorder.trace


class _NoBranches(Watcher):
    """The watcher that refuses comparisons for :func:`recording`."""

    trace: Trace

    def __init__(self) -> None:
        self.trace = Trace()

    def compared(self, node: Value) -> None:
        raise SettingError(
            f"{describe(node)} = {node.data:.6g} was compared while its graph was recorded.",
            where="a program has one structure for all data: a branch on this sample would be "
            "baked in",
            fix="use maximum, minimum, relu or abs, which are recorded; or train with "
            "compiled=False.",
        )
