"""Find the layer that a parameter or a node of a graph belongs to.

A layer is a module of the model that is not a neuron, named by its path, for example "layer1".
Parameters that the model holds itself count for the attribute that holds them.
"""

from __future__ import annotations

from collections.abc import Iterable

from tinygrad_edu.engine import Value
from tinygrad_edu.nn import Module, Neuron


class Places:
    """The layers of a model, and which parameters and nodes belong to each."""

    def __init__(self, model: Module) -> None:
        modules = model.named_modules()
        self.paths = {path for path, part in modules if path and not isinstance(part, Neuron)}
        self.outer = {path.rpartition("/")[0] for path in self.paths}  # containers of layers
        self.by_dots = {path.replace("/", "."): path for path in self.paths}
        self.attributes = [] if isinstance(model, Neuron) else list(vars(model))

    def of_parameter(self, name: str) -> str:
        """Find the layer of a parameter: the innermost module, else the attribute it is in."""
        owner = name
        while "." in owner:
            owner = owner.rpartition(".")[0]
            if owner in self.by_dots:
                return self.by_dots[owner]
        held = [attribute for attribute in self.attributes if name.startswith(attribute)]
        return max(held, key=len, default="model")

    def of_nodes(self, nodes: list[Value], owners: dict[Value, str]) -> dict[Value, str]:
        """Find the layer of each node: by its origin, else by its parameter, else by its inputs.

        An activation that a container applies to a layer's output belongs to that layer; a sum of
        two layers' outputs belongs to the later one.
        """
        layers, known, order = dict(owners), dict[str, str](), dict[str, int]()
        for node in nodes:
            origin = node.origin
            if origin not in known:
                known[origin] = self._layer_at(origin.partition("@")[0])  # @: anomaly's source line
            layer = known[origin] or next((owners[v] for v in node.inputs if v in owners), "")
            if not layer:
                given = [layers[v] for v in node.inputs if v in layers]
                layer = max(given, key=lambda name: order.get(name, -1), default="model")
            order.setdefault(layer, len(order))
            layers[node] = layer
        return layers

    def _layer_at(self, origin: str) -> str:
        """Find the layer on a scope path; "" if it is in none, or in what merely holds layers."""
        while origin and origin not in self.paths:
            origin = origin.rpartition("/")[0]
        return "" if origin in self.outer else origin


def by_unit(names: Iterable[tuple[int, str]]) -> list[list[int]]:
    """Sort numbered parameters by neuron or row: "layer1.neuron3.w5" is in "layer1.neuron3"."""
    units = dict[str, list[int]]()
    for i, name in names:
        units.setdefault(name.rpartition(".")[0], []).append(i)
    return [*units.values()]
