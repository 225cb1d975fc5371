"""Worksheets: a graph with blanks for every value and gradient, and its answer page.

The numbers are short, so that a pencil is enough. The same seed and name give the same bytes on
every machine, since the built-in layout places the nodes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from random import Random
from unicodedata import category

from tinygrad_edu.course.worksheets.pages import SheetPage
from tinygrad_edu.course.worksheets.problems import Term, problem
from tinygrad_edu.engine import Value, topological_order
from tinygrad_edu.engine.errors import SettingError
from tinygrad_edu.shared.arguments import whole
from tinygrad_edu.shared.tables import typeset
from tinygrad_edu.viz.drawing import draw
from tinygrad_edu.viz.figure import Figure, Line, Node, Wire
from tinygrad_edu.viz.layout.engines import place
from tinygrad_edu.viz.svg import svg
from tinygrad_edu.viz.themes import THEMES

BLANK = "____"
ROOM = Line(" ", "name")  # space for handwriting
ADVICE = (
    "First go forward: write each value above its wire. Then go backward from ∂L/∂L = 1: write "
    "below each wire what it adds to the gradient of the value it comes from (at ∇). Where a value "
    "feeds two operations, the two add up (at Σ∇)."
)
THEME = replace(THEMES["book"], faint="#444444")


@dataclass(frozen=True)
class Worksheet:
    """A sheet: a graph with blanks, and its answers.

    Attributes
    ----------
    term : the graph and its formula
    seed : int; name : str, "" for a sheet without a name
    """

    term: Term
    seed: int
    name: str = ""

    @cached_property
    def figure(self) -> Figure:
        """Draw the graph with all its numbers."""
        return draw(self.term.value, "circuit", engine="builtin").figure

    @property
    def leaves(self) -> list[Value]:
        """Return the inputs, in the order of their names."""
        order = topological_order(self.term.value)
        return sorted((v for v in order if v.op is None), key=lambda v: v.label)

    def svg(self) -> str:
        """Draw the graph with blanks; only the values of the leaves are given."""
        return _picture(_with_blanks(self.figure))

    def answer_svg(self) -> str:
        """Draw the graph with all its values and gradients."""
        plain = tuple(replace(wire, weight=0.0) for wire in self.figure.wires)
        return _picture(replace(self.figure, wires=plain))

    @property
    def given(self) -> str:
        """Write the values of the inputs, for example "a = 1, b = 3"."""
        return ", ".join(f"{v.label} = {typeset(v.data)}" for v in self.leaves)

    def page(self) -> SheetPage:
        """Build the page with blanks."""
        return SheetPage(
            title="Forward and backward through a graph",
            name=self.name,
            formula=f"L = {self.term.text} \u2003at\u2003 {self.given}",
            advice=ADVICE,
            svg=self.svg(),
            lines=tuple(f"∂L/∂{v.label}" for v in self.leaves),
            blanks=True,
            footer=f"Worksheet {self.seed}",
        )

    def answer_page(self) -> SheetPage:
        """Build the page with the answers."""
        gradients = [f"∂L/∂{v.label} = {typeset(v.grad)}" for v in self.leaves]
        return SheetPage(
            title="Answers",
            name=self.name,
            formula=f"L = {self.term.text}",
            advice="",
            svg=self.answer_svg(),
            lines=(f"L = {typeset(self.term.value.data)}", *gradients),
            blanks=False,
            footer=f"Answers to worksheet {self.seed}",
        )

    def _repr_html_(self) -> str:
        return self.svg()

    def __str__(self) -> str:
        return f"L = {self.term.text} at {self.given}: fill in every value and gradient"

    __repr__ = __str__


def worksheet(seed: int, name: str = "", level: int = 2) -> Worksheet:
    """Make a sheet for pencil and paper; another seed or name gives another graph.

    Parameters
    ----------
    seed : int >= 0
    name : str, written on the sheet
    level : 1, 2 or 3, for 3, 5 or 7 operations

    Raises
    ------
    SettingError
        If a setting is not as described above.

    Examples
    --------
    >>> from tinygrad_edu.course import worksheet
    >>> worksheet(7, level=1)
    L = c · a · (c + b) at a = 1, b = 3, c = 0.5: fill in every value and gradient
    """
    if not isinstance(name, str):
        raise SettingError(f"name is {name!r:.60}.", expected="text", fix=f'pass name="{name}".')
    # control characters and halves of surrogate pairs can't stand on a page
    name = "".join(c for c in name if c.isspace() or category(c) not in ("Cc", "Cs"))
    rng = Random(f"{whole('seed', seed, least=0)}/{level}/{name}")
    return Worksheet(problem(rng, level), seed, " ".join(name.split()))


def sheets_of(seed: int, names: list[str], level: int = 2) -> list[SheetPage]:
    """Build one sheet for each name (or one without a name), then all pages with answers."""
    met: dict[str, int] = {}
    sheets = []
    for name in names or [""]:
        sheet = worksheet(seed, name, level)  # refuses what is not a name
        again = met[name] = met.get(name, -1) + 1  # two learners of one name get two graphs
        sheets.append(worksheet(seed, name + "\t" * again, level) if again else sheet)
    return [*(sheet.page() for sheet in sheets), *(sheet.answer_page() for sheet in sheets)]


def _picture(figure: Figure) -> str:
    return svg(figure, place(figure, "builtin"), THEME)


def _with_blanks(figure: Figure) -> Figure:
    """Remove whatever tells a number: lines of text, tooltips, the widths of wires, the title."""
    leaves = {node.id for node in figure.nodes if node.kind == "leaf"}
    return replace(
        figure,
        nodes=tuple(_blank_node(node) for node in figure.nodes),
        wires=tuple(_blank_wire(wire, known=wire.source in leaves) for wire in figure.wires),
        steps=(),
        reveal={},
        title="a computation graph to fill in",
    )


def _blank_node(node: Node) -> Node:
    summed = any(line.role == "gradient" for line in node.below)
    below = (Line(" ", "local"), Line(f"Σ∇ {BLANK}", "name")) if summed else ()
    return replace(node, below=below, tooltip="")


def _blank_wire(wire: Wire, *, known: bool) -> Wire:
    given = tuple(replace(line, role="name") for line in wire.above)
    above = given if known else (ROOM, Line(BLANK, "name"))
    below = (Line(" ", "local"), Line(f"∇ {BLANK}", "name")) if wire.below else ()
    return replace(wire, above=above, below=below, weight=0.0, tooltip="")
