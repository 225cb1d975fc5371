"""``trace_nonfinite``: the first value or gradient of a graph that is nan or inf, and why."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, isinf, isnan

from tinygrad_edu.engine import Value
from tinygrad_edu.engine.anomaly import source_line
from tinygrad_edu.engine.guards import local_partials
from tinygrad_edu.engine.ops import NOTHING
from tinygrad_edu.explain.words import graph_of, name
from tinygrad_edu.shared.tables import ends, html_table, number, text_table

_UNKNOWN = "not known: build the graph inside `with detect_anomaly():`, which stops there"


@dataclass(frozen=True, repr=False)
class Trace:
    """What :func:`trace_nonfinite` found.

    Attributes
    ----------
    node : Value, the first whose value or gradient is not finite
    what : str, "value" or "gradient"
    reason : str, in words, with the numbers
    source : str, the line that built the operation to blame, where it is known
    way : tuple of Value, a shortest way from node up to the root
    then : str, where infinity becomes nan, or what hides or stops it; "" where nothing does
    """

    node: Value
    what: str
    reason: str
    source: str
    way: tuple[Value, ...]
    then: str = ""

    def __str__(self) -> str:
        rows = [(f"  {label}", f": {text}") for label, text in self._rows()]
        return "\n".join([f"{self._headline()}.", *text_table(rows, "<<")])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return html_table(self._headline(), (), self._rows(), "<<")

    def _headline(self) -> str:
        got = self.node.data if self.what == "value" else self.node.grad
        return f"the first {self.what} that is not finite: {name(self.node)} has {number(got)}"

    def _rows(self) -> list[tuple[str, str]]:
        way = " → ".join(ends(lambda i: name(self.way[i]), len(self.way)))
        line = "".join(c if c.isprintable() else "\ufffd" for c in self.source)
        then = [("Then", self.then)] if self.then else []
        return [("Why", self.reason), *then, ("Where", line or _UNKNOWN), ("Way up", way)]


def trace_nonfinite(root: Value) -> Trace | None:
    """Find where the first nan or inf of a graph was born; None where all is finite.

    Values are looked at first, inputs before results; then the gradients of the last backward
    pass, from the root down. What is found first has no such value, or gradient, before it.

    Parameters
    ----------
    root : Value, the loss or another result

    Returns
    -------
    Trace or None
        Prints as text, and as a table in a notebook. The source line is known for what was built
        inside ``with detect_anomaly():``.

    Examples
    --------
    >>> from tinygrad_edu import Value
    >>> from tinygrad_edu.explain import trace_nonfinite
    >>> x = Value(0.0, "x")
    >>> L = 2.0 * x.sqrt()
    >>> L.backward()
    >>> trace_nonfinite(L)
    the first gradient that is not finite: x has inf.
      Why     : upstream 2 times slope inf of sqrt at x = 0 is inf
      Where   : not known: build the graph inside `with detect_anomaly():`, which stops there
      Way up  : x → sqrt → mul
    """
    order = graph_of(root, "trace_nonfinite")
    for node in order:
        if not isfinite(node.data):
            way = _way_up(root, node)
            then = _what_follows(order, way)
            return Trace(node, "value", _why_value(node), source_line(node), way, then)
    for node in reversed(order):
        if not isfinite(node.grad):
            above, reason = _why_gradient(node, order)
            way = (node, *_way_up(root, above)) if above is not node else _way_up(root, node)
            return Trace(node, "gradient", reason, source_line(above), way, _what_stops_it(node))
    return None


def _why_value(node: Value) -> str:
    """Tell how finite inputs gave this value, or that it was given."""
    if node.op is None:
        return f"the {node.kind} was given as {number(node.data)}"
    return f"{node.op.name} of {_inputs(node)} is {number(node.data)}"


def _what_follows(order: Sequence[Value], way: Sequence[Value]) -> str:
    """Tell where nan comes of infinity, or where a choice makes the numbers finite again."""
    for node in order if isinf(way[0].data) else ():
        if isnan(node.data) and node.op is not None and not any(isnan(v.data) for v in node.inputs):
            return _why_value(node)
    for node in way[1:]:
        if node.op is not None and isfinite(node.data):
            return f"{_why_value(node)}, which hides it"
    return ""


def _why_gradient(node: Value, order: Sequence[Value]) -> tuple[Value, str]:
    """Find the value above whose finite gradient gave this one, and tell how."""
    total = 0.0
    for above in reversed(order):
        if above.op is None or not any(v is node for v in above.inputs):
            continue
        for below, partial in zip(above.inputs, local_partials(above), strict=True):
            if below is not node:
                continue
            part, before = partial * above.grad, total
            total += part
            if not isfinite(part):
                at = f"{above.op.name} at {_inputs(above)}"
                how = f"upstream {number(above.grad)} times slope {number(partial)} of {at}"
                return above, f"{how} is {number(part)}"
            if not isfinite(total):
                return above, f"the sum {number(before)} + {number(part)} is {number(total)}"
    if node is order[-1]:
        return node, "backward() was given it, or it comes from a larger graph"
    return node, "this pass did not give it: an earlier pass, or another graph, left it there"


def _what_stops_it(node: Value) -> str:
    """Tell that a choice did not take the branch below, so that the gradient goes no further."""
    if node.op is None or not all(partial is NOTHING for partial in local_partials(node)):
        return ""
    return f"{node.op.name} lets nothing of it flow further, since it took another branch"


def _inputs(node: Value) -> str:
    return " and ".join(f"{name(v)} = {number(v.data)}" for v in node.inputs)


def _way_up(root: Value, node: Value) -> tuple[Value, ...]:
    """Find a shortest way from node up to root."""
    above: dict[Value, Value | None] = {root: None}
    waiting = deque([root])
    while node not in above:
        consumer = waiting.popleft()
        for v in consumer.inputs:
            if v not in above:
                above[v] = consumer
                waiting.append(v)
    way, step = list[Value](), above[node]
    while step is not None:
        way.append(step)
        step = above[step]
    return (node, *way)
