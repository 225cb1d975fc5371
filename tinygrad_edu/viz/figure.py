"""The neutral model of a figure: boxes and wires, from which every drawing is made."""

from __future__ import annotations

from dataclasses import dataclass

from tinygrad_edu import ieee
from tinygrad_edu.engine import Value, topological_order

GLYPHS = {"add": "+", "sub": "−", "neg": "−", "mul": "×", "div": "÷", "pow": "^"}
GLYPHS |= {"sigmoid": "σ", "maximum": "max", "minimum": "min", "sqrt": "√", "abs": "|·|"}


@dataclass(frozen=True)
class Box:
    """A value of the graph: ``kind`` is "leaf", "constant" or "operation"."""

    id: str
    kind: str
    text: str
    data: float
    grad: float


@dataclass(frozen=True)
class Wire:
    """From an input to the operation it feeds; ``contribution`` is upstream times local slope.

    The contributions on the wires that leave a value add up to its gradient.
    """

    source: str
    target: str
    data: float
    contribution: float


@dataclass(frozen=True)
class Figure:
    """Boxes in topological order, root last; wires in operand order."""

    boxes: tuple[Box, ...]
    wires: tuple[Wire, ...]
    has_gradients: bool


def figure_of(root: Value) -> Figure:
    """The figure of everything that root depends on; gradients are those of the last backward."""
    order = topological_order(root)
    names = {node: f"v{position}" for position, node in enumerate(order)}
    boxes = [Box(names[v], _kind(v), _text(v), v.data, v.grad) for v in order]
    wires: list[Wire] = []
    for node in order:
        if node.op is not None:
            slopes = node.op.partials(ieee, node.data, *[v.data for v in node.inputs])
            for source, slope in zip(node.inputs, slopes, strict=True):
                wires.append(Wire(names[source], names[node], source.data, slope * node.grad))
    return Figure(tuple(boxes), tuple(wires), has_gradients=root.grad != 0.0)


def number(x: float) -> str:
    """Three significant digits, trailing zeros cut, a real minus sign."""
    if x != x or x in (ieee.INF, -ieee.INF):
        text = str(x)
    elif x == 0.0 or 1e-3 <= abs(x) < 1e4:
        text = f"{x:.3g}" if abs(x) < 1e3 else f"{x:.0f}"
    else:
        mantissa, exponent = f"{x:.2e}".split("e")
        text = f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
    return text.replace("-", "−")


def _kind(node: Value) -> str:
    return "operation" if node.op else "constant" if node.constant else "leaf"


def _text(node: Value) -> str:
    if node.op is not None:
        return GLYPHS.get(node.op.name, node.op.name)
    return number(node.data) if node.constant else node.label
