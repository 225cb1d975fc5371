"""Seventeen families of models beside NumPy written by hand, PyTorch and JAX.

Each stands in ``benchmarks/models`` as a class with its parameters' ``shapes``, its rows of data
``X`` (None for one whole graph), and three functions: the ``loss`` of a row as a learner writes it
on Values, loss and slopes ``by_hand`` in NumPy, and the loss ``on_arrays`` of PyTorch or JAX. All
losses and slopes are compared before anyone is timed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from importlib.util import find_spec
from statistics import median
from time import process_time
from typing import Any

import numpy as np

from benchmarks.models import layers, pairs, sequences
from benchmarks.models.parts import Array, Slopes, uniform
from benchmarks.report import HAND, NUMPY, C
from benchmarks.timing import Disagreement, in_turns, ratio
from tinygrad_edu import Value, compile_graph
from tinygrad_edu.compiler import Program, recording
from tinygrad_edu.engine.errors import MissingExtraError

FAMILIES: tuple[Any, ...] = (
    layers.Mlp,
    layers.Convolution,
    sequences.Lstm,
    sequences.Gru,
    layers.TiedAutoencoder,
    pairs.Embeddings,
    pairs.GraphNetwork,
    sequences.Attention,
    pairs.Factorisation,
    layers.Siamese,
    layers.Experts,
    layers.RadialBasis,
    pairs.Hopfield,
    pairs.Bilinear,
    pairs.FactorisationMachine,
    sequences.NeuralOde,
    sequences.RandomField,
)
TOLERANCE = 1e-9  # of a loss, and of the largest slope
Step = Callable[[], tuple[float, Slopes]]


def parameters_of(family: Any) -> dict[str, Array]:
    """Draw the parameters of a family."""
    shapes = enumerate(family.shapes.items())
    return {name: 0.5 * uniform(*shape, seed=seed) for seed, (name, shape) in shapes}


class Ours:
    """A family as a learner's program."""

    def __init__(self, family: Any, target: str = "numpy") -> None:
        self.rows = family.X
        parameters = parameters_of(family)
        values = {name: _values(array, name) for name, array in parameters.items()}
        if family.X is None:
            self.loss = family.loss(**values)
            self.program = compile_graph(self.loss, target=target)
        else:
            row = [Value(float(number)) for number in family.X[0]]
            with recording():
                self.loss = family.loss(row, **values)
            self.program = compile_graph(self.loss, row, target=target)
        flat = [(name, value) for name, part in values.items() for value in np.ravel(part)]
        self.where = {value: (name, at) for at, (name, value) in enumerate(flat)}
        self.shapes = {name: array.shape for name, array in parameters.items()}

    def __call__(self) -> tuple[float, Program]:
        """Run the program."""
        return self.program.backward(self.rows), self.program

    def slopes(self) -> Slopes:
        """Return the gradient of the last run as arrays of the parameters' shapes."""
        flat = np.zeros(len(self.where))
        for value, slope in zip(self.program.parameters, self.program.gradient, strict=True):
            flat[self.where[value][1]] = slope
        ends = np.cumsum([int(np.prod(shape)) for shape in self.shapes.values()])[:-1]
        parts = zip(self.shapes.items(), np.split(flat, ends), strict=True)
        return {name: part.reshape(shape) for (name, shape), part in parts}


def _values(array: Array, name: str) -> Any:
    """Make nested lists of Values of an array."""
    if not array.ndim:
        return Value(float(array), name)
    return [_values(part, f"{name}[{i}]") for i, part in enumerate(array)]


def by_hand(family: Any) -> Step:
    """Return the step of NumPy with the derivatives worked out on paper."""
    data = () if family.X is None else (family.X,)
    return partial(family.by_hand, *data, **parameters_of(family))


def torch_eager(family: Any) -> Step:
    """Return the step of PyTorch without a compiler."""
    import torch

    torch.set_num_threads(1)
    data = () if family.X is None else (torch.tensor(family.X),)
    parameters = {
        name: torch.tensor(array, requires_grad=True)
        for name, array in parameters_of(family).items()
    }

    def step() -> tuple[float, Slopes]:
        loss = family.on_arrays(torch, *data, **parameters)
        slopes = torch.autograd.grad(loss, [*parameters.values()])
        return loss.item(), dict(zip(parameters, slopes, strict=True))

    return step


def jax_jit(family: Any) -> Step:
    """Return the step of JAX, the loss and its gradient compiled together by XLA."""
    import jax

    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_cpu_enable_async_dispatch", False)
    data = () if family.X is None else (jax.numpy.array(family.X),)
    parameters = jax.tree.map(jax.numpy.array, parameters_of(family))

    def loss(parameters: Any, *data: Any) -> Any:
        return family.on_arrays(jax.numpy, *data, **parameters)

    compiled: Any = jax.jit(jax.value_and_grad(loss))

    def step() -> tuple[float, Slopes]:
        found, slopes = compiled(parameters, *data)
        jax.block_until_ready(slopes)
        return float(found), slopes

    return step


PEERS: Mapping[str, tuple[str, Callable[[Any], Step]]] = {  # by the package each needs
    "PyTorch eager": ("torch", torch_eager),
    "JAX jit": ("jax", jax_jit),
}


def measure_families(rounds: int, block: int, families: Sequence[Any] = FAMILIES) -> dict[str, Any]:
    """Compare and time all contenders of each family."""
    return {family.name: measure_family(family, rounds, block) for family in families}


def measure_family(family: Any, rounds: int, block: int) -> dict[str, Any]:
    """Return what the program is, and for each contender its time and in times of NumPy's."""
    print(f"{family.name}: compile, compare, take turns", file=sys.stderr)
    start = process_time()
    ours = Ours(family)
    stats = ours.program.stats
    figures = {
        "compile_seconds": process_time() - start,
        **{name: stats[name] for name in ("nodes", "instructions", "matrix_products")},
    }
    steps: dict[str, Callable[[], Any]] = {NUMPY: ours, HAND: by_hand(family)}
    with suppress(MissingExtraError):  # there may be no C compiler
        steps[C] = Ours(family, "c")
    for name, (package, make) in PEERS.items():
        if find_spec(package) is not None:
            steps[name] = make(family)
    figures["apart"] = apart(steps)
    seconds = in_turns({n: (s, block) for n, s in steps.items()}, rounds, collecting=True)
    ratios = {n: ratio(blocks, seconds[HAND]) for n, blocks in seconds.items()}
    figures["ratios"] = dict.fromkeys((NUMPY, C, *PEERS)) | ratios
    figures["us"] = 1e6 * median(second for block in seconds[HAND] for second in block)
    return figures


def apart(steps: Mapping[str, Callable[[], Any]]) -> float:
    """Return how far losses and slopes are from those by hand; Disagreement if far."""
    loss, slopes = steps[HAND]()
    largest = max(float(np.abs(slope).max()) for slope in slopes.values())
    furthest = 0.0
    for name, step in steps.items():
        other, found = step()
        found = step.slopes() if isinstance(step, Ours) else found
        gaps = [abs(other - loss) / abs(loss)]
        gaps += [float(np.abs(np.asarray(found[n]) - slopes[n]).max()) / largest for n in slopes]
        if not all(gap <= TOLERANCE for gap in gaps):  # nan is not
            raise Disagreement(f"{name} is {max(gaps):.1e} away from {HAND}.")
        furthest = max(furthest, *gaps)
    return furthest
