"""The neutral model of a figure, which every style makes and every output draws.

A new style is one more function from a :class:`~tinygrad_edu.viz.reading.Reading` to a
:class:`Figure`; a new output is one more function of a Figure. Neither knows the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from math import isfinite
from types import MappingProxyType

from tinygrad_edu.shared.tables import typeset

LONGEST = 24  # characters of a label that are drawn; the tooltip has the whole
PHASES = ("start", "forward", "backward")
NOTHING: Mapping[str, int] = MappingProxyType({})


@dataclass(frozen=True)
class Line:
    """A line of text. ``role`` chooses the color, ``id`` lets the stepper show it in time.

    Roles: "ink", "name" (larger), "faint", "forward" (values), "gradient", "local" (upstream
    times local slope) and "warning" (a number that is not finite).
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
    """A wire from an input to what it feeds; ``above`` and ``below`` stand on its two sides.

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
        """Return the title as a line of text."""
        return Line(shortened(self.title), "faint")


@dataclass(frozen=True)
class Step:
    """One step of a pass: what is being processed, and what happens with the numbers.

    Attributes
    ----------
    phase : "start", "forward" or "backward"
    ring : id of the node that is being processed; "" for none
    wires : ids of the wires to emphasize
    text : what happens, with the numbers
    rule : the rule that is applied, as a formula
    """

    phase: str
    ring: str
    wires: tuple[str, ...]
    text: str
    rule: str


@dataclass(frozen=True)
class Figure:
    """Nodes in topological order, wires in operand order, steps in time.

    ``reveal`` tells from which step on a line of text is seen; others are seen always.
    """

    nodes: tuple[Node, ...]
    wires: tuple[Wire, ...]
    clusters: tuple[Cluster, ...] = ()
    steps: tuple[Step, ...] = ()
    reveal: Mapping[str, int] = field(default_factory=lambda: NOTHING)
    title: str = "computation graph"


def line(x: float, role: str, id: str = "", prefix: str = "") -> Line:
    """Write a number as a line, in the role of a warning if it is not finite."""
    return Line(prefix + typeset(x), role if isfinite(x) else "warning", id)


def lines_of(nodes: Iterable[Node], wires: Iterable[Wire]) -> Iterator[Line]:
    """Yield all lines of text on nodes and wires."""
    for node in nodes:
        yield from (*chain.from_iterable(node.columns), *node.below)
    for wire in wires:
        yield from (*wire.above, *wire.below)


def shortened(label: str) -> str:
    """Fit a label into a figure: on one line, and not too long."""
    text = " ".join(label.split()) or label.strip()
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def largest(sizes: Iterable[float]) -> float:
    """Return the largest finite magnitude, by which widths are measured; 1 where there is none."""
    return max((abs(x) for x in sizes if x and isfinite(x)), default=1.0)
