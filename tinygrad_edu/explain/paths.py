"""``explain``: a gradient is the sum, over all paths, of the products of local derivatives."""

from __future__ import annotations

from dataclasses import dataclass
from math import isclose, isfinite, prod

from tinygrad_edu.engine import Value
from tinygrad_edu.engine.collector import collector_paused
from tinygrad_edu.engine.errors import SettingError
from tinygrad_edu.engine.ops import NOTHING
from tinygrad_edu.explain.routes import Routes
from tinygrad_edu.explain.words import graph_of, name, operation
from tinygrad_edu.shared.arguments import whole
from tinygrad_edu.shared.tables import ends, html_table, number, plural, text_table


@dataclass(frozen=True, repr=False)
class Path:
    """One way from a root down to a value x.

    Attributes
    ----------
    nodes : tuple of Value, the root first, x last
    operands : tuple of int, which input each step goes down to: 0 or 1
    partials : tuple of float, the local derivative of each step
    """

    nodes: tuple[Value, ...]
    operands: tuple[int, ...]
    partials: tuple[float, ...]

    @property
    def product(self) -> float:
        """Multiply the partials from the root down, as ``backward`` does: d(root)/d(x) this way."""
        return prod(self.partials, start=1.0)

    @property
    def wires(self) -> tuple[tuple[Value, int], ...]:
        """Return the steps as (value, operand) pairs, by which a figure finds its wires."""
        return tuple(zip(self.nodes, self.operands, strict=False))

    def __str__(self) -> str:
        return " = ".join((self.route, *filter(None, (self.factors, number(self.product)))))

    def __repr__(self) -> str:
        return f"Path({self})"

    @property
    def route(self) -> str:
        """Write the nodes in words, with ``·`` for the operand that the path goes through."""
        last = len(self.operands)

        def node(i: int) -> str:
            return operation(self.nodes[i], self.operands[i]) if i < last else name(self.nodes[i])

        return " ← ".join(ends(node, last + 1))

    @property
    def factors(self) -> str:
        """Write the partials as a product; "nothing" cuts off a factor that is not finite."""
        finite = all(map(isfinite, self.partials))

        def factor(i: int) -> str:
            cut = self.partials[i] is NOTHING and not finite
            return "nothing" if cut else number(self.partials[i])

        return " × ".join(ends(factor, len(self.partials)))


@dataclass(frozen=True, repr=False)
class Explanation:
    """What :func:`explain` found.

    Attributes
    ----------
    x, root : Value
    paths : tuple of Path, those with the largest products, largest first
    count : int, how many paths there are
    total : float, the sum over all of them: d(root)/d(x), the very bits that ``backward`` gives
    """

    x: Value
    root: Value
    paths: tuple[Path, ...]
    count: int
    total: float

    @property
    def rest_count(self) -> int:
        """Count the paths that are not in ``paths``."""
        return self.count - len(self.paths)

    @property
    def rest(self) -> float:
        """Return what the paths that are not shown add: the total minus those that are."""
        return self.total - sum(path.product for path in self.paths) if self.rest_count else 0.0

    def __str__(self) -> str:
        rows = self._rows()
        width = max((len(product) for _, _, product in rows), default=0)
        rows = [(route, factors, f"= {product:>{width}}") for route, factors, product in rows]
        lines = [f"  {line}" for line in text_table(rows, "<<<")] if rows else []
        return "\n".join([self._headline(), *lines, self._verdict()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head = ("path", "local derivatives", "product")
        return html_table(self._headline(), head, self._rows(), "<<>", self._verdict())

    def _headline(self) -> str:
        derivative = f"{_differential(self.root)}/{_differential(self.x)}"
        return f"{derivative} = {number(self.total)} over {plural(self.count, 'path')}"

    def _rows(self) -> list[tuple[str, str, str]]:
        rows = [(path.route, path.factors, number(path.product)) for path in self.paths]
        if self.rest_count:
            others = plural(self.rest_count, "other path" if rows else "path")
            rows.append((f"and {others}" if rows else others, "", number(self.rest)))
        return rows

    def _verdict(self) -> str:
        """Compare the total with the gradient that x has now."""
        x, total = name(self.x), self.total
        grad, above = self.x.grad, self.root.grad
        what = f"sum is {number(total)}, {x}.grad is {number(grad)}"
        if self.x.constant:
            return f"{x} is a constant: it keeps no gradient"
        if grad == total or (grad != grad and total != total):
            return f"sum = {x}.grad"
        if above == 0.0:
            return f"{what}: no backward() has come through {name(self.root)}, or what it got was 0"
        if self.x is not self.root and above != 1.0 and isclose(grad, above * total, rel_tol=1e-9):
            return f"{what}: the sum times {name(self.root)}.grad, which is {number(above)}"
        times = grad / total if total else 0.0
        if times > 1.5 and isclose(times, round(times), rel_tol=1e-9):
            return f"{what}: {times:.0f} times the sum, as if zero_grad() was not called"
        return f"{what}: it holds other backward passes too, or a part of a larger graph"


@collector_paused()  # no cycles are made, and a graph may fill the memory it would look through
def explain(x: Value, root: Value, k: int = 5) -> Explanation:
    """Explain why d(root)/d(x) is what it is: every path from root to x, and what each adds.

    Parameters
    ----------
    x : Value whose gradient is explained: a leaf, a constant or an inner value
    root : Value, what is differentiated
    k : int, how many paths to show; the others are counted and summed, never listed

    Returns
    -------
    Explanation
        Prints as text, and as a table in a notebook. Paths are ordered by the magnitude of
        their products, those that are nan before all others. No gradient is changed.

    Raises
    ------
    SettingError
        If root does not depend on x.
    StaleGraphError
        If a value was changed after the graph was built.

    Examples
    --------
    >>> from tinygrad_edu import Value
    >>> from tinygrad_edu.explain import explain
    >>> x, w = Value(3.0, "x"), Value(2.0, "w")
    >>> L = x * w + x * x
    >>> L.label = "L"
    >>> L.backward()
    >>> explain(x, L)
    dL/dx = 8 over 3 paths
      L ← · × x ← x  1 × 3  = 3
      L ← x × · ← x  1 × 3  = 3
      L ← · × w ← x  1 × 2  = 2
    sum = x.grad
    """
    k, order = whole("k", k, least=0), graph_of(root, "explain")
    below = graph_of(x, "explain")
    if x not in set(order):
        fix = "pass a root that was computed from this x: a value built again is another value."
        if root in set(below):
            fix = "swap them: explain(x, root) takes the root last."
        words = f"{name(root)} does not depend on {name(x)}, so there is no path to explain."
        raise SettingError(words, fix=fix)
    routes = Routes(order, x)
    total, count = routes.total_and_count()
    paths = [
        Path(
            nodes=(root, *[routes.nodes[wire.below] for wire in wires]),
            operands=tuple([wire.operand for wire in wires]),
            partials=tuple([wire.partial for wire in wires]),
        )
        for wires in routes.largest(min(k, count))
    ]
    return Explanation(x, root, tuple(paths), count, total)


def _differential(node: Value) -> str:
    """Write ``dL``, or ``d(sigmoid)`` where there is no name to put a d before."""
    return f"d{node.label}" if node.label.isidentifier() else f"d({name(node)})"
