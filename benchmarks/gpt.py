"""The course's GPT, compiled, beside the same training step in NumPy with gradients by hand.

A step is what notebook 12 repeats: a batch of names, forward, backward, and Adam, whose learning
rate decays. Batches are the notebook's of 32 names, and microgpt's of a single name. Both begin
with the same weights and read the same names; their losses are compared before anyone is timed.

References
----------
Karpathy, microgpt, 2026: one name per step, and a learning rate that decays in a straight line.
"""

from __future__ import annotations

import os

os.environ.update(  # before NumPy is imported: one thread
    dict.fromkeys(("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"), "1")
)

import sys
from collections.abc import Callable, Mapping, Sequence
from itertools import cycle
from random import Random
from statistics import median
from time import process_time
from typing import Any, NamedTuple

import numpy as np

from benchmarks.models.gpt import ByHand
from benchmarks.report import HAND, NUMPY, C, setting_of
from benchmarks.timing import Disagreement, in_turns, ratio
from tinygrad_edu.course.gpt import GPT, NAMES, CompiledGPT
from tinygrad_edu.engine.errors import MissingExtraError
from tinygrad_edu.train import Adam, linear

RATE, DECAY = 0.01, 1_000  # notebook 12's learning rate; microgpt's steps, after which it is 0
TOLERANCE = 1e-9  # of a loss
Batch = list[int]  # of numbers of names
Part = Callable[[], Any]
Figures = dict[str, Any]


class Sizes(NamedTuple):
    """How much to measure; blocks are in steps, of which the first is dropped."""

    rounds: int = 30
    block: int = 21
    compared: int = 20  # steps
    batches: tuple[int, ...] = (32, 1)
    model: tuple[int, int, int, int] = (8, 16, 4, 1)  # context, width, heads, blocks: the course's


QUICK = Sizes(1, 3, 5, (4, 1), (8, 4, 2, 1))


class Contender(NamedTuple):
    """Who is timed: a step on a batch of names, and its two parts alone on one batch."""

    step: Callable[[Batch], float]
    passes: Part
    adam: Part


def measure(sizes: Sizes) -> Figures:
    """All figures of this benchmark, ready for JSON."""
    # Once a block as large as this is freed, the C library keeps what is freed later. Otherwise it
    # returns the arrays of each step to the system: NumPy by hand would take twice the time.
    np.empty(2**21)
    return {
        **setting_of("gpt", "numpy"),
        "model": dict(zip(("context", "width", "heads", "blocks"), sizes.model, strict=True)),
        "batches": [measure_batch(size, sizes) for size in sizes.batches],
    }


def measure_batch(size: int, sizes: Sizes) -> Figures:
    """Compile, compare the losses, and take turns on batches of so many names."""
    print(f"GPT, batches of {size}: compile, compare, take turns", file=sys.stderr)
    rng = Random(2)
    batches = [rng.sample(range(len(NAMES)), size) for _ in range(sizes.compared)]
    start = process_time()
    machine = compiled(sizes.model)
    figures = {
        "names": size,
        "compile_seconds": process_time() - start,
        **{name: machine.program.stats[name] for name in ("nodes", "instructions")},
    }
    contenders = {NUMPY: ours(machine, batches[0])}
    absent: dict[str, Figures] = {}
    try:
        contenders[C] = ours(compiled(sizes.model, "c"), batches[0])
    except MissingExtraError as error:
        absent[C] = {"absent": str(error).splitlines()[0]}
    contenders[HAND] = by_hand(sizes.model, batches[0])
    apart = agreement(contenders, batches)
    rows = timed(contenders, batches, sizes)
    there = {name: {**row, "losses_apart": apart} for name, row in rows.items()}
    figures["contenders"] = there | absent
    return figures


def untrained(settings: Sequence[int]) -> tuple[GPT, Adam]:
    """Build the model and the optimizer, the same ones each time."""
    model = GPT(*settings, rng=Random(1))
    return model, Adam(model.parameters(), RATE, schedule=linear(DECAY))


def compiled(settings: Sequence[int], target: str = "numpy") -> CompiledGPT:
    """Compile the model for a target."""
    return CompiledGPT(*untrained(settings), target=target)


def ours(machine: CompiledGPT, batch: Batch) -> Contender:
    """Train by the course's own class, on names."""
    names, program = [NAMES[i] for i in batch], machine.program
    rows, change = machine.rows(names), machine.optimizer.step_arrays
    return Contender(
        lambda batch: machine.step([NAMES[i] for i in batch]),
        lambda: program.backward(rows),
        lambda: change(np, program.parameters, program.vector, program.gradient),
    )


def by_hand(settings: Sequence[int], batch: Batch) -> Contender:
    """Train by NumPy, on names that were encoded before."""
    hand, rows = ByHand(*untrained(settings), NAMES), np.array(batch)
    return Contender(
        lambda batch: hand.step(np.array(batch)), lambda: hand.backward(rows), hand.update
    )


def agreement(contenders: Mapping[str, Contender], batches: Sequence[Batch]) -> float:
    """How far the losses are from those of NumPy by hand, step by step; Disagreement if far."""
    losses = {n: [c.step(batch) for batch in batches] for n, c in contenders.items()}
    furthest = 0.0
    for name, found in losses.items():
        pairs = zip(found, losses[HAND], strict=True)
        apart = [abs(loss - right) / abs(right) for loss, right in pairs]
        if not all(gap <= TOLERANCE for gap in apart):  # nan is not
            raise Disagreement(
                f"GPT: {name} has losses {max(apart):.1e} of their size away from {HAND}'s within "
                f"{len(batches)} steps."
            )
        furthest = max(furthest, *apart)
    return furthest


def timed(
    contenders: Mapping[str, Contender], batches: Sequence[Batch], sizes: Sizes
) -> dict[str, Figures]:
    """Microseconds of a step and of its parts, in turns; the step in times of NumPy's, too."""
    steps = {n: (_on_each(c.step, batches), sizes.block) for n, c in contenders.items()}
    seconds = in_turns(steps, sizes.rounds, collecting=True)
    parts = {}
    for part in ("passes", "adam"):
        alone = {n: (getattr(c, part), sizes.block) for n, c in contenders.items()}
        parts[part] = in_turns(alone, sizes.rounds, collecting=True)
    return {
        name: {
            "us": _us(blocks),
            **{f"{part}_us": _us(of[name]) for part, of in parts.items()},
            "ratio": ratio(blocks, seconds[HAND]),
            "steps": sum(map(len, blocks)),
        }
        for name, blocks in seconds.items()
    }


def _on_each(step: Callable[[Batch], float], batches: Sequence[Batch]) -> Part:
    """Return a function that makes the next step each time."""
    turns = cycle(batches)
    return lambda: step(next(turns))


def _us(blocks: Sequence[Sequence[float]]) -> float:
    return 1e6 * median(second for block in blocks for second in block)
