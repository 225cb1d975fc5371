"""What each target costs in all, to set up and to run, and whether ``target="auto"`` chooses well.

As many runs as the demo's training makes, and a hundred times as many. All are computed from what
a set-up and a run take: CPU time, that of the C compiler included, whose cache has nothing. What
``auto`` costs follows from when it goes over to machine code, which it decides by counted work.
"""

from __future__ import annotations

import os

os.environ.update(dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), "1"))

import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from math import ceil, inf
from resource import RUSAGE_CHILDREN, getrusage
from statistics import median
from time import process_time
from typing import Any, NamedTuple

import numpy as np

from benchmarks import compiled, families
from benchmarks.report import setting_of
from benchmarks.timing import Disagreement, empty_cache
from benchmarks.widths import GRAPHS, microseconds
from tinygrad_edu import compile_graph
from tinygrad_edu.compiler import Program
from tinygrad_edu.compiler.c_library import folder, kernels
from tinygrad_edu.compiler.plan import Plan
from tinygrad_edu.compiler.targets import price_of_c, saved_by_c

DEMO = 1_350  # runs: 30 epochs of digits in batches of 32
MOST = 200_000  # nodes of a program in Python that is waited for
TARGETS = ("numpy", "python", "c")
TOLERANCE = 1e-9  # of the largest slope, or the loss
FAMILIES = ("CNN as loops", "LSTM", "embeddings", "Hopfield", "neural ODE")
Make = Callable[[str], tuple[Program, Any]]  # from a target to a program and its rows
Figures = dict[str, Any]


class Sizes(NamedTuple):
    """How much to measure."""

    models: tuple[str, ...] = ()  # all
    runs: tuple[int, ...] = (DEMO, 100 * DEMO)
    rounds: int = 5


QUICK = Sizes(("Kalman filter, 40 steps", "MLP 2-3-2, 20 samples", "Hopfield"), rounds=1)


def measure(sizes: Sizes) -> Figures:
    """All figures of this benchmark, ready for JSON."""
    with empty_cache():
        once = cpu_seconds(kernels)
        rows = {
            name: measure_model(name, make, sizes, once)
            for name, make in models()
            if not sizes.models or name in sizes.models
        }
    return {
        **setting_of("choices", "numpy"),
        "kernels_seconds": once,
        "runs": list(sizes.runs),
        "models": rows,
    }


def models() -> Iterator[tuple[str, Make]]:
    """Yield graphs from narrow to wide, the works of ``compiled``, and some families."""
    for name, build in GRAPHS.items():
        yield name, partial(_graph, build)
    plain = compiled.Sizes()
    for work in (
        compiled.moons_work(plain),
        compiled.classes_work("digits", plain.digits, plain.batches[0], {}),
        compiled.classes_work("MNIST size", plain.mnist, plain.batches[1], {}),
    ):
        yield work.problem.name.partition(",")[0], partial(_work, work)
    for family in families.FAMILIES:
        if family.name in FAMILIES:
            yield family.name, partial(_family, family)


def _graph(build: Callable[[], Any], target: str) -> tuple[Program, Any]:
    return compile_graph(build(), target=target), None


def _work(work: compiled.Work, target: str) -> tuple[Program, Any]:
    made = work.compile(target)
    return made.program, made.rows


def _family(family: Any, target: str) -> tuple[Program, Any]:
    made = families.Ours(family, target)
    return made.program, made.rows


def measure_model(name: str, make: Make, sizes: Sizes, once: float) -> Figures:
    """Return what set-up and runs take on each target, and what that is in all."""
    print(f"{name}: set up, run", file=sys.stderr)
    setups, programs = {}, {}
    program, rows = make("auto")
    first, plan = program.stats["target"], program.plan.plan
    count = len(rows) if rows is not None else 1
    setups["auto"] = set_up(make, "auto")
    switch = switched(make)
    for target in TARGETS:
        if target != "python" or program.stats["nodes"] <= MOST:
            programs[target] = make(target)
            setups[target] = set_up(make, target)
    agreement(name, programs)
    steps = {t: partial(program.backward, rows) for t, (program, rows) in programs.items()}
    us = microseconds(steps, sizes.rounds)
    seconds = {target: 1e-6 * number for target, number in us.items()}
    at = switch_at(plan, first, count)
    figures: Figures = {
        "nodes": program.stats["nodes"],
        "instructions": program.stats["instructions"],
        "numbers": plan.sizes["u"] + plan.sizes["b"],
        "rows": count,
        "first": first,
        "setup_seconds": setups,
        "switch_seconds": switch,
        "run_seconds": seconds,
        "switch_at": None if at == inf else at,
        "totals": {},
    }
    for runs in sizes.runs:
        totals = {t: setups[t] + runs * seconds[t] for t in seconds}
        totals["c"] += once
        before = min(runs, at - 1)
        totals["auto"] = setups["auto"] + before * seconds[first]
        if runs >= at:
            totals["auto"] += once + switch + (runs - before) * seconds["c"]
        figures["totals"][str(runs)] = totals
    return figures


def switch_at(plan: Plan, target: str, rows: int) -> float:
    """Return the first run that ``auto`` makes in machine code."""
    saved = saved_by_c(plan, target, rows)
    return ceil(price_of_c(plan) / saved) if saved else inf


def agreement(name: str, programs: Mapping[str, tuple[Program, Any]]) -> None:
    """Raise Disagreement where losses or gradients differ from those of NumPy."""
    found = {}
    for target, (program, rows) in programs.items():
        loss = program.backward(rows)
        found[target] = np.array([loss, *program.gradient])
    for target, numbers in found.items():
        gap = np.abs(numbers - found["numpy"]).max() / np.abs(found["numpy"]).max()
        if not gap <= TOLERANCE:  # nan is not
            raise Disagreement(f"{name}: {target} is {gap:.1e} away from numpy.")


def set_up(make: Make, target: str) -> float:
    """Return the CPU seconds that a program takes to be made, the graph included."""
    return _typical(lambda: (_forget(), partial(make, target))[1])


def switched(make: Make) -> float:
    """Return the CPU seconds that a program takes to go over to machine code."""

    def ready() -> Callable[[], Any]:
        program, _ = make("auto")
        _forget()
        return partial(program.expect, inf)

    return _typical(ready)


def _forget() -> None:
    """Delete the programs in the cache, but not what all of them call."""
    for path in folder().glob("*.so"):
        path.unlink()


def _typical(ready: Callable[[], Callable[[], Any]]) -> float:
    """Return the median of three times, or one that is long."""
    times = [cpu_seconds(ready())]
    while times[0] < 0.5 and len(times) < 3:
        times.append(cpu_seconds(ready()))
    return median(times)


def cpu_seconds(work: Callable[[], Any]) -> float:
    """Return the CPU time of some work, and of the processes that it starts and waits for."""
    start = process_time() + _children()
    work()
    return process_time() + _children() - start


def _children() -> float:
    used = getrusage(RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
