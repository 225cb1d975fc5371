"""Measure text in Helvetica and the shapes around it, so that all layouts keep the same room."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from unicodedata import east_asian_width

from tinygrad_edu.viz.figure import Line, Node, Wire
from tinygrad_edu.viz.layout.placement import Size

SIZES = {"name": 16.0, "faint": 11.0, "local": 11.0}  # points; of all other roles:
PLAIN = 12.0
LEADING = 1.2
PAD = 10.0

# thousandths of the font size, for the characters from space to tilde
# source: Adobe, Font Metrics for PDF Core 14 Fonts, Helvetica
_WIDTHS = (
    *(278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278),
    *(556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556),
    *(1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778),
    *(667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556),
    *(333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556),
    *(556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584),
)


def font_size(line: Line) -> float:
    """Return the font size of a line in points."""
    return SIZES.get(line.role, PLAIN)


def text_width(line: Line) -> float:
    """Return how wide a line is in points.

    Examples
    --------
    >>> from tinygrad_edu.viz.figure import Line
    >>> from tinygrad_edu.viz.layout.measure import text_width
    >>> round(text_width(Line("−0.59")), 1)
    30.4
    """
    bold = 1.1 if line.role == "warning" else 1.0  # about; a bold digit is as wide as another
    return bold * font_size(line) / 1000.0 * _thousandths(line.text)


@lru_cache(maxsize=10_000)
def _thousandths(text: str) -> int:
    """Measure text in thousandths of the font size, once: a number stands on several wires."""
    return sum(map(_units, text))


def _units(character: str) -> int:
    place = ord(character) - 32
    if 0 <= place < len(_WIDTHS):
        return _WIDTHS[place]
    if east_asian_width(character) in "WF":
        return 1000
    return 584 if character in "−×÷·√σ…" else 700


def block(lines: Sequence[Line]) -> Size:
    """Measure lines that stand one below the other."""
    if not lines:
        return Size(0.0, 0.0)
    return Size(max(map(text_width, lines)), sum(font_size(line) * LEADING for line in lines))


def room_of(node: Node) -> Size:
    """Measure a node with what stands below it, and as much above: its shape in the middle."""
    shape, below = node_size(node), block(node.below)
    return Size(max(shape.width, below.width), shape.height + 2.0 * below.height)


def node_size(node: Node) -> Size:
    """Measure the shape of a node."""
    blocks = [block(column) for column in node.columns]
    width = sum(size.width for size in blocks) + PAD * (len(blocks) - 1)
    height = max(size.height for size in blocks)
    if node.form == "plain":
        return Size(width, height)
    if node.form in ("circle", "ellipse"):
        across = max(36.0, height + 14.0)
        wide = width + 14.0 > across
        return Size(width + 24.0 if wide else across, across)
    return Size(max(width + 2.0 * PAD, 36.0), height + PAD)


def label_size(wire: Wire) -> Size:
    """Measure what stands on a wire, which runs through the middle of it."""
    above, below = block(wire.above), block(wire.below)
    if not (wire.above or wire.below):
        return Size(0.0, 0.0)
    return Size(max(above.width, below.width) + 6.0, 2.0 * max(above.height, below.height) + 6.0)


def is_round(node: Node) -> bool:
    """Tell whether wires meet a node on a circle, at any angle."""
    if node.form != "circle" or node.below:
        return False
    size = node_size(node)
    return size.width == size.height
