"""What a model is made of, as a table: its layers with their shapes and parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tinygrad_edu.engine import Value
from tinygrad_edu.engine.guards import FROZEN
from tinygrad_edu.shared.tables import html_table, plural, text_table, whole

HEAD, ALIGN = ("layer", "kind", "in → out", "parameters", "frozen"), "<<>>>"


@dataclass(frozen=True)
class Row:
    """A layer: its path, what it is, how many numbers go in and out, and how many it holds."""

    name: str
    kind: str
    shape: tuple[int, int] | None
    parameters: int
    frozen: int
    buffers: int

    def cells(self) -> tuple[str, ...]:
        """Write the row; what is 0 or not known is left empty."""
        shape = f"{self.shape[0]} → {self.shape[1]}" if self.shape else ""
        counts = (whole(n) if n else "" for n in (self.parameters, self.frozen))
        return (self.name, self.kind, shape, *counts)


@dataclass(frozen=True)
class Summary:
    """The layers of a model; prints as a table, and shows one in a notebook.

    Attributes
    ----------
    title : str, the model
    rows : tuple of Row, in the order of the attributes
    """

    title: str
    rows: tuple[Row, ...]

    @property
    def parameters(self) -> int:
        """Count the parameters, frozen ones included; a shared one counts once."""
        return sum(row.parameters for row in self.rows)

    @property
    def frozen(self) -> int:
        """Count the frozen parameters."""
        return sum(row.frozen for row in self.rows)

    @property
    def total(self) -> str:
        """Write all counts in a sentence."""
        counts = [plural(self.parameters, "parameter")]
        counts += [f"{whole(self.frozen)} of them frozen"] if self.frozen else []
        buffers = sum(row.buffers for row in self.rows)
        counts += [f"and {plural(buffers, 'buffer')}"] if buffers else []
        return ", ".join(counts)

    def __repr__(self) -> str:
        table = text_table([HEAD, *(row.cells() for row in self.rows)], ALIGN)
        return "\n".join([self.title, *table, self.total])

    def _repr_html_(self) -> str:
        return html_table(
            self.title, HEAD, [row.cells() for row in self.rows], ALIGN, foot=self.total
        )


def summarized(model: Any, layers: Mapping[str, Any], sample: Any = None) -> Summary:
    """Count what each of the layers of a model holds itself; see ``Module.summary``."""
    owned: dict[str, list[Value]] = {path: [] for path in layers}
    for name, value in model.named_values():
        owner = name
        while owner not in layers:
            owner = owner.rpartition(".")[0]
        owned[owner].append(value)
    shapes = {path: layer._shape for path, layer in layers.items()}
    if sample is not None:
        shapes = _observed(model, layers, sample)
    rows = [
        Row(
            path or type(model).__name__,
            repr(layer),
            shapes.get(path),
            sum(value.constant is not True for value in owned[path]),
            sum(value.constant == FROZEN for value in owned[path]),
            sum(value.constant is True for value in owned[path]),
        )
        for path, layer in layers.items()
        if owned[path] or not any(p != path and p.startswith(inside(path)) for p in layers)
    ]
    return Summary(type(model).__name__, tuple(rows))


def inside(path: str) -> str:
    """Return what the paths of everything inside a layer begin with."""
    return f"{path}." if path else ""


def _observed(
    model: Any, layers: Mapping[str, Any], sample: Any
) -> dict[str, tuple[int, int] | None]:
    """Run a model, and note how many numbers each layer was given and returned."""
    shapes: dict[str, tuple[int, int] | None] = {}

    def noting(path: str, forward: Callable[..., Any]) -> Callable[..., Any]:
        def noted(x: Any, *rest: Any, **settings: Any) -> Any:
            y = forward(x, *rest, **settings)
            shapes[path] = _count(x), _count(y)
            return y

        return noted

    states = {path: vars(layer).copy() for path, layer in layers.items()}
    for path, layer in layers.items():
        vars(layer)["forward"] = noting(path, layer.forward)
    try:
        with model.evaluating():
            model(sample)
    finally:
        for path, layer in layers.items():
            vars(layer).pop("forward")
            vars(layer).update(states[path])
    return shapes


def _count(x: Any) -> int:
    return len(x) if hasattr(x, "__len__") else 1
