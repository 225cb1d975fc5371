"""A figure in Graphviz's language, for those who go on from there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tinygrad_edu.viz.figure import Figure, Line, Node, Wire
from tinygrad_edu.viz.layout.measure import font_size
from tinygrad_edu.viz.svg import xml
from tinygrad_edu.viz.themes import FONT, Theme

if TYPE_CHECKING:
    from graphviz import Digraph

SHAPES = {"circle": "circle", "ellipse": "ellipse", "plain": "plaintext"}  # all others: a box


def digraph(figure: Figure, theme: Theme) -> Digraph:
    """Write the figure as a ``graphviz.Digraph``; in HTML, any text is a label."""
    from graphviz import Digraph

    dot = Digraph(
        graph_attr={"rankdir": "LR", "nodesep": ".35", "ranksep": ".75", "bgcolor": theme.ground},
        node_attr={"fontname": FONT, "penwidth": "1.5", "color": theme.stroke, "margin": "0.06"},
        edge_attr={"fontname": FONT, "color": theme.stroke},
    )
    for node in figure.nodes:
        if not node.cluster:
            _node(dot, node, theme)
    for frame in _frames(figure, theme):
        dot.subgraph(frame)
    for wire in figure.wires:
        dot.edge(
            wire.source, wire.target, id=wire.id, label=_wire_label(wire, theme),
            penwidth=f"{0.8 + 2.6 * wire.weight:.2f}", edgetooltip=xml(wire.tooltip),
        )  # fmt: skip
    return dot


def _node(dot: Digraph, node: Node, theme: Theme) -> None:
    shape = SHAPES.get(node.form, "box")
    filled = {} if node.form == "plain" else {"fillcolor": theme.of(node.kind)}
    style = "filled" if shape != "box" else "rounded,filled"
    dot.node(
        node.id, id=node.id, shape=shape, tooltip=xml(node.tooltip), label=_node_label(node, theme),
        **(filled | {"style": style} if filled else {}),
    )  # fmt: skip


def _frames(figure: Figure, theme: Theme) -> list[Digraph]:
    """Make the outermost frames, each with all that is in it."""
    from graphviz import Digraph

    made: dict[str, list[Digraph]] = {}
    for i, cluster in reversed([*enumerate(figure.clusters)]):  # after what they hold
        title = f"<{_font(cluster.line, theme)}>"
        graph = Digraph(f"cluster_{i}", graph_attr={"label": title, "color": theme.frame})
        for node in figure.nodes:
            if node.cluster == cluster.id:
                _node(graph, node, theme)
        for inner in reversed(made.get(cluster.id, [])):
            graph.subgraph(inner)
        made.setdefault(cluster.parent, []).append(graph)
    return made.get("", [])[::-1]


def _node_label(node: Node, theme: Theme) -> str:
    columns = "".join(f"<td>{_lines(column, theme)}</td>" for column in node.columns)
    below = f'<tr><td colspan="9">{_lines(node.below, theme)}</td></tr>' if node.below else ""
    return f'<<table border="0" cellborder="0" cellspacing="0"><tr>{columns}</tr>{below}</table>>'


def _wire_label(wire: Wire, theme: Theme) -> str:
    lines = (*wire.above, *wire.below)
    rows = "".join(f"<tr><td>{_font(line, theme)}</td></tr>" for line in lines)
    return f'<<table border="0" cellborder="0" cellspacing="0">{rows}</table>>' if rows else ""


def _lines(lines: Sequence[Line], theme: Theme) -> str:
    return "<br/>".join(_font(line, theme) for line in lines) or " "


def _font(line: Line, theme: Theme) -> str:
    """Write a line in Graphviz's HTML, which breaks on empty text and on control characters."""
    text = xml("".join(c if c.isprintable() else "\ufffd" for c in line.text)) or "\u00a0"
    return f'<font color="{theme.of(line.role)}" point-size="{font_size(line):g}">{text}</font>'
