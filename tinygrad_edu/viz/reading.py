"""What a figure reads from a graph: values, slopes, what flows on each wire, names, scopes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from tinygrad_edu.engine import Value, ieee, topological_order
from tinygrad_edu.engine.guards import outdated

GLYPHS = {"add": "+", "sub": "−", "neg": "−", "mul": "×", "div": "÷", "pow": "^"}
GLYPHS |= {"sigmoid": "σ", "maximum": "max", "minimum": "min", "sqrt": "√", "abs": "|·|"}
NO_GRADIENT = ("the result's gradient is 0:", "call backward(), unless you have")


@dataclass(frozen=True)
class Flow:
    """One wire: ``contribution`` is upstream times slope, what it adds to its source's gradient."""

    id: str
    source: Value
    target: Value
    operand: int
    slope: float
    upstream: float

    @property
    def contribution(self) -> float:
        """The product, as ``backward`` computes it."""
        return self.slope * self.upstream


class Reading:
    """The graph below a root, the last ``max_nodes`` values of it, read once.

    Attributes
    ----------
    order : list of Value, inputs before results, root last; all of them
    shown : list of Value, those that are drawn: the end of ``order``
    has_gradients : bool, whether a backward pass has left gradients other than 0
    hint : lines of text for a result without gradient; a 0 may be what its backward pass gave it
    """

    def __init__(self, root: Value, max_nodes: int | None = None) -> None:
        self.order = topological_order(root)
        self.shown = self.order if max_nodes is None else self.order[-max_nodes:]
        self.root = root
        self.hidden = len(self.order) - len(self.shown)
        self.ids = {
            node: f"v{position}"
            for position, node in enumerate(self.shown, len(self.order) - len(self.shown))
        }
        self.hint = () if root.grad != 0.0 else NO_GRADIENT
        self.has_gradients = root.grad != 0.0 or any(v.grad for v in self.order if v.op is not None)

    @cached_property
    def flows(self) -> dict[Value, tuple[Flow, ...]]:
        """The wires into each operation that is shown, in operand order."""
        return {
            node: flows_into(node, self.ids[node]) for node in self.shown if node.op is not None
        }

    @cached_property
    def leaving(self) -> dict[Value, list[str]]:
        """The ids of the wires that leave each value that is shown; "wout" leaves the root."""
        leaving: dict[Value, list[str]] = {node: [] for node in self.shown}
        for flows in self.flows.values():
            for flow in flows:
                if flow.source in leaving:
                    leaving[flow.source].append(flow.id)
        leaving[self.root].append("wout")
        return leaving

    @cached_property
    def home(self) -> dict[Value, str]:
        """The scope a value belongs to: a leaf to the one module that uses it, if it is one."""
        users: dict[Value, dict[str, None]] = {v: {} for v in self.order if v.op is None}
        for node in self.order:
            if scope(node):  # a penalty outside of all modules takes no weight from its module
                for v in node.inputs:
                    if v.op is None:
                        users[v][scope(node)] = None
        own = {v: next(iter(scopes)) if len(scopes) == 1 else "" for v, scopes in users.items()}
        return {v: own[v] if v.op is None else scope(v) for v in self.order}


def flows_into(node: Value, id: str) -> tuple[Flow, ...]:
    """The wires into an operation."""
    if node.op is None:
        return ()
    slopes = node.op.partials(ieee, node.data, *[v.data for v in node.inputs])
    return tuple(
        Flow(f"w{id[1:]}_{i}", source, node, i, slope, node.grad)
        for i, (source, slope) in enumerate(zip(node.inputs, slopes, strict=True))
    )


def kind(node: Value) -> str:
    """What chooses a node's look: "operation", "constant" or "leaf"."""
    return "operation" if node.op else "constant" if node.constant else "leaf"


def glyph(node: Value) -> str:
    """The sign of an operation, for example × for mul."""
    return GLYPHS.get(node.op.name, node.op.name) if node.op else ""


def scope(node: Value) -> str:
    """The path of the module that built a node, as "layer0/neuron3"; "" outside of all."""
    return node.origin.partition("@")[0].strip("/")


def name(node: Value, id: str = "") -> str:
    """What a value is called in a sentence: its label, else its id."""
    return " ".join(node.label.split())[:24] or id


def tooltip(node: Value, has_gradients: bool) -> str:
    """Every digit and letter of a value."""
    words = [node.label or (node.op.name if node.op else "constant" if node.constant else "leaf")]
    words += [f"op = {node.op.name}"] if node.op and node.label else []
    words += [f"data = {node.data!r}"]
    if (now := outdated(node)) is not None:
        words.append(f"stale: its inputs give {now!r} now, one was changed after it was computed")
    words += [f"grad = {node.grad!r}"] if has_gradients and not node.constant else []
    words += [f"scope = {scope(node)}"] if scope(node) else []
    return "\n".join(words)


def counted(values: Sequence[object], noun: str) -> str:
    """``1 op``, ``12 ops``."""
    return f"{len(values):,} {noun}{'s' * (len(values) != 1)}"
