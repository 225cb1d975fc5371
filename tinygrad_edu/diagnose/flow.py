"""What flows through a model: activations forwards, gradients backwards, layer by layer.

A layer is a module of the model that is no neuron, named by its path, as "layer0"; parameters that
the model holds itself are named by its attribute. Layers stand in the order they run in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from math import hypot, inf, sqrt
from typing import Any

from tinygrad_edu.compiled.symbolic import Loss, whole_batch_part
from tinygrad_edu.engine import Value, hooks
from tinygrad_edu.nn import Module, Neuron

SATURATED = 0.05  # slope below this share of the steepest: |tanh| > 0.975, sigmoid beyond 0.013
STEEPEST = {"sigmoid": 0.25, "tanh": 1.0}
SLOPES: dict[str, Callable[[float], float]] = {
    "sigmoid": lambda out: out * (1.0 - out),
    "tanh": lambda out: 1.0 - out * out,
}


@dataclass(frozen=True)
class Summary:
    """Some numbers in brief: how many, Euclidean norm, mean, spread (standard deviation)."""

    count: int
    norm: float
    mean: float
    spread: float

    @property
    def rms(self) -> float:
        """Root mean square: the norm, made comparable between layers of different sizes."""
        return self.norm / sqrt(self.count)

    @staticmethod
    def of(numbers: Sequence[float]) -> Summary | None:
        """The summary, at any size of the numbers; None if there are none."""
        if not numbers:
            return None
        mean = sum(numbers) / len(numbers)
        spread = hypot(*[x - mean for x in numbers]) / sqrt(len(numbers))
        return Summary(len(numbers), hypot(*numbers), mean, spread)


@dataclass(frozen=True)
class LayerFlow:
    """What one layer did in a forward and a backward pass over the samples.

    Attributes
    ----------
    name : str, the path of the module, as "layer0"
    weight, gradient : Summary of the parameters and of d(mean loss)/d(parameter); None without any
    activation : Summary of what the layer hands on, over neurons and samples; None if nothing
    saturated : float, share of sigmoids and tanhs, over neurons and samples, whose slope is less
        than ``SATURATED`` of their steepest; None where the layer has none
    dead : float, share of relus that are zero for every sample given; None where it has none
    update : float, norm of the first step over norm of the weights; None without a learning rate
    alike : bool, at least two neurons, all with the same weights and the same gradients
    """

    name: str
    weight: Summary | None
    gradient: Summary | None
    activation: Summary | None
    saturated: float | None
    dead: float | None
    update: float | None
    alike: bool


@dataclass
class Passes:
    """What one forward and backward pass over the samples told.

    ``gradient`` is that of the mean loss, in the order of ``names``; ``largest`` the greatest norm
    of a single sample's gradient, which no mean over samples can exceed (inf: not known).
    """

    names: list[str]
    layers: list[str]
    losses: list[float] = field(default_factory=list)
    gradient: list[float] = field(default_factory=list)
    largest: float = 0.0
    seen: dict[str, Seen] = field(default_factory=dict)


@dataclass
class Seen:
    """What a layer's nodes held; ``alive`` says of each relu whether any sample passed it."""

    outputs: list[float] = field(default_factory=list)
    slopes: list[bool] = field(default_factory=list)
    alive: list[bool] = field(default_factory=list)


class _Nodes(hooks.PassOn):
    """Keeps the nodes that the model builds, without those of the loss."""

    def __init__(self) -> None:
        super().__init__(hooks.watcher)
        self.nodes: list[Value] = []

    def built(self, node: Value) -> None:
        self.nodes.append(node)
        super().built(node)


def run_passes(model: Module, loss: Loss, X: Sequence[Any], y: Sequence[Any]) -> Passes:
    """Run the samples forwards and backwards; gradients of the parameters are overwritten.

    One at a time or, where a layer looks at all of them, all at once: then no sample has a gradient
    of its own, and ``largest`` is inf.
    """
    named, places = model.named_parameters(), Places(model)
    passes = Passes([name for name, _ in named], [places.of_parameter(name) for name, _ in named])
    parameters = [p for _, p in named]
    owners = dict(zip(parameters, passes.layers, strict=True))
    passes.gradient = [0.0] * len(named)
    at_once = len(X) if whole_batch_part(model) is not None else 1
    for start in range(0, len(X), at_once):
        end = start + at_once
        losses, nodes = _run(model, loss, X[start:end], y[start:end], parameters)
        passes.losses += losses
        grads = [p.grad for p in parameters]
        passes.largest = max(passes.largest, hypot(*grads) if at_once == 1 else inf)
        passes.gradient = [a + b for a, b in zip(passes.gradient, grads, strict=True)]
        _look(nodes, places.of_nodes(nodes, owners), passes.seen, at_once)
    passes.gradient = [total / len(passes.losses) for total in passes.gradient]
    return passes


