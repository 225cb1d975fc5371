"""Stage 1: from a graph of Values to a tape, one instruction a node."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from tinygrad_edu.engine import Value, hooks, topological_order
from tinygrad_edu.engine.errors import SettingError
from tinygrad_edu.engine.guards import describe
from tinygrad_edu.engine.ops import Primitive

PARAMETER, INPUT, CONSTANT = "parameter", "input", "constant"


@dataclass(frozen=True)
class Tape:
    """Instructions in topological order; the slot of an instruction is its position.

    ``ops[i]`` is None for a leaf, whose kind is ``kinds[i]``; ``left`` and ``right`` hold slots,
    -1 for none. ``data`` is what each slot held when the tape was recorded.
    """

    ops: list[Primitive | None]
    left: list[int]
    right: list[int]
    kinds: list[str]
    data: list[float]
    parameters: tuple[int, ...]  # slots
    inputs: tuple[int, ...]  # slots, in the order of the inputs given; -1 where one is not used
    root: int
    outputs: tuple[int, ...] = ()  # slots whose values are asked for beside the result
    penalty: int = -1  # slot of a part of the result that is no row's, such as an L2 term
    recorded: tuple[int, ...] = ()  # the slot that each slot had when it was recorded

    def __len__(self) -> int:
        return len(self.ops)

    def __str__(self) -> str:
        """One instruction a line."""
        lines = []
        for slot, op in enumerate(self.ops):
            if op is None:
                what = self.kinds[slot]
                what += f" {self.data[slot]:g}" if what == CONSTANT else ""
            else:
                operands = [s for s in (self.left[slot], self.right[slot]) if s >= 0]
                what = " ".join([op.name, *(f"%{s}" for s in operands)])
            lines.append(f"%{slot} = {what}")
        penalty = f" + %{self.penalty}" if self.penalty >= 0 else ""
        return "\n".join([*lines, f"return %{self.root}{penalty}"])


def record(
    root: Value, inputs: Sequence[Value] = (), outputs: Sequence[Value] = ()
) -> tuple[Tape, list[Value]]:
    """The tape of everything ``root`` depends on, and the Value of each slot.

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
    given = set(inputs)
    kinds = [
        ""
        if node.op is not None
        else INPUT
        if node in given
        else CONSTANT
        if node.constant
        else PARAMETER
        for node in order
    ]
    return Tape(
        ops=[node.op for node in order],
        left=[-1 if node._left is None else slot_of[node._left] for node in order],
        right=[-1 if node._right is None else slot_of[node._right] for node in order],
        kinds=kinds,
        data=[node.data for node in order],
        parameters=tuple(slot for slot, kind in enumerate(kinds) if kind == PARAMETER),
        inputs=tuple(slot_of.get(node, -1) for node in inputs),
        root=slot_of[root],
        outputs=tuple(slot_of[node] for node in outputs),
        recorded=tuple(range(len(order))),
    ), order


def _slots(root: Value, outputs: Sequence[Value]) -> tuple[list[Value], dict[Value, int]]:
    """Topological order, and the place of each in it; the result may not depend on all outputs."""
    order = topological_order(root)
    slot_of = {node: slot for slot, node in enumerate(order)}
    for output in outputs:
        for node in topological_order(output) if output not in slot_of else ():
            if node not in slot_of:
                slot_of[node] = len(order)
                order.append(node)
    return order, slot_of


@contextmanager
def recording() -> Iterator[hooks.Trace]:
    """Refuse comparisons of Values inside: a branch on data would be baked into the tape.

    Gives a :class:`tinygrad_edu.engine.hooks.Trace`: the random numbers that modules asked for,
    and what they want to be told of each run.

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
    before, tracing = hooks.watch(_NoBranches(hooks.watcher)), hooks.tracing
    hooks.tracing = trace = hooks.Trace()
    try:
        yield trace
    finally:
        hooks.watch(before)
        hooks.tracing = tracing


class _NoBranches(hooks.PassOn):
    """The watcher of :func:`recording`."""

    def compared(self, node: Value) -> None:
        raise SettingError(
            f"{describe(node)} = {node.data:.6g} was compared while its graph was recorded.",
            where="a program has one structure for all data: a branch on this sample would be "
            "baked in",
            fix="use maximum, minimum, relu or abs, which are recorded; or train with "
            "compiled=False.",
        )
