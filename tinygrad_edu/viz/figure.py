"""The neutral model of a figure, which every style makes and every output draws.

A new style is one more function from a :class:`~tinygrad_edu.viz.reading.Reading` to a
:class:`Figure`; a new output is one more function of a Figure. Neither knows the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from types import MappingProxyType

from tinygrad_edu.engine import ieee
from tinygrad_edu.shared.tables import typeset

LONGEST = 24  # characters of a label that are drawn; the tooltip has the whole
PHASES = ("start", "forward", "backward")
NOTHING: Mapping[str, int] = MappingProxyType({})


@dataclass(frozen=True)
class Line:
    """A line of text. ``role`` chooses the colour, ``id`` lets the stepper show it in time.

    Roles: "ink", "name" (larger), "faint", "forward" (values), "gradient", "local" (upstream
    times slope) and "warning" (a number that is not finite).
    """

    text: str
    role: str = "ink"
    id: str = ""


@dataclass(frozen=True)
class Node:
    """What is drawn as one shape.

    Attributes
    ----------
    form : "circle", "box", "card", "record" (columns with bars between), "ellipse" or "plain"
    kind : "operation", "leaf", "constant", "group" or "note"; chooses the fill
    columns : lines of text, column by column
    below : lines under the shape
    tooltip : every digit and letter
    cluster : id of the frame it stands in, "" for none
    """

    id: str
    form: str
    kind: str
    columns: tuple[tuple[Line, ...], ...]
    below: tuple[Line, ...] = ()
    tooltip: str = ""
    cluster: str = ""


@dataclass(frozen=True)
class Wire:
    """From an input to what it feeds; ``above`` and ``below`` stand on the two sides of it.

    ``weight`` is the size of its contribution in units of the figure's largest, from 0 to 1.
    """

    id: str
    source: str
    target: str
    above: tuple[Line, ...] = ()
    below: tuple[Line, ...] = ()
    weight: float = 0.0
    tooltip: str = ""


@dataclass(frozen=True)
class Cluster:
    """A titled frame round nodes; ``parent`` is the frame around it, "" for none."""

    id: str
    title: str
    parent: str = ""

    @property
    def line(self) -> Line:
        """The title as a line of text."""
        return Line(shortened(self.title), "faint")


@dataclass(frozen=True)
class Step:
    """One step of a pass: what is being processed, and what happens with the numbers.

    Attributes
    ----------
    phase : str
        "start", "forward" or "backward".
    ring : str
        Id of the node that is being processed; "" for none.
    wires : tuple of str
        Ids of the wires to emphasise.
    text : str
        What happens, with the numbers.
    rule : str
        The rule that is applied, as a formula.
    """

    phase: str
    ring: str
    wires: tuple[str, ...]
    text: str
    rule: str


@dataclass(frozen=True)
class Figure:
    """Nodes in topological order, wires in operand order, steps in time.

    ``reveal`` tells from which step on a line of text is seen; a line it does not name always is.
    """

    nodes: tuple[Node, ...]
    wires: tuple[Wire, ...]
    clusters: tuple[Cluster, ...] = ()
    steps: tuple[Step, ...] = ()
    reveal: Mapping[str, int] = field(default_factory=lambda: NOTHING)
    title: str = "computation graph"


def line(self) -> Line:
        """The title as a line of text."""
        return Line(shortened(self.title), "faint")


@dataclass(frozen=True)
class Figure:
    """Nodes in topological order, wires in operand order, steps in time.

    ``reveal`` tells from which step on a line of text is seen; a line it does not name always is.
    """

    nodes: tuple[Node, ...]
    wires: tuple[Wire, ...]
    clusters: tuple[Cluster, ...] = ()
    steps: tuple[Step, ...] = ()
    reveal: Mapping[str, int] = field(default_factory=lambda: NOTHING)
    title: str = "computation graph"


def number(x: float) -> str:
    """Three significant digits, trailing zeros cut, a real minus sign.

    Examples
    --------
    >>> from tinygrad_edu.viz.figure import number
    >>> number(-0.59055), number(12345.0), number(1e-9)
    ('−0.591', '1.23e4', '1e−9')
    """
    x += 0.0  # no sign for -0.0: the tooltip has every bit
    rounded = abs(float(f"{x:.3g}"))
    if not abs(x) < ieee.INF:
        text = str(x)
    elif x == 0.0 or 1e-3 <= rounded < 1e3:
        text = f"{x:.3g}"
    elif rounded >= 1e3 and abs(x) < 9999.5:
        text = f"{x:.0f}"
    else:
        mantissa, exponent = f"{x:.2e}".split("e")
        text = f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
    return text.replace("-", "−")


def line(x: float, role: str, id: str = "", prefix: str = "") -> Line:
    """A number as a line; one that is not finite warns."""
    return Line(prefix + typeset(x), role if abs(x) < ieee.INF else "warning", id)


def lines_of(nodes: Iterable[Node], wires: Iterable[Wire]) -> Iterator[Line]:
    """All lines of text on them."""
    for node in nodes:
        yield from (*chain.from_iterable(node.columns), *node.below)
    for wire in wires:
        yield from (*wire.above, *wire.below)


def shortened(label: str) -> str:
    """A label as it is drawn: one line, not too long."""
    text = " ".join(label.split()) or label.strip()
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def largest(sizes: Iterable[float]) -> float:
    """The largest finite magnitude, or 1 where there is none: what widths are measured by."""
    return max((abs(x) for x in sizes if 0.0 < abs(x) < ieee.INF), default=1.0)
