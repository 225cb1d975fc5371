"""``draw``: a graph as a figure that shows itself in a notebook and saves itself to a file."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cached_property
from numbers import Rational
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinygrad_edu.engine import Value
from tinygrad_edu.engine.collector import collector_paused
from tinygrad_edu.engine.errors import SettingError
from tinygrad_edu.engine.guards import is_bool, scalar
from tinygrad_edu.shared.arguments import one_of, whole
from tinygrad_edu.shared.files import as_path, write_atomically
from tinygrad_edu.viz import raster, styles
from tinygrad_edu.viz.dot import digraph
from tinygrad_edu.viz.figure import Figure, Step
from tinygrad_edu.viz.folding import folded
from tinygrad_edu.viz.layout.engines import ENGINES, place
from tinygrad_edu.viz.layout.graphviz import check_size
from tinygrad_edu.viz.layout.placement import Placement
from tinygrad_edu.viz.reading import Reading, scope
from tinygrad_edu.viz.stepper import page, stepper
from tinygrad_edu.viz.svg import svg
from tinygrad_edu.viz.text import tree
from tinygrad_edu.viz.themes import THEMES

if TYPE_CHECKING:
    from graphviz import Digraph

STYLES: dict[str, Callable[[Reading, int], Figure]] = {
    "circuit": lambda reading, depth: styles.circuit(reading),
    "detail": lambda reading, depth: styles.circuit(reading, detail=True),
    "card": lambda reading, depth: styles.card(reading),
    "folded": folded,
    "micrograd": lambda reading, depth: styles.micrograd(reading),
}
STEPPED = ("svg", "png", "html")  # show one step
FORMATS = ("svg", "png", "pdf", "html", "gif", "dot", "txt")
FEW, MANY = 30, 150  # operations of a circuit; values that are drawn one by one


def draw(
    root: Value | Iterable[Value],
    style: str | None = None,
    theme: str = "light",
    depth: int = 1,
    max_nodes: int | None = MANY,
    engine: str | None = None,
    highlight: Any = (),
) -> Drawing:
    """Draw everything that a result, or several results, depend on, with values and gradients.

    Parameters
    ----------
    root : Value; call ``root.backward()`` first to see gradients. Or a list of Values, which are
        drawn in one figure: ``draw([loss, accuracy])``, ``draw(model(x))``
    style : "circuit" (numbers on the wires), "detail" (with upstream × local slope, too), "card",
        "folded" (one box per module), "micrograd"; None chooses by the size of the graph
    theme : "light", "dark", "colorblind" or "book"
    depth : int, how deep "folded" looks into modules: 1 for layers, 2 for neurons
    max_nodes : int, how many values next to the result are drawn, or None for all; the others are
        one box
    engine : layout by "dot", "pygraphviz" or "builtin"; None for the first that is installed
    highlight : wires to emphasize, as (value, operand) pairs, or a path of ``explain``

    Returns
    -------
    Drawing
        Shows itself at the end of a notebook's cell; ``save`` writes it to a file.

    Raises
    ------
    SettingError
        If a setting is not one of those above, or root is neither a Value nor a list of Values.

    References
    ----------
    Das and Varma, The Backprop Algorithm, Figure backprop4: values above, gradients below.

    Examples
    --------
    >>> from tinygrad_edu import Value, draw
    >>> x, w = Value(2.0, "x"), Value(-3.0, "w")
    >>> y = x * w
    >>> y.backward()
    >>> figure = draw(y, engine="builtin")
    >>> figure.svg().startswith("<svg")
    True
    >>> print(figure)
    ×     −6  ∇ 1
    ├─ x   2  ∇ −3
    └─ w  −3  ∇ 2

    Several results share what they have in common:

    >>> print(draw([y, y + x], engine="builtin"))
    ×               −6  ∇ 1
    ├─ x             2  ∇ −3
    └─ w            −3  ∇ 2
    +               −4  ∇ 0
    ├─ × (as above)  −6  ∇ 1
    └─ x             2  ∇ −3
    """
    roots = _roots(root)
    one_of("style", style, (None, *STYLES))
    one_of("engine", engine, (None, *ENGINES))
    one_of("theme", theme, THEMES)
    depth = whole("depth", depth)
    if max_nodes is not None:
        max_nodes = whole("max_nodes", max_nodes)
    return Drawing(roots, style, theme, depth, max_nodes, engine, highlight)


class Drawing:
    """A graph as a figure, read when it was made, laid out when it is first looked at.

    Attributes
    ----------
    figure : Figure, nodes and wires
    steps : tuple of Step, what happens one after the other, in words
    dot : graphviz.Digraph; source : str, its text
    """

    # the collector pauses: all that is made is in use, and a notebook's heap may be large
    @collector_paused()
    def __init__(
        self,
        roots: Sequence[Value],
        style: str | None,
        theme: str,
        depth: int,
        max_nodes: int | None,
        engine: str | None,
        highlight: Any,
    ) -> None:
        every = Reading(*roots)
        self.style = style or _fitting(every)
        whole_graph = self.style == "folded" or max_nodes is None
        self.reading = every if whole_graph else Reading(*roots, max_nodes=max_nodes)
        self.figure = STYLES[self.style](self.reading, depth)
        self.theme, self.engine = THEMES[theme], engine
        self.bright = _ids(highlight, self.reading)
        self.text = tree(self.reading)

    @cached_property
    @collector_paused()
    def placement(self) -> Placement:
        """Find where everything is, once."""
        return place(self.figure, self.engine)

    @cached_property
    def dot(self) -> Digraph:
        """Write the figure in Graphviz's language."""
        return digraph(self.figure, self.theme)

    @property
    def steps(self) -> tuple[Step, ...]:
        """Return the forward and the backward pass, step by step, in words."""
        return self.figure.steps

    @property
    def source(self) -> str:
        """Return the text of :attr:`dot`."""
        return str(self.dot.source)

    @collector_paused()
    def svg(self, step: int | None = None) -> str:
        """Draw the picture, whole or as it is at a step (0, 1, ..., or -1 for the last one)."""
        hidden, ring, bright = set[str](), "", set(self.bright)
        if step is not None:
            at = self._step(step)
            hidden = {id for id, first in self.figure.reveal.items() if first > at}
            ring, bright = self.steps[at].ring, bright.union(self.steps[at].wires)
        return svg(self.figure, self.placement, self.theme, hidden, ring, bright)

    def html(self, step: int | None = None) -> str:
        """Write the stepper for a page; it shows that step first, the last one if None."""
        at = None if step is None else self._step(step)
        alt = f"{self.figure.title}\n{self.text}"[:2000]
        return stepper(self.svg(), self.steps, self.figure.reveal, alt=alt, at=at)

    def save(self, file: str | Path, step: int | None = None) -> Path:
        """Write the figure to a file, whose ending chooses the format; return its path.

        Parameters
        ----------
        file : name that ends in .svg, .png, .pdf, .html (the stepper), .gif (the steps as a
            film), .dot or .txt
        step : int, the step to show; of .html the one to begin with

        Raises
        ------
        SettingError
            If the ending is another, if there is no such step or the format shows no single step,
            or if the figure is too large for pixels (.png, .gif) or for Graphviz (.pdf).
        FileError
            If the file can't be written, or no file can have that name.
        MissingExtraError
            If the library that makes that format is not installed.
        """
        path = as_path(file)
        kind = path.suffix.lower().removeprefix(".")
        if kind not in FORMATS:
            raise SettingError(
                f"{str(path)!r:.80} does not end in a format of figures.",
                expected=", ".join(f".{name}" for name in FORMATS),
                fix="end the name of the file with .svg, for example figure.save('figure.svg').",
            )
        if step is not None and kind not in STEPPED:
            raise SettingError(
                f"step is {step!r:.40}, but {str(path)!r:.80} shows no single step.",
                expected=f"a file that ends in {', '.join(f'.{name}' for name in STEPPED)}",
                fix="leave out the step, or save it as figure.save('step.svg', step=0).",
            )
        write_atomically(path, self._bytes(kind, step))
        return path

    def _bytes(self, kind: str, step: int | None) -> bytes:
        if kind == "png":
            return raster.png(self.svg(step), self.placement, self.dot)
        if kind == "pdf":
            check_size(self.figure, "dot")
            return raster.pdf(self.svg, self.dot)
        if kind == "gif":
            count = len(self.steps)
            return raster.gif(map(self.svg, range(count)), count, self.placement)
        if kind == "html":
            return page(self.html(step), self.figure.title).encode()
        if kind == "svg":
            return self.svg(step).encode()
        return (self.source if kind == "dot" else self.text).encode()

    def _step(self, step: int) -> int:
        count = len(self.steps)
        number = scalar(step)
        whole_number = isinstance(number, Rational) and not is_bool(number)
        if not whole_number or number not in range(-count, count):
            raise SettingError(
                f"there is no step {step!r:.40}.",
                expected=f"0 to {count - 1}, or from the end -1 to -{count}",
                fix="pass the number of a step, for example step=-1.",
            )
        return int(number.numerator) % count

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/plain": self.text, "text/html": self.html()}

    def __str__(self) -> str:
        return self.text

    __repr__ = __str__


