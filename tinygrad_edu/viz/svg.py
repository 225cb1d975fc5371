"""A figure with places as SVG: text with presentation attributes, so that every viewer shows it."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from math import ceil, hypot

from tinygrad_edu.viz.figure import Cluster, Figure, Line, Node, Wire
from tinygrad_edu.viz.layout.layered import PORT_STEP
from tinygrad_edu.viz.layout.measure import LEADING, PAD, block, font_size, node_size, text_width
from tinygrad_edu.viz.layout.placement import Placement, Point, Size
from tinygrad_edu.viz.themes import ACTIVE, FONT, NABLA_FONT, Theme

ARROW = 7.0
WIDEST = 0.45 * PORT_STEP  # half of a head: beside another one there is a gap
HAIR = 1.5
# what XML has no way to write. Source: W3C, Extensible Markup Language 1.0, production 2
_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def svg(
    figure: Figure,
    placement: Placement,
    theme: Theme,
    hidden: Collection[str] = (),
    ring: str = "",
    bright: Collection[str] = (),
) -> str:
    """Draw the picture.

    Parameters
    ----------
    hidden : ids of lines of text that are not shown yet
    ring : id of the node that a step is at; bright : ids of the wires it uses
    """
    width, height = ceil(placement.width), ceil(placement.height)  # whole: no edge is half seen
    draw = _Pen(theme, hidden, ring, bright)
    framed = [c for c in figure.clusters if c.id in placement.frames]
    body = [
        *(draw.frame(cluster, placement.frames[cluster.id]) for cluster in framed),
        *(draw.wire(wire, placement) for wire in figure.wires),
        *(draw.node(node, placement.nodes[node.id]) for node in figure.nodes),
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img" font-family="{FONT}">\n'
        f"<title>{xml(figure.title)}</title>\n"
        f'<rect width="{width}" height="{height}" fill="{theme.ground}"/>\n'
        + "\n".join(body)
        + "\n</svg>\n"
    )


def xml(text: str) -> str:
    """Write text as XML, with U+FFFD for the control characters that XML has no way to write.

    Examples
    --------
    >>> from tinygrad_edu.viz.svg import xml
    >>> xml('<b> & "]]>"')
    '&lt;b&gt; &amp; &quot;]]&gt;&quot;'
    """
    legal = _ILLEGAL.sub("\ufffd", text)
    for character, entity in (("&", "amp"), ("<", "lt"), (">", "gt"), ('"', "quot")):
        legal = legal.replace(character, f"&{entity};")
    return legal.replace("\r", "&#13;").replace("\n", "&#10;").replace("\t", "&#9;")


class _Pen:
    """A pen that draws elements, each as a group with its id."""

    def __init__(
        self, theme: Theme, hidden: Collection[str], ring: str, bright: Collection[str]
    ) -> None:
        self.theme, self.hidden, self.ring, self.bright = theme, hidden, ring, bright

    def frame(self, cluster: Cluster, box: tuple[float, float, float, float]) -> str:
        x, y, width, height = box
        line = cluster.line
        return (
            f'<g id="{xml(cluster.id)}"><rect x="{x:.2f}" y="{y:.2f}" width="{width:.2f}" '
            f'height="{height:.2f}" rx="6" fill="none" stroke="{self.theme.frame}"/>'
            + self.text(line, x + 6.0, y + font_size(line) + 2.0, "start")
            + "</g>"
        )

    def node(self, node: Node, at: Point) -> str:
        size = node_size(node)
        parts = [_title(node.tooltip), self.shape(node, at, size)]
        blocks = [block(column) for column in node.columns]
        x = at[0] - (sum(b.width for b in blocks) + PAD * (len(blocks) - 1)) / 2.0
        for i, (column, room) in enumerate(zip(node.columns, blocks, strict=True)):
            if i and node.form in ("record", "card"):
                parts.append(self.bar(x - PAD / 2.0, at[1], size.height))
            parts.append(self.stack(column, x + room.width / 2.0, at[1] - room.height / 2.0))
            x += room.width + PAD
        parts.append(self.stack(node.below, at[0], at[1] + size.height / 2.0 + 1.0))
        return f'<g id="{node.id}" class="node">{"".join(parts)}</g>'

    def shape(self, node: Node, at: Point, size: Size) -> str:
        active = node.id == self.ring
        stroke, width = (ACTIVE, 3.0) if active else (self.theme.stroke, HAIR)
        if node.form == "plain":
            stroke, width = ("none", HAIR) if not active else (stroke, width)
        fill = "none" if node.form == "plain" else self.theme.of(node.kind)
        radius = {"circle": size.height, "ellipse": size.height, "box": 14.0, "plain": 8.0}
        rx = min(radius.get(node.form, 6.0), size.height) / 2.0
        return (
            f'<rect x="{at[0] - size.width / 2.0:.2f}" y="{at[1] - size.height / 2.0:.2f}" '
            f'width="{size.width:.2f}" height="{size.height:.2f}" rx="{rx:.2f}" fill="{fill}" '
            f'stroke="{stroke}" stroke-width="{width}"/>'
        )

    def bar(self, x: float, y: float, height: float) -> str:
        ends = f'x1="{x:.2f}" x2="{x:.2f}" y1="{y - height / 2.0:.2f}" y2="{y + height / 2.0:.2f}"'
        return f'<line {ends} stroke="{self.theme.frame}"/>'

    def wire(self, wire: Wire, placement: Placement) -> str:
        points = placement.routes[wire.id]
        bright = wire.id in self.bright
        stroke = ACTIVE if bright else self.theme.stroke
        width = 0.8 + 2.6 * wire.weight
        parts = [_title(wire.tooltip)]
        path, head = _path(points, width)
        parts.append(
            f'<path d="{path}" fill="none" stroke="{stroke}" stroke-width="{width:.2f}"/>'
            f'<path d="{head}" fill="{stroke}" stroke="none"/>'
        )
        if wire.id in placement.labels:
            x, y = placement.labels[wire.id]
            parts.append(self.stack(wire.above, x, y - 3.0 - block(wire.above).height))
            parts.append(self.stack(wire.below, x, y + 2.0))
        return f'<g id="{wire.id}" class="wire">{"".join(parts)}</g>'

    def stack(self, lines: Sequence[Line], x: float, top: float) -> str:
        """Write lines one below the other, centered."""
        parts = []
        for line in lines:
            size = font_size(line)
            middle = 0.85 if line.role == "name" and not line.text.isalnum() else 0.95
            parts.append(self.text(line, x, top + middle * size, "middle"))  # + sits lower than a
            top += size * LEADING
        return "".join(parts)

    def text(self, line: Line, x: float, y: float, anchor: str) -> str:
        id = f' id="{line.id}"' if line.id else ""
        unseen = ' visibility="hidden"' if line.id and line.id in self.hidden else ""
        weight = ' font-weight="bold"' if line.role == "warning" else ""
        if "∇" in line.text and anchor == "middle":
            x, anchor = x - text_width(line) / 2.0, "start"  # each piece would be centerd
        return (
            f'<text{id} x="{x:.2f}" y="{y:.2f}" text-anchor="{anchor}" '
            f'font-size="{font_size(line):g}" fill="{self.theme.of(line.role)}"{weight}{unseen}>'
            f"{_pieces(xml(line.text), f'{y:.2f}')}</text>"
        )


def _pieces(text: str, y: str) -> str:
    """Write each ∇ in a font that has it: a y begins a piece, for which resvg seeks a font."""
    nabla = f'<tspan y="{y}" font-family="{NABLA_FONT}">∇</tspan>'
    first, *rest = text.split("∇")
    return first + "".join(f'{nabla}<tspan y="{y}">{piece}</tspan>' for piece in rest)


def _title(tooltip: str) -> str:
    return f"<title>{xml(tooltip)}</title>" if tooltip else ""


def _path(points: Sequence[Point], width: float) -> tuple[str, str]:
    """Draw the curve, and the arrow's head where it ends; the curve stops inside the head."""
    long, half = ARROW + width, min(2.4 + width, WIDEST)
    x, y = points[-1]
    if len(points) > 4 and hypot(x - points[-4][0], y - points[-4][1]) < long:
        points = (*points[:-4], points[-1])  # the last piece is all inside the head
    near = next((point for point in reversed(points) if point != (x, y)), points[0])
    length = hypot(x - near[0], y - near[1]) or 1.0
    dx, dy = (x - near[0]) / length, (y - near[1]) / length
    end = (x - dx * long * 0.8, y - dy * long * 0.8)
    curve = [*points[:-1], end]
    first, *rest = [f"{px:.2f},{py:.2f}" for px, py in curve]
    base = (x - dx * long, y - dy * long)
    head = (
        f"M{x:.2f},{y:.2f} L{base[0] - dy * half:.2f},{base[1] + dx * half:.2f} "
        f"L{base[0] + dy * half:.2f},{base[1] - dx * half:.2f} Z"
    )
    return f"M{first} C{' '.join(rest)}", head
