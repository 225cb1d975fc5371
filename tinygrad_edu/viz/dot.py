"""The textbook figure: operations in circles, values above the wires, gradients below them."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from tinygrad_edu.engine import Value
from tinygrad_edu.viz.figure import Box, figure_of, number

if TYPE_CHECKING:
    from graphviz import Digraph

FORWARD, GRADIENT, INK = "#0f766e", "#c2410c", "#57606a"
FONT = "Helvetica,Arial,sans-serif"
_KINDS = {
    "operation": {"shape": "circle", "width": "0.5", "fixedsize": "true", "color": INK},
    "leaf": {"shape": "box", "style": "rounded,filled", "fillcolor": "#fff8e1", "color": INK},
    "constant": {"shape": "plaintext"},
}


def circuit(root: Value) -> Digraph:
    """The graph below ``root`` as a ``graphviz.Digraph``, left to right.

    Examples
    --------
    >>> from tinygrad_edu import Value
    >>> from tinygrad_edu.viz import circuit
    >>> dot = circuit(Value(2.0, "x") * 3.0)
    >>> "v0 -> v2" in dot.source
    True
    """
    from graphviz import Digraph

    figure = figure_of(root)
    graph = {"rankdir": "LR", "nodesep": ".35", "ranksep": ".75", "bgcolor": "white"}
    dot = Digraph(graph_attr=graph | {"fontname": FONT})
    dot.attr("node", fontname=FONT, fontsize="16", penwidth="1.5")
    dot.attr("edge", fontname=FONT, fontsize="12", color=INK)
    for box in figure.boxes:
        dot.node(box.id, label=f"<{_text(box.text or number(box.data))}>", **_KINDS[box.kind])
    for wire in figure.wires:
        label = _label(wire.data, wire.contribution if figure.has_gradients else None)
        dot.edge(wire.source, wire.target, label=label)
    last: Box = figure.boxes[-1]
    dot.node("out", shape="none", label="" if figure.has_gradients else _call_backward())
    dot.edge(last.id, "out", label=_label(last.data, last.grad if figure.has_gradients else None))
    return dot


def _label(data: float, gradient: float | None) -> str:
    rows = [(FORWARD, number(data))]
    rows += [(GRADIENT, number(gradient))] if gradient is not None else []
    cells = "".join(f'<tr><td><font color="{ink}">{text}</font></td></tr>' for ink, text in rows)
    return f'<<table border="0" cellborder="0" cellspacing="0">{cells}</table>>'


def _text(text: str) -> str:
    """Label text as DOT's HTML: control characters would end the label, so they are shown."""
    return escape("".join(c if c.isprintable() else "\ufffd" for c in text)) or "\u00a0"


def _call_backward() -> str:
    return "no gradients yet:\\ncall backward()"
