"""Measure what flows through each layer: activations forwards, gradients backwards."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import zip_longest
from math import hypot, inf, isfinite, sqrt

from tinygrad_edu.compiled.symbolic import whole_batch_part
from tinygrad_edu.diagnose.places import Places, by_unit
from tinygrad_edu.diagnose.sandbox import Subject
from tinygrad_edu.diagnose.saturation import saturated
from tinygrad_edu.engine import Value
from tinygrad_edu.engine.context import Block, Watcher
from tinygrad_edu.engine.errors import LengthError
from tinygrad_edu.engine.ops import RELU


@dataclass(frozen=True)
class Summary:
    """Some numbers in brief: how many, Euclidean norm, mean, standard deviation, largest size."""

    count: int
    norm: float
    mean: float
    spread: float
    largest: float

    @property
    def rms(self) -> float:
        """Return the root mean square, which is comparable between layers of different sizes."""
        return self.norm / sqrt(self.count)

    @staticmethod
    def of(numbers: Sequence[float]) -> Summary | None:
        """Sum up some numbers; return None if there are none."""
        if not numbers:
            return None
        mean = sum(numbers) / len(numbers)
        if not isfinite(mean):  # the sum overflowed, where no number is nan or inf
            mean = sum(x / len(numbers) for x in numbers)
        spread = hypot(*[x - mean for x in numbers]) / sqrt(len(numbers))
        return Summary(len(numbers), hypot(*numbers), mean, spread, max(map(abs, numbers)))


@dataclass(frozen=True)
class LayerFlow:
    """One layer in a forward and a backward pass over the samples.

    Attributes
    ----------
    name : str, the path of the module, as "layer1"
    weight, gradient : Summary of the parameters and of d(mean loss)/d(parameter); None without any
    activation : Summary of the layer's outputs, over neurons and samples; None if it has none
    saturated : float, share of the activations that can saturate (sigmoid, tanh), over neurons and
        samples, whose slope is less than a twentieth of the steepest; None where there are none
    dead : float, share of relus that are zero for every sample given; None where there are none
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

    @property
    def finite(self) -> bool:
        """Check that no number of the layer is nan or inf."""
        summaries = (self.weight, self.gradient, self.activation)
        return all(isfinite(summary.mean) for summary in summaries if summary is not None)


@dataclass
class Seen:
    """What a layer's nodes held, and of each relu whether any sample passed it."""

    outputs: list[float] = field(default_factory=list)
    saturated: list[bool] = field(default_factory=list)
    alive: list[bool] = field(default_factory=list)


class Passes:
    """Run samples forwards and backwards, and keep what each layer showed.

    Samples run one at a time or, where a layer looks at the whole batch, all at once. The gradients
    of the parameters are overwritten. ``weights`` and ``gradient`` (of the mean loss) have one
    number for each parameter, ``names`` and ``layers`` its name and its layer. ``reached`` tells
    whether any sample gave any parameter a gradient that is not 0.
    """

    def __init__(self, subject: Subject) -> None:
        named, places = subject.model.named_parameters(), Places(subject.model)
        parameters = [p for _, p in named]
        self.names = [name for name, _ in named]
        self.layers = [places.of_parameter(name) for name in self.names]
        self.weights = [p.data for p in parameters]
        self.losses = list[float]()
        self.seen = dict[str, Seen]()
        self.reached = False
        owners = dict(zip(parameters, self.layers, strict=True))
        totals = [0.0] * len(parameters)
        at_once = len(subject.X) if whole_batch_part(subject.model) is not None else 1
        for start in range(0, len(subject.X), at_once):
            for parameter in parameters:
                parameter.grad = 0.0
            losses, nodes = _run(subject, slice(start, start + at_once))
            self.losses += losses
            self.reached |= any(p.grad != 0.0 for p in parameters)
            totals = [total + p.grad for total, p in zip(totals, parameters, strict=True)]
            _look(nodes, places.of_nodes(nodes, owners), self.seen, at_once)
        self.gradient = [total / len(self.losses) for total in totals]

    def flows(self, step: Sequence[float]) -> list[LayerFlow]:
        """Sum up each layer, those that never ran last; ``step`` is what an update would add."""
        return [self._flow(name, step) for name in dict.fromkeys([*self.seen, *self.layers])]

    def _flow(self, name: str, step: Sequence[float]) -> LayerFlow:
        places = [i for i, layer in enumerate(self.layers) if layer == name]
        seen = self.seen.get(name, Seen())
        weights = [self.weights[i] for i in places]
        return LayerFlow(
            name=name,
            weight=Summary.of(weights),
            gradient=Summary.of([self.gradient[i] for i in places]),
            activation=Summary.of(seen.outputs),
            saturated=_share(seen.saturated),
            dead=_share([not alive for alive in seen.alive]),
            update=ratio([step[i] for i in places], weights) if step and places else None,
            alike=self._alike(places),
        )

    def _alike(self, places: Sequence[int]) -> bool:
        """Check for several units, all with the same weights and, but for rounding, gradients."""
        first, *others = by_unit((i, self.names[i]) for i in places) or [[]]
        slack = 1e-9 * hypot(*[self.gradient[i] for i in first])

        def same(i: int, j: int) -> bool:
            near = abs(self.gradient[i] - self.gradient[j]) <= slack
            return near and self.weights[i] == self.weights[j]

        return bool(others) and all(
            len(unit) == len(first) and all(map(same, first, unit)) for unit in others
        )


def ratio(step: Sequence[float], weights: Sequence[float]) -> float:
    """Divide the norms; 0 / 0 is 0, and a step from weights of 0 is inf."""
    size, base = hypot(*step), hypot(*weights)
    return size / base if base else (inf if size else 0.0)


class _Nodes(Watcher):
    """Keep the nodes that the model builds, without those of the loss."""

    def __init__(self) -> None:
        self.nodes: list[Value] = []

    def built(self, node: Value) -> None:
        self.nodes.append(node)


def _run(subject: Subject, some: slice) -> tuple[list[float], list[Value]]:
    """Run some samples both ways; return their losses and the nodes that the model built."""
    X, y = subject.X[some], subject.y[some]
    watcher = _Nodes()
    with Block(watcher):
        outputs = [subject.model(X[0])] if len(X) == 1 else subject.model.batch(X)
    losses = [subject.loss(out, target) for out, target in zip(outputs, y, strict=True)]
    with suppress(LengthError):  # where the model cuts the graph; then no gradient is the verdict
        sum(losses[1:], losses[0]).backward()
    return [one.data for one in losses], watcher.nodes


def _look(nodes: list[Value], layers: dict[Value, str], seen: dict[str, Seen], count: int) -> None:
    """Note each layer's outputs and how its activation functions fare, in ``count`` samples."""
    used_inside = {v for node in nodes for v in node.inputs if layers.get(v) == layers[node]}
    passed = dict[str, list[bool]]()
    for node in nodes:
        noted = seen.setdefault(layers[node], Seen())
        if node not in used_inside:
            noted.outputs.append(node.data)
        flat = saturated(node)
        if flat is not None:
            noted.saturated.append(flat)
        elif node.op is RELU:
            passed.setdefault(layers[node], []).append(node.data != 0.0)
    for layer, passes in passed.items():
        width = len(passes) // count  # a layer runs its samples one after another
        alive = [any(passes[i::width]) for i in range(width)]
        before = seen[layer].alive
        seen[layer].alive = [a or b for a, b in zip_longest(before, alive, fillvalue=False)]


def _share(marks: Sequence[bool]) -> float | None:
    return sum(marks) / len(marks) if marks else None
