"""The styles that draw every value: circuit, detail, card, micrograd.

Each is a function from a :class:`Reading` to a :class:`Figure`. Where one box stands for several
values, see folding.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

from tinygrad_edu.engine import Value
from tinygrad_edu.engine.guards import outdated
from tinygrad_edu.shared.tables import typeset
from tinygrad_edu.viz.figure import (
    Cluster,
    Figure,
    Line,
    Node,
    Wire,
    largest,
    line,
    lines_of,
    shortened,
)
from tinygrad_edu.viz.reading import Flow, Reading, glyph, results, tooltip, written
from tinygrad_edu.viz.steps import steps_of

Sides: TypeAlias = "tuple[tuple[Line, ...], tuple[Line, ...]]"  # above and below a wire


def circuit(reading: Reading, *, detail: bool = False) -> Figure:
    """Draw operations in circles, numbers above the wires, contributions below: the circuit.

    In ``detail`` each wire also tells how its contribution came about: upstream times local slope.
    """
    nodes = [*_more(reading), *(_circle(node, reading) for node in reading.shown)]
    wires = _wires(reading, lambda flow: _on_wire(flow, reading, detail=detail))
    leaving, ends = results(reading, reading.ids.__getitem__)
    return _figure(reading, [*nodes, *ends], [*wires, *leaving])


def card(reading: Reading) -> Figure:
    """Draw one card per value: its name or operation left, its number over its gradient right."""
    nodes = [*_more(reading), *(_card(node, reading) for node in reading.shown)]
    clusters = _clusters(reading)
    return _figure(reading, nodes, _wires(reading, lambda flow: ((), ())), clusters)


def micrograd(reading: Reading) -> Figure:
    """Draw records ``label | data | grad`` and operations beside them, as in micrograd's lecture.

    Source: Karpathy, micrograd, trace_graph.ipynb.
    """
    nodes: list[Node] = _more(reading)
    wires: list[Wire] = []
    for node in reading.shown:
        id = reading.ids[node]
        columns: list[tuple[Line, ...]] = [
            (Line(shortened(node.label)),),
            (Line(f"data {_four(node.data)}", "forward", f"{id}-f"),),
        ]
        if reading.has_gradients:
            columns.append((Line(f"grad {_four(node.grad)}", "gradient", f"{id}-g"),))
        if stale := _stale(node):
            columns.append(stale)
        if node.op is not None:
            sign = (Line(glyph(node), "name"),)
            nodes.append(Node(f"{id}op", "ellipse", "operation", (sign,), tooltip=node.op.name))
            wires += [
                Wire(flow.id, reading.ids.get(flow.source, "more"), f"{id}op")
                for flow in reading.flows[node]
            ]
            wires.append(Wire(f"{id}out", f"{id}op", id))
        words = tooltip(node, reading.has_gradients)
        nodes.append(Node(id, "record", node.kind, tuple(columns), tooltip=words))
    return _figure(reading, nodes, wires)


def _four(x: float) -> str:
    """Write four decimals, as in the lecture, where they say what the number is."""
    return f"{x:.4f}" if x == 0.0 or 1e-4 <= abs(x) < 1e6 else typeset(x)


def _figure(
    reading: Reading, nodes: list[Node], wires: list[Wire], clusters: tuple[Cluster, ...] = ()
) -> Figure:
    """Add the steps, but for wires and lines of text that the style does not draw."""
    steps, reveal = steps_of(reading)
    drawn = {wire.id for wire in wires}
    steps = tuple(replace(s, wires=tuple(id for id in s.wires if id in drawn)) for s in steps)
    texts = {line.id for line in lines_of(nodes, wires)}
    reveal = {id: step for id, step in reveal.items() if id in texts}
    title = f"computation graph of {len(reading.order):,} values, {written(reading)}"
    return Figure(tuple(nodes), tuple(wires), clusters, steps, reveal, title)


def _circle(node: Value, reading: Reading) -> Node:
    """Draw an operation, a leaf or a constant of the circuit."""
    id, what = reading.ids[node], node.kind
    below: tuple[Line, ...] = ()
    if reading.has_gradients and not node.constant and len(reading.leaving[node]) > 1:
        below = (line(node.grad, "gradient", f"{id}-g", "Σ∇ "),)
    form = {"operation": "circle", "leaf": "box", "constant": "plain"}[what]
    if node.op:
        words = glyph(node)
        below = (*_stale(node), *below)
        below = (Line(shortened(node.label), "faint"), *below) if node.label else below
    else:  # a leaf without a name is a dot: its number stands on its wire
        words = shortened(node.label) or (typeset(node.data) if node.constant else "·")
    text = (Line(words, "name"),)
    return Node(id, form, what, (text,), below, tooltip(node, reading.has_gradients))


def _stale(node: Value) -> tuple[Line, ...]:
    """Warn where an operation's number and its inputs, side by side, contradict each other."""
    if (now := outdated(node)) is None:
        return ()
    return Line("stale: its inputs", "warning"), Line(f"now give {typeset(now)}", "warning")