def _roots(root: Any) -> list[Value]:
    """Return the results to draw: one Value, or those in a list."""
    listed = isinstance(root, Iterable) and not isinstance(root, str | Mapping | Value)
    roots = list(root) if listed else [root]
    if roots and all(isinstance(v, Value) for v in roots):
        return roots
    raise SettingError(
        f"draw takes the result of a graph, or a list of results, not {root!r:.60}.",
        fix="pass Values, for example draw(loss) or draw(model(x)).",
    )


def _fitting(reading: Reading) -> str:
    """Choose the style for a graph of this size."""
    operations = sum(node.op is not None for node in reading.order)
    if operations <= FEW:
        return "circuit"
    if len(reading.order) > MANY and any(map(scope, reading.order)):
        return "folded"
    return "card"


def _ids(highlight: Any, reading: Reading) -> Collection[str]:
    """Find the wires of (value, operand) pairs, but for those of values that are not drawn."""
    try:
        pairs = getattr(highlight, "wires", highlight)
        wires = [(node, range(len(node.inputs)).index(operand)) for node, operand in pairs]
    except (TypeError, ValueError, AttributeError):
        raise SettingError(
            f"highlight is {highlight!r:.60}.",
            expected="(value, operand) pairs: (y, 0) is the wire of y's first input",
            fix="pass a list of such pairs, or explain(x, root).paths[0].",
        ) from None
    return {reading.flows[node][operand].id for node, operand in wires if node in reading.flows}
