"""Compiled graphs beside NumPy by hand, PyTorch, JAX, micrograd and straight-line Python.

One thread each, float64, the same data and weights, in turns in one process. Before anyone is
timed, all descend from the same weights, and their losses must be those of NumPy by hand.
"""

from __future__ import annotations

import os

os.environ.update(  # before NumPy and JAX are imported: one thread each
    dict.fromkeys(("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "NPROC"), "1"),
    XLA_FLAGS="--xla_cpu_multi_thread_eigen=false",
    JAX_PLATFORMS="cpu",
)

import gc
import sys
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from random import Random
from statistics import median
from time import perf_counter, process_time
from typing import Any, NamedTuple

import numpy as np

from benchmarks.families import measure_families
from benchmarks.million import measure_million
from benchmarks.peers import (
    CROSS_ENTROPY,
    HINGE,
    PEERS,
    ByHand,
    Contender,
    Layers,
    Problem,
    peer,
)
from benchmarks.report import HAND, NUMPY, PYTHON, SLOWEST, C, setting_of
from benchmarks.timing import Disagreement, in_turns, ratio
from benchmarks.workloads import moons, moons_loss
from tinygrad_edu import Value, compile_graph
from tinygrad_edu.compiler import Program, recording
from tinygrad_edu.engine.errors import MissingExtraError
from tinygrad_edu.nn import MLP, cross_entropy

RATE = 0.01
TOLERANCE = 1e-9  # of a loss
Figures = dict[str, Any]


class Sizes(NamedTuple):
    """How much to measure; blocks are in steps, of which the first is dropped."""

    rounds: int = 30
    block: int = 21
    slow_rounds: int = 3
    slow_blocks: tuple[int, int] = (20, 2)  # straight-line Python's, micrograd's
    descents: int = 50
    samples: int = 100
    digits: tuple[int, ...] = (64, 32, 10)
    mnist: tuple[int, ...] = (784, 128, 10)
    batches: tuple[int, int] = (32, 64)
    million: int = 1_000_000
    families: tuple[int, int] = (15, 31)  # rounds and block of each


QUICK = Sizes(1, 3, 1, (2, 2), 5, 10, (6, 5, 3), (20, 8, 3), (4, 8), 5_000, (1, 3))


class Work(NamedTuple):
    """A problem, how the learner writes and compiles it, and who is too slow for all descents.

    ``few`` holds, by a contender's name, how many descents it makes, or why it makes none.
    """

    problem: Problem
    compile: Callable[[str], Compiled]  # for a target
    few: Mapping[str, int | str]


class Compiled:
    """A program of ours as a contender."""

    def __init__(self, program: Program, rows: Any = None) -> None:
        self.program, self.rows = program, rows
        self.step: Callable[[], float] = partial(program.backward, rows)

    def descend(self, rate: float) -> None:
        """In place; ``asarray`` of the python target's array is a view."""
        vector = np.asarray(self.program.vector)
        vector -= rate * np.asarray(self.program.gradient)


def measure(sizes: Sizes) -> Figures:
    """All figures of this benchmark, ready for JSON."""
    works = (
        moons_work(sizes),
        classes_work("digits", sizes.digits, sizes.batches[0], {SLOWEST: 2}),
        classes_work("MNIST size", sizes.mnist, sizes.batches[1], _mnist_few(sizes)),
    )
    packages = ("numpy", *(package for package, _ in PEERS.values()))
    return {
        **setting_of("compiled", *packages),
        "workloads": {work.problem.name: measure_work(work, sizes) for work in works},
        "families": measure_families(*sizes.families),
        "million": measure_million(sizes.million),
    }


def moons_work(sizes: Sizes) -> Work:
    """The loss as micrograd's demo writes it, one graph: hinge and an L2 term."""
    X, y = moons(0, sizes.samples)

    def compile(target: str) -> Compiled:
        model = MLP(2, [16, 16, 1], rng=Random(0))
        loss = moons_loss(model, lambda x: Value(x).detach(), X, y)
        return Compiled(compile_graph(loss, target=target))

    layers = arrays(MLP(2, [16, 16, 1], rng=Random(0)))
    name = f"moons, MLP(2, [16, 16, 1]), {sizes.samples} samples, whole graph"
    problem = Problem(name, HINGE, layers, np.array(X), np.array(y)[:, None])
    return Work(problem, compile, {SLOWEST: min(10, sizes.descents)})


def classes_work(name: str, widths: Sequence[int], batch: int, few: Mapping[str, Any]) -> Work:
    """Softmax cross entropy of a batch: one sample is traced, its program runs over the rows."""
    first, *others = widths
    rng = np.random.RandomState(0)
    X, y = rng.rand(batch, first), np.eye(others[-1])[rng.randint(0, others[-1], batch)]
    rows = np.hstack([X, y])

    def compile(target: str) -> Compiled:
        model = MLP(first, others, rng=Random(0))
        sample: list[Any] = [Value(float(number)) for number in rows[0]]
        with recording():
            scores = model(sample[:first])
            loss = cross_entropy(scores, sample[first:])
        program = compile_graph(loss, sample, target=target, outputs=scores)
        return Compiled(program, rows.tolist() if target == "python" else rows)

    layers = arrays(MLP(first, others, rng=Random(0)))
    title = f"{name}, MLP({first}, {others}), batch {batch}"
    return Work(Problem(title, CROSS_ENTROPY, layers, X, y), compile, few)


def arrays(model: MLP) -> Layers:
    """The weights of a model as matrices."""
    return [
        (
            np.array([[w.data for w in n.w] for n in layer.neurons]),
            np.array([n.b.data for n in layer.neurons]),
        )
        for layer in model.layers
    ]


def measure_work(work: Work, sizes: Sizes) -> Figures:
    """The cost of compiling; then for each contender its time, or why it has none."""
    print(f"{work.problem.name}: compile, then descend", file=sys.stderr)
    start = process_time()
    ours = work.compile("numpy")
    seconds = process_time() - start
    figures: Figures = {
        "nodes": ours.program.stats["nodes"],
        "compile_seconds": seconds,
        "compile_mib": peak_mib(lambda: work.compile("numpy")),
    }
    found: dict[str, Contender | str] = {NUMPY: ours, C: enter(C, work)}
    found[HAND] = ByHand(work.problem)
    found |= {name: enter(name, work) for name in (*PEERS, PYTHON)}
    there = {name: one for name, one in found.items() if not isinstance(one, str)}
    apart = agreement(work, there, sizes.descents)
    figures["contenders"] = {
        name: {"absent": one} if isinstance(one, str) else apart[name]
        for name, one in found.items()
    }
    for name, row in timed(there, sizes).items():
        figures["contenders"][name] |= row
    return figures


def enter(name: str, work: Work) -> Contender | str:
    """A contender for this work, or why there is none."""
    reason = work.few.get(name)
    if isinstance(reason, str):
        return reason
    if name not in (C, PYTHON):
        return peer(name, work.problem)
    try:
        return work.compile("c" if name == C else "python")
    except MissingExtraError as error:
        return str(error).splitlines()[0]


def agreement(work: Work, contenders: Mapping[str, Contender], descents: int) -> Figures:
    """How far the losses are from those of NumPy by hand on the way down; Disagreement if far."""
    hand = ByHand(work.problem)
    expected = losses(hand, descents)
    figures: Figures = {}
    for name, contender in contenders.items():
        count = int(work.few.get(name, descents))
        pairs = zip(losses(contender, count), expected, strict=False)
        apart = [abs(loss - right) / abs(right) for loss, right in pairs]
        if not all(gap <= TOLERANCE for gap in apart):  # nan is not
            raise Disagreement(
                f"{work.problem.name}: {name} has losses {max(apart):.1e} of their size "
                f"away from {HAND}'s within {count} descents."
            )
        figures[name] = {"losses_apart": max(apart), "descents": count}
    return figures


def losses(contender: Contender, descents: int) -> list[float]:
    """The loss before each descent, and after the last."""
    seen = [contender.step()]
    for _ in range(descents):
        contender.descend(RATE)
        seen.append(contender.step())
    return seen


def timed(contenders: Mapping[str, Contender], sizes: Sizes) -> Figures:
    """Microseconds a step, in times of ours on NumPy and of NumPy by hand, within the same rounds.

    Straight-line Python and micrograd take turns with ours in rounds of their own, which are few.
    """
    slow = dict(zip((PYTHON, SLOWEST), sizes.slow_blocks, strict=True))
    fast = {n: (c.step, sizes.block) for n, c in contenders.items() if n not in slow}
    few = {n: (contenders[n].step, size) for n, size in slow.items() if n in contenders}
    few = {NUMPY: fast[NUMPY], **few}
    seconds = in_turns(few, sizes.slow_rounds, collecting=True) if len(few) > 1 else {}
    figures = {name: _row(blocks, seconds[NUMPY]) for name, blocks in seconds.items()}
    if PYTHON in seconds and SLOWEST in seconds:
        figures[PYTHON]["micrograd_ratio"] = ratio(seconds[SLOWEST], seconds[PYTHON])
    seconds = in_turns(fast, sizes.rounds, collecting=True)
    figures |= {name: _row(blocks, seconds[NUMPY]) for name, blocks in seconds.items()}
    for name, (step, size) in fast.items():
        figures[name]["hand_ratio"] = ratio(seconds[name], seconds[HAND])
        figures[name]["threads"] = busy_threads(step, size)
    return figures


def _row(blocks: Sequence[Sequence[float]], ours: Sequence[Sequence[float]]) -> Figures:
    steps = [second for block in blocks for second in block]
    return {"us": 1e6 * median(steps), "ratio": ratio(blocks, ours), "steps": len(steps)}


def busy_threads(step: Callable[[], Any], steps: int) -> float:
    """CPU seconds a second of the clock: more than 1 where a second thread worked along."""
    wall, cpu = perf_counter(), process_time()
    for _ in range(steps):
        step()
    cpu, wall = process_time() - cpu, perf_counter() - wall
    return cpu / wall


def peak_mib(work: Callable[[], Any]) -> float:
    """The most memory that ``work`` held at once, as ``tracemalloc`` counts it."""
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        work()
        return (tracemalloc.get_traced_memory()[1] - before) / 2**20
    finally:
        tracemalloc.stop()


def _mnist_few(sizes: Sizes) -> dict[str, str]:
    if sizes.mnist == QUICK.mnist:
        return {}
    return {
        SLOWEST: "left out: two minutes a step",
        PYTHON: "left out: 300,000 nodes are beyond straight-line code's 100,000",
    }