def _card(node: Value, reading: Reading) -> Node:
    id = reading.ids[node]
    left = [Line(shortened(node.label) or glyph(node) or "·", "name")]
    if node.op is not None and node.label:
        left.append(Line(glyph(node), "faint"))
    left += _stale(node)
    right = [line(node.data, "forward", f"{id}-f")]
    if reading.has_gradients and not node.constant:
        right.append(line(node.grad, "gradient", f"{id}-g"))
    columns = (tuple(left), tuple(right))
    return Node(
        id, "card", node.kind, columns,
        tooltip=tooltip(node, reading.has_gradients), cluster=_cluster_id(reading.home[node]),
    )  # fmt: skip


def _on_wire(flow: Flow, reading: Reading, *, detail: bool) -> Sides:
    """Write above and below a wire; a constant says its number itself, and keeps no gradient."""
    if flow.source.constant and not flow.source.label:
        return (), ()
    above = (line(flow.source.data, "forward", f"{flow.id}-f"),)
    if not reading.has_gradients or flow.source.constant:
        return above, ()
    below = line(flow.contribution, "gradient", f"{flow.id}-g")
    if not detail:
        return above, (below,)
    factors = f"{typeset(flow.cotangent)} × {typeset(flow.partial)}"
    factors = "nothing flows" if flow.is_cut else factors
    return above, (below, Line(factors, "local", f"{flow.id}-l"))


def _wires(reading: Reading, sides: Callable[[Flow], Sides]) -> list[Wire]:
    """Draw the wires of all operations that are shown, as wide as their contribution."""
    flows = [flow for some in reading.flows.values() for flow in some]
    most = largest(flow.contribution for flow in flows)
    wires = []
    for flow in flows:
        source, target = reading.ids.get(flow.source, "more"), reading.ids[flow.target]
        words, weight = [f"value = {flow.source.data!r}", f"slope = {flow.partial!r}"], 0.0
        if reading.has_gradients:
            words += [f"upstream = {flow.cotangent!r}", f"contribution = {flow.contribution!r}"]
            if not flow.source.constant:
                share = abs(flow.contribution) / most
                weight = min(share, 1.0) if share == share else 1.0
        wires.append(Wire(flow.id, source, target, *sides(flow), weight, "\n".join(words)))
    return wires


def _more(reading: Reading) -> list[Node]:
    """Draw one box for the values that are not shown."""
    if not reading.hidden:
        return []
    text = f"… {reading.hidden:,} more ({len(reading.order):,} in all)"
    return [Node("more", "box", "note", ((Line(text, "faint"),),))]


def _cluster_id(path: str) -> str:
    return f"c:{path}" if path else ""


def _clusters(reading: Reading) -> tuple[Cluster, ...]:
    """Frame each module that built something, inside the frames of the modules around it."""
    found: dict[str, Cluster] = {}
    for node in reading.shown:
        parts = reading.home[node].split("/") if reading.home[node] else []
        for depth in range(1, len(parts) + 1):
            id, parent = (_cluster_id("/".join(parts[:d])) for d in (depth, depth - 1))
            found.setdefault(id, Cluster(id, parts[depth - 1], parent))
    return tuple(found.values())
