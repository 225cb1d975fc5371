"""The compiler's promises: what comes out is what the graph itself gives."""

from __future__ import annotations

import itertools
import math
from random import Random
from typing import Any

from benchmarks.promises.promise import Finding, tool
from benchmarks.promises.rules import SPECIAL
from benchmarks.timing import progress
from tinygrad_edu import Value, as_function, compile_graph
from tinygrad_edu.engine import ops

TARGETS = ("numpy", "python")
TOLERANCE = 1e-12


def same(mine: float, eager: float, scale: float) -> bool:
    """Within 1e-12 of the larger, or of the gradient's largest part; nan is nan."""
    if not (math.isfinite(mine) and math.isfinite(eager)):
        return mine == eager or (mine != mine and eager != eager)
    return abs(mine - eager) <= TOLERANCE * max(abs(mine), abs(eager), scale)


def random_programs(count: int) -> Finding:
    """Value and gradients of random programs over all rows, on both targets.

    Gradients in units of the sum of the sizes of their terms, as rounding errors are.
    """
    faults, seeds = [], itertools.count()
    for _ in progress(range(count), "  programs, both targets"):
        root, scales, program = next(filter(None, map(_differentiable, seeds)))
        if wrong := differing(root, scales):
            faults.append(f"{', '.join(wrong)}:\n{program.needed()}")
    return Finding(f"{count - len(faults):,} of {count:,} agree on both targets", faults)


def _differentiable(seed: int) -> tuple[Value, dict[Any, float], Any] | None:
    """Result, sizes of gradients and program; None if the result depends on no leaf."""
    programs, naive = tool("programs"), tool("naive")
    program = programs.random_program(
        Random(seed), steps=(12, 60)[seed % 2], constants=0.3, bound=4.0
    )
    registers, numbers = program.run(programs.VALUES), program.run(programs.NAIVE)
    sizes = naive.sensitivities(numbers[-1])
    scales = {v: sizes.get(n, 0.0) for v, n in zip(registers, numbers, strict=True)}
    if not any(map(scales.get, registers[: len(program.leaves)])):
        return None
    return registers[-1], scales, program


def special_values(_: int) -> Finding:
    """Each row at all combinations of special values, ties among them, on both targets."""
    faults, count = [], 0
    for op in progress(list(ops.TABLE.values()), "  rows, both targets"):
        for point in itertools.product(SPECIAL, repeat=len(op.domain)):
            leaves = [Value(x) for x in point]
            count += 1
            wrong = differing(as_function(op)(*leaves), dict.fromkeys(leaves, 0.0))
            if wrong:
                faults.append(f"{op.name}{point}: {', '.join(wrong)}")
    return Finding(f"{count - len(faults):,} of {count:,} match on both targets", faults)


def rows(count: int) -> Finding:
    """Random samples on rows of data: loss and gradients of the graphs of all rows, by hand."""
    samples, programs = tool("samples"), tool("programs")
    faults, compared, seeds = [], 0, itertools.count()
    bar = iter(progress(range(count), "  samples on rows, both targets"))
    while compared < count:
        seed = next(seeds)
        sample = samples.random_sample(seed, (programs.ROWS, samples.LINEAR)[seed % 2])
        found = [sample.fault(target) for target in TARGETS]
        if None in found:  # no input, or no parameter, below the result
            continue
        compared += 1
        next(bar)
        faults += [
            samples.shortest(sample, t).fault(t) for t, f in zip(TARGETS, found, strict=True) if f
        ]
    return Finding(f"{count - len(faults):,} of {count:,} agree on both targets", faults)


def differing(root: Value, scales: dict[Any, float]) -> list[str]:
    """The targets on which a compiled graph has another value or gradient."""
    root.backward()
    wrong = []
    for target in TARGETS:
        program = compile_graph(root, target=target)
        program.backward()
        pairs = zip(program.gradient, program.parameters, strict=True)
        if not same(program.loss, root.data, 0.0) or not all(
            same(float(g), p.grad, scales[p]) for g, p in pairs
        ):
            wrong.append(target)
    return wrong