def _run(
    model: Module, loss: Loss, X: Sequence[Any], y: Sequence[Any], parameters: list[Value]
) -> tuple[list[float], list[Value]]:
    """The losses of samples, their sum walked backwards, and the nodes that the model built."""
    for parameter in parameters:
        parameter.grad = 0.0
    watcher = _Nodes()
    before = hooks.watch(watcher)
    try:
        outputs = [model(X[0])] if len(X) == 1 else model.batch(X)
    finally:
        hooks.watch(before)
    losses = [loss(out, target) for out, target in zip(outputs, y, strict=True)]
    sum(losses[1:], losses[0]).backward()
    return [one.data for one in losses], watcher.nodes


def _look(nodes: list[Value], rows: dict[Value, str], seen: dict[str, Seen], samples: int) -> None:
    """Note what each layer hands on, and how its activation functions fare, in some samples."""
    used_inside = {v for node in nodes for v in node.inputs if rows.get(v) == rows[node]}
    relus = dict[str, list[bool]]()
    for node in nodes:
        noted = seen.setdefault(rows[node], Seen())
        if node not in used_inside:
            noted.outputs.append(node.data)
        name = node.op.name if node.op is not None else ""
        if name in SLOPES:
            noted.slopes.append(SLOPES[name](node.data) < SATURATED * STEEPEST[name])
        elif name == "relu":
            relus.setdefault(rows[node], []).append(node.data != 0.0)
    for layer, passed in relus.items():
        width = len(passed) // samples  # a layer runs its samples one after another
        alive = [any(passed[i::width]) for i in range(width)]
        before = seen[layer].alive
        seen[layer].alive = [a or b for a, b in zip_longest(before, alive, fillvalue=False)]


class Places:
    """Where the layers of a model are: which parameters and which nodes belong to which."""

    def __init__(self, model: Module) -> None:
        modules = model.named_modules()
        self.paths = {path for path, part in modules if path and not isinstance(part, Neuron)}
        self.outer = {path.rpartition("/")[0] for path in self.paths}  # containers of layers
        self.by_dots = {path.replace("/", "."): path for path in self.paths}
        self.attributes = [] if isinstance(model, Neuron) else list(vars(model))

    def of_parameter(self, name: str) -> str:
        """The layer of a parameter: the innermost module, else the attribute that holds it."""
        owner = name
        while "." in owner:
            owner = owner.rpartition(".")[0]
            if owner in self.by_dots:
                return self.by_dots[owner]
        held = [attribute for attribute in self.attributes if name.startswith(attribute)]
        return max(held, key=len, default="model")

    def of_nodes(self, nodes: list[Value], owners: dict[Value, str]) -> dict[Value, str]:
        """The layer of each node: by its origin, else by its parameter, else that of its inputs.

        An activation that a container applies to what a layer hands it belongs to that layer; a sum
        of two layers' results to the later one.
        """
        rows, known, order = dict(owners), dict[str, str](), dict[str, int]()
        for node in nodes:
            origin = node.origin
            if origin not in known:
                known[origin] = self._layer_at(origin.partition("@")[0])  # @: anomaly's source line
            row = known[origin] or next((owners[v] for v in node.inputs if v in owners), "")
            if not row:
                given = [rows[v] for v in node.inputs if v in rows]
                row = max(given, key=lambda name: order.get(name, -1), default="model")
            order.setdefault(row, len(order))
            rows[node] = row
        return rows

    def _layer_at(self, origin: str) -> str:
        """The layer on a scope path; "" if it is in none, or in what merely holds layers."""
        while origin and origin not in self.paths:
            origin = origin.rpartition("/")[0]
        return "" if origin in self.outer else origin


def unit_name(name: str) -> str:
    """The neuron (or row) that a parameter belongs to: "layer0.neuron3" of "layer0.neuron3.w5"."""
    return name.rpartition(".")[0]
