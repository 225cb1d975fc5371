"""Whole training steps on digits: the rows of a batch, forward, backward and Adam.

Each contender gets the same shuffled order of the samples and trains an epoch; a step's time is
that of an epoch divided by its steps. ``fit`` itself is timed by the clock, with what it compiles.
"""

from __future__ import annotations

import os

os.environ.update(  # before NumPy and JAX are imported: one thread each
    dict.fromkeys(("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "NPROC"), "1"),
    XLA_FLAGS="--xla_cpu_multi_thread_eigen=false",
    JAX_PLATFORMS="cpu",
)

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from importlib.util import find_spec
from math import sqrt
from random import Random
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from benchmarks.report import HAND, NUMPY, C, setting_of
from benchmarks.timing import Disagreement, empty_cache, in_turns, ratio
from tinygrad_edu.engine.errors import MissingExtraError
from tinygrad_edu.nn import MLP, cross_entropy
from tinygrad_edu.train import Adam, digits, fit, minibatches
from tinygrad_edu.train.stepping import CompiledStepper, Task

RATE, BETAS, EPSILON = 1e-3, (0.9, 0.999), 1e-8
TOLERANCE = 1e-9  # of a loss
Epoch = Callable[[list[int]], list[float]]  # from an order of the samples to each step's loss
Figures = dict[str, Any]


class Sizes(NamedTuple):
    """How much to measure; blocks are in epochs, of which the first is dropped."""

    rounds: int = 20
    block: int = 6
    compared: int = 5  # epochs
    samples: int = 1_797
    batch: int = 32
    hidden: int = 32
    fits: int = 3  # of each kind
    epochs: int = 30  # of a fit


QUICK = Sizes(1, 2, 2, 50, 16, 4, 1, 2)


class Data(NamedTuple):
    """The samples that are trained on, and their classes."""

    X: list[list[float]]
    y: list[int]


def measure(sizes: Sizes) -> Figures:
    """All figures of this benchmark, ready for JSON."""
    split = digits(rng=Random(0))
    data = Data(*(part[: sizes.samples] for part in (split.X, split.y)))
    orders = [shuffled(len(data.X), seed) for seed in range(sizes.compared)]
    found = contenders(data, sizes)
    there: dict[str, Epoch] = {n: epoch for n, epoch in found.items() if not isinstance(epoch, str)}
    apart = agreement(there, orders)
    print("training: epochs in turns", file=sys.stderr)
    rows = timed(there, orders, sizes)
    return {
        **setting_of("training", "numpy", "torch", "jax"),
        "samples": len(data.X),
        "batch": sizes.batch,
        "widths": [64, sizes.hidden, 10],
        "contenders": {
            name: {"absent": epoch} if isinstance(epoch, str) else rows[name] | apart[name]
            for name, epoch in found.items()
        },
        "epochs": sizes.epochs,
        "fits": measure_fits(data, sizes),
    }


def shuffled(samples: int, seed: int) -> list[int]:
    """Draw an order of the samples, as ``fit`` does for an epoch."""
    return [i for (i,) in minibatches(samples, 1, Random(seed))]


def contenders(data: Data, sizes: Sizes) -> dict[str, Epoch | str]:
    """Make everyone who can be timed; or say why not."""
    found: dict[str, Epoch | str] = {}
    for name, target in ((C, "c"), (NUMPY, "numpy")):
        try:
            found[name] = ours(data, sizes, target)
        except MissingExtraError as error:
            found[name] = str(error).splitlines()[0]
    for name, (package, make) in PEERS.items():
        there = find_spec(package) is not None
        found[name] = make(data, sizes) if there else f"not installed: pip install {package}"
    return found


def untrained(sizes: Sizes) -> MLP:
    """Build the model, the same each time."""
    return MLP(64, [sizes.hidden, 10], rng=Random(1))


def weights_of(sizes: Sizes) -> list[Any]:
    """Return its weights (outputs, inputs) and biases as arrays, layer by layer."""
    layers = untrained(sizes).layers
    return [
        array
        for layer in layers
        for array in (
            np.array([[w.data for w in n.w] for n in layer.neurons]),
            np.array([n.b.data for n in layer.neurons]),
        )
    ]


def ours(data: Data, sizes: Sizes, target: str) -> Epoch:
    """Train as ``fit`` does: in whole steps where the target can, else step by step."""
    model = untrained(sizes)
    task = Task(model, cross_entropy, *data, Adam(model.parameters(), RATE), sizes.batch)
    stepper = CompiledStepper(task, sizes.epochs, target)

    def epoch(order: list[int]) -> list[float]:
        batches = [order[at : at + sizes.batch] for at in range(0, len(order), sizes.batch)]
        losses: list[float] = []
        with stepper.epoch():
            while len(losses) < len(batches):
                taken, _ = stepper.whole_steps(batches, len(losses))
                if not taken:
                    loss, _ = stepper.forward_backward(batches[len(losses)])
                    stepper.update()
                    taken = [loss]
                losses += taken
        return losses

    return epoch


class ByHand:
    """NumPy, with the derivatives worked out on paper, and all numbers in one vector.

    Weights and slopes are views of two vectors, so Adam runs once over all of them, in place; its
    two corrections for starting at 0 are one factor (Kingma and Ba 2015, end of section 2).
    """

    def __init__(self, data: Data, sizes: Sizes) -> None:
        parts = weights_of(sizes)
        self.X, self.y, self.batch = np.array(data.X), np.array(data.y), sizes.batch
        self.w = np.concatenate([part.ravel() for part in parts])
        self.g, self.mean, self.square, self.room = (np.zeros_like(self.w) for _ in range(4))
        self.weights, self.slopes = ([*_split(flat, parts)] for flat in (self.w, self.g))
        self.steps = 0

    def __call__(self, order: list[int]) -> list[float]:
        """Train an epoch."""
        places, losses = np.array(order), []
        for at in range(0, len(order), self.batch):
            losses.append(self.backward(places[at : at + self.batch]))
            self.update()
        return losses

    def backward(self, rows: Any) -> float:
        """Leave the slopes of the mean loss of these samples in ``g``; return the loss."""
        (W1, b1, W2, b2), (dW1, db1, dW2, db2) = self.weights, self.slopes
        X, right = self.X[rows], (np.arange(len(rows)), self.y[rows])
        hidden = X @ W1.T
        hidden += b1
        np.maximum(hidden, 0.0, out=hidden)
        scores = hidden @ W2.T
        scores += b2
        scores -= scores.max(1, keepdims=True)
        chosen = scores[right]
        np.exp(scores, out=scores)
        total = scores.sum(1, keepdims=True)
        loss = (np.log(total).sum() - chosen.sum()) / len(rows)
        scores /= total
        scores[right] -= 1.0
        scores *= 1.0 / len(rows)
        np.matmul(scores.T, hidden, out=dW2)
        scores.sum(0, out=db2)
        back = scores @ W2
        back *= hidden > 0.0
        np.matmul(back.T, X, out=dW1)
        back.sum(0, out=db1)
        return float(loss)

    def update(self) -> None:
        """Make Adam's step."""
        self.steps += 1
        (beta1, beta2), room = BETAS, self.room
        fair = sqrt(1.0 - beta2**self.steps)
        self.mean *= beta1
        np.multiply(self.g, 1.0 - beta1, out=room)
        self.mean += room
        self.square *= beta2
        np.multiply(self.g, self.g, out=room)
        room *= 1.0 - beta2
        self.square += room
        np.sqrt(self.square, out=room)
        room += EPSILON * fair
        np.divide(self.mean, room, out=room)
        room *= RATE * fair / (1.0 - beta1**self.steps)
        self.w -= room


def _split(flat: Any, parts: Sequence[Any]) -> Iterator[Any]:
    """Cut a vector into views of these shapes."""
    start = 0
    for part in parts:
        yield flat[start : start + part.size].reshape(part.shape)
        start += part.size


def torch_eager(data: Data, sizes: Sizes) -> Epoch:
    """PyTorch without a compiler, and the fastest of its own implementations of Adam."""
    import torch

    torch.set_num_threads(1)
    X, y = torch.tensor(data.X, dtype=torch.float64), torch.tensor(data.y)
    W1, b1, W2, b2 = weights = [torch.tensor(w, requires_grad=True) for w in weights_of(sizes)]
    # measured: 310 µs a step; with foreach=True 430, without either 420
    adam = torch.optim.Adam(weights, RATE, betas=BETAS, eps=EPSILON, fused=True)
    functional = torch.nn.functional

    def epoch(order: list[int]) -> list[float]:
        losses = []
        for rows in torch.tensor(order).split(sizes.batch):
            hidden = functional.relu(functional.linear(X[rows], W1, b1))
            loss = functional.cross_entropy(functional.linear(hidden, W2, b2), y[rows])
            adam.zero_grad()
            loss.backward()
            adam.step()
            losses.append(loss.item())
        return losses

    return epoch


def _jax_step(data: Data, sizes: Sizes) -> tuple[Any, Any, Any]:
    """Return JAX, its whole step as a function of state and rows, and its first state."""
    import jax

    jax.config.update("jax_enable_x64", True)
    # measured: handing each step to another thread takes two to four times as long
    jax.config.update("jax_cpu_enable_async_dispatch", False)
    numpy = jax.numpy
    X, y = numpy.array(data.X), numpy.array(data.y)
    weights = [numpy.array(part) for part in weights_of(sizes)]
    beta1, beta2 = BETAS

    def loss_of(weights: Any, rows: Any) -> Any:
        W1, b1, W2, b2 = weights
        scores = jax.nn.relu(X[rows] @ W1.T + b1) @ W2.T + b2
        return -jax.nn.log_softmax(scores)[numpy.arange(len(rows)), y[rows]].mean()

    def step(state: Any, rows: Any) -> tuple[Any, Any]:
        weights, means, squares, steps = state
        loss, slopes = jax.value_and_grad(loss_of)(weights, rows)
        steps += 1.0
        means = jax.tree.map(lambda m, g: beta1 * m + (1.0 - beta1) * g, means, slopes)
        squares = jax.tree.map(lambda s, g: beta2 * s + (1.0 - beta2) * g * g, squares, slopes)
        rate, fair = RATE / (1.0 - beta1**steps), 1.0 - beta2**steps
        weights = jax.tree.map(
            lambda w, m, s: w - rate * m / (numpy.sqrt(s / fair) + EPSILON),
            weights,
            means,
            squares,
        )
        return (weights, means, squares, steps), loss

    zeros = [[numpy.zeros_like(w) for w in weights] for _ in range(2)]
    return jax, step, (weights, *zeros, numpy.array(0.0))


def jax_jit(data: Data, sizes: Sizes) -> Epoch:
    """JAX: the whole step compiled by XLA, which reuses the memory of the old state."""
    jax, step, state = _jax_step(data, sizes)
    compiled = jax.jit(step, donate_argnums=0)

    def epoch(order: list[int]) -> list[float]:
        nonlocal state
        places, losses = np.array(order), []
        for at in range(0, len(order), sizes.batch):
            state, loss = compiled(state, places[at : at + sizes.batch])
            losses.append(loss)
        return [*map(float, losses)]

    return epoch


def jax_scan(data: Data, sizes: Sizes) -> Epoch:
    """JAX: all full batches of an epoch in one call of ``scan``, and then the rest."""
    jax, step, state = _jax_step(data, sizes)
    last = jax.jit(step, donate_argnums=0)
    full = jax.jit(partial(jax.lax.scan, step), donate_argnums=0)

    def epoch(order: list[int]) -> list[float]:
        nonlocal state
        places, whole = np.array(order), len(order) // sizes.batch * sizes.batch
        state, losses = full(state, places[:whole].reshape(-1, sizes.batch))
        found: list[float] = losses.tolist()
        if whole < len(order):
            state, loss = last(state, places[whole:])
            found.append(float(loss))
        return found

    return epoch


PEERS: Mapping[str, tuple[str, Callable[[Data, Sizes], Epoch]]] = {  # by the package each needs
    HAND: ("numpy", ByHand),
    "PyTorch eager": ("torch", torch_eager),
    "JAX jit": ("jax", jax_jit),
    "JAX jit, scan": ("jax", jax_scan),
}


def agreement(epochs: Mapping[str, Epoch], orders: Sequence[list[int]]) -> dict[str, Figures]:
    """How far the losses are from those of NumPy by hand, step by step; Disagreement if far."""
    losses = {n: [loss for order in orders for loss in e(order)] for n, e in epochs.items()}
    expected, figures = losses[HAND], {}
    for name, found in losses.items():
        pairs = zip(found, expected, strict=True)
        apart = [abs(loss - right) / abs(right) for loss, right in pairs]
        if not all(gap <= TOLERANCE for gap in apart):  # nan is not
            raise Disagreement(
                f"training: {name} has losses {max(apart):.1e} of their size away from {HAND}'s "
                f"within {len(expected)} steps."
            )
        figures[name] = {"losses_apart": max(apart), "compared": len(expected)}
    return figures


def timed(
    epochs: Mapping[str, Epoch], orders: Sequence[list[int]], sizes: Sizes
) -> dict[str, Figures]:
    """Microseconds a step, in turns, and how many times as long as each other contender's."""
    order = orders[0]
    steps = -(-len(order) // sizes.batch)
    blocks = {name: (partial(epoch, order), sizes.block) for name, epoch in epochs.items()}
    seconds = in_turns(blocks, sizes.rounds, collecting=True)
    return {
        name: {
            "us": 1e6 * median(second for block in mine for second in block) / steps,
            "ratio": ratio(mine, seconds[HAND]),
            "ratios": {other: ratio(mine, theirs) for other, theirs in seconds.items()},
            "epochs": sum(map(len, mine)),
        }
        for name, mine in seconds.items()
    }


def measure_fits(data: Data, sizes: Sizes) -> Figures:
    """Seconds by the clock that ``fit`` takes, with what it compiles; on Values from one epoch."""
    print("training: fit", file=sys.stderr)
    took: dict[str, list[float]] = {}
    for _ in range(sizes.fits):
        for target in ("c", "auto"):
            with empty_cache(), suppress(MissingExtraError):  # there may be no C compiler
                for cache in ("empty", "warm"):
                    seconds = fitted(data, sizes, target, sizes.epochs)
                    took.setdefault(f"{target}, {cache} cache", []).append(seconds)
        took.setdefault("numpy", []).append(fitted(data, sizes, "numpy", sizes.epochs))
    figures = {name: median(seconds) for name, seconds in took.items()}
    return figures | {"Values, from one epoch": sizes.epochs * fitted(data, sizes, False, 1)}


def fitted(data: Data, sizes: Sizes, compiled: str | bool, epochs: int) -> float:
    """Return the seconds by the clock of a ``fit``."""
    model = untrained(sizes)
    adam = Adam(model.parameters(), RATE)
    start = perf_counter()
    fit(
        model,
        cross_entropy,
        *data,
        epochs=epochs,
        batch_size=sizes.batch,
        optimizer=adam,
        rng=Random(0),
        progress=False,
        compiled=compiled,
    )
    return perf_counter() - start
