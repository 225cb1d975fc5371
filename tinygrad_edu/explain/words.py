"""Name nodes in text."""

from __future__ import annotations

from tinygrad_edu.engine import Value, topological_order
from tinygrad_edu.engine.errors import OperandError
from tinygrad_edu.engine.guards import describe
from tinygrad_edu.shared.tables import number

LONGEST = 24  # characters of a label


def graph_of(root: Value, asked: str) -> list[Value]:
    """Return the values below a root in topological order; refuse what is not a Value."""
    if not isinstance(root, Value):
        several = isinstance(root, list | tuple) and root and isinstance(root[0], Value)
        one = "pass one of them, for example outputs[0], or their sum."
        raise OperandError(
            f"{asked} takes a Value, not {root!r:.60}.",
            fix=one
            if several
            else "pass the result of a computation, for example loss = (w * x).tanh().",
        )
    return topological_order(root)


def name(node: Value) -> str:
    """Return the label of a node, fit for one line, or what it is where it has no label."""
    text = "".join(c if c.isprintable() else "\ufffd" for c in describe(node))
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def operation(node: Value, operand: int) -> str:
    """Return the label of a node, or what it does with the operand ``·``, as in ``· × w``."""
    if node.label or node.op is None:
        return name(node)
    words = ["·" if i == operand else _partner(v) for i, v in enumerate(node.inputs)]
    sign = node.op.sign
    if len(words) == 2 and sign and not sign.isalpha():  # + stands between operands, max before
        return f" {sign} ".join(words)
    return f"{node.op.name}({', '.join(words)})"


def _partner(node: Value) -> str:
    """Return the label of the other operand, or its number, which says more than "leaf"."""
    return name(node) if node.label else number(node.data)
