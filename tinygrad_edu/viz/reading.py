"""Read a graph for a figure: values, partials, what flows on each wire, names, scopes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from math import isfinite

from tinygrad_edu.engine import Value, topological_order
from tinygrad_edu.engine.guards import FROZEN, describe, local_partials, outdated
from tinygrad_edu.engine.ops import NOTHING
from tinygrad_edu.shared.tables import ends, typeset
from tinygrad_edu.viz.figure import Line, Node, Wire, line

NO_GRADIENT = ("the result's gradient is 0:", "call backward(), unless you have")


@dataclass(frozen=True)
class Flow:
    """A wire of a graph: ``contribution`` is what it adds to the gradient of its source."""

    id: str
    source: Value
    target: Value
    operand: int
    partial: float
    cotangent: float

    @property
    def contribution(self) -> float:
        """Multiply partial and cotangent, as ``backward`` does."""
        return self.partial * self.cotangent

    @property
    def is_cut(self) -> bool:
        """Check whether a choice lets nothing flow here, though infinity or nan arrives."""
        return self.partial is NOTHING and not isfinite(self.cotangent)


class Reading:
    """The graph below one or several roots, ``max_nodes`` values next to them, read once.

    Attributes
    ----------
    outs : dict of the roots, each once, with the id of the wire that leaves the figure there
    order : list of all Values, inputs before results
    shown : list of Value, the roots and the end of ``order``, which are drawn
    has_gradients : bool, whether a backward pass has left gradients other than 0
    hint : lines of text for results whose gradient is 0, which may be what backward gave them
    """

    def __init__(self, *roots: Value, max_nodes: int | None = None) -> None:
        self.outs = {root: f"wout{i or ''}" for i, root in enumerate(dict.fromkeys(roots))}
        self.order = [*dict.fromkeys(v for root in self.outs for v in topological_order(root))]
        self.shown = self.order
        if max_nodes is not None:
            others = [v for v in self.order if v not in self.outs]
            first = max(len(others) - max(max_nodes - len(self.outs), 0), 0)
            near = {*self.outs, *others[first:]}
            self.shown = [v for v in self.order if v in near]
        self.hidden = len(self.order) - len(self.shown)
        self.ids = {node: f"v{position}" for position, node in enumerate(self.shown, self.hidden)}
        reached = any(root.grad != 0.0 for root in self.outs)
        self.hint = () if reached else NO_GRADIENT
        self.has_gradients = reached or any(v.grad for v in self.order if v.op is not None)

    @cached_property
    def flows(self) -> dict[Value, tuple[Flow, ...]]:
        """Return the wires into each operation that is shown, in operand order."""
        return {
            node: tuple(
                Flow(f"w{self.ids[node][1:]}_{i}", node.inputs[i], node, i, partial, node.grad)
                for i, partial in enumerate(local_partials(node))
            )
            for node in self.shown
            if node.op is not None
        }

    @cached_property
    def leaving(self) -> dict[Value, list[str]]:
        """Return the ids of the wires out of each value that is shown; "wout" leaves a root."""
        leaving: dict[Value, list[str]] = {node: [] for node in self.shown}
        for flows in self.flows.values():
            for flow in flows:
                if flow.source in leaving:
                    leaving[flow.source].append(flow.id)
        for root, id in self.outs.items():
            leaving[root].append(id)
        return leaving

    @cached_property
    def home(self) -> dict[Value, str]:
        """Find the scope of each value; a leaf belongs to a module if no other one uses it."""
        users: dict[Value, dict[str, None]] = {v: {} for v in self.order if v.op is None}
        for node in self.order:
            if scope(node):  # a penalty outside of all modules takes no weight from its module
                for v in node.inputs:
                    if v.op is None:
                        users[v][scope(node)] = None
        own = {v: next(iter(scopes)) if len(scopes) == 1 else "" for v, scopes in users.items()}
        return {v: own[v] if v.op is None else scope(v) for v in self.order}


def results(reading: Reading, box_of: Callable[[Value], str]) -> tuple[list[Wire], list[Node]]:
    """Draw the wire on which each result leaves; ``box_of`` tells the id of its box."""
    wires, nodes = list[Wire](), list[Node]()
    for root, id in reading.outs.items():
        above = (line(root.data, "forward", f"{id}-f"),)
        below = (line(root.grad, "gradient", f"{id}-g"),) if reading.has_gradients else ()
        out, hint = id.removeprefix("w"), () if nodes else reading.hint
        wires.append(Wire(id, box_of(root), out, above, below, tooltip="the result"))
        nodes.append(Node(out, "plain", "note", (tuple(Line(words, "faint") for words in hint),)))
    return wires, nodes


def written(reading: Reading) -> str:
    """Write the results as numbers: "result 6", or "results 6 and 8"."""
    numbers = [typeset(root.data) for root in reading.outs]
    return (
        f"result{'s' * (len(numbers) > 1)} {' and '.join(ends(numbers.__getitem__, len(numbers)))}"
    )


def glyph(node: Value) -> str:
    """Return the sign of an operation, for example × for mul, or its name."""
    return node.op.sign or node.op.name if node.op else ""


def scope(node: Value) -> str:
    """Return the path of the module that built a node, as "layer1/neuron3"; "" outside of all."""
    return node.origin.partition("@")[0].strip("/")


def tooltip(node: Value, has_gradients: bool) -> str:
    """Write every digit and letter of a value."""
    words = [describe(node)]
    words += [f"op = {node.op.name}"] if node.op and node.label else []
    words += [f"data = {node.data!r}"]
    if (now := outdated(node)) is not None:
        words.append(f"stale: its inputs give {now!r} now, one was changed after it was computed")
    words += [f"grad = {node.grad!r}"] if has_gradients and not node.constant else []
    words += ["frozen: training leaves it as it is"] if node.constant == FROZEN else []
    words += [f"scope = {scope(node)}"] if scope(node) else []
    return "\n".join(words)
