"""Programs as JavaScript in node, beside NumPy in Python: ``python -m benchmarks.javascript``.

The module that ``program.write("javascript")`` gives is timed by node itself, on the wall clock, as
is NumPy by Python: nothing is sent from one to the other. V8 makes machine code while a program
runs, so the first step is told, too. Before anyone is timed, the losses must agree.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, NamedTuple

from benchmarks.compiled import TOLERANCE, Sizes, Work, classes_work, moons_work
from benchmarks.report import Row, aligned
from benchmarks.timing import Disagreement

DRIVER = """
import {{ readFileSync }} from "node:fs";
import {{ create }} from "./step.mjs";
const data = JSON.parse(readFileSync("rows.json"));
const program = create(), X = Float64Array.from(data.flat());
const step = () => (X.length ? program.backward(X, data.length) : program.backward());
const seconds = [], started = performance.now();
let loss = NaN;
while (performance.now() - started < 1000 * {seconds} || seconds.length < 3) {{
    const start = performance.now();
    loss = step();
    seconds.push((performance.now() - start) / 1000);
}}
console.log(JSON.stringify([loss, seconds]));
"""


class Times(NamedTuple):
    """Seconds of the first step, and of a step once V8 has made machine code."""

    first: float
    later: float


def main(sizes: Sizes = Sizes(), seconds: float = 3.0) -> list[Row]:  # noqa: B008
    """Time three works; return the lines of the table."""
    works = (
        moons_work(sizes),
        classes_work("digits", sizes.digits, sizes.batches[0], {}),
        classes_work("MNIST size", sizes.mnist, sizes.batches[1], {}),
    )
    rows: list[Row] = [("", "first", "JavaScript", "numpy", "ratio")]
    for work in works:
        script, numpy = measured(work, seconds)
        cells = [f"{1e6 * time:,.0f} µs" for time in (script.first, script.later, numpy)]
        rows.append((work.problem.name, *cells, f"{script.later / numpy:.2f} x"))
    return rows


def measured(work: Work, seconds: float) -> tuple[Times, float]:
    """Time a step of a work in node and in NumPy, of each the median of the second half."""
    ours = work.compile("numpy")
    rows = ours.rows.tolist() if ours.rows is not None else []
    right = ours.step()
    loss, times = in_node(ours.program.write("javascript"), rows, seconds)
    if not abs(loss - right) <= TOLERANCE * abs(right):
        raise Disagreement(f"{work.problem.name}: {loss} in node, {right} with NumPy.")
    begun, numpy = perf_counter(), []
    while perf_counter() - begun < seconds or len(numpy) < 3:
        start = perf_counter()
        ours.step()
        numpy.append(perf_counter() - start)
    return Times(times[0], median(times[len(times) // 2 :])), median(numpy[len(numpy) // 2 :])


def in_node(module: str, rows: Any, seconds: float) -> tuple[float, list[float]]:
    """Run steps of a module for some seconds; return the loss, and the seconds of each step."""
    with TemporaryDirectory() as folder:
        Path(folder, "step.mjs").write_text(module, encoding="utf-8")
        Path(folder, "rows.json").write_text(json.dumps(rows))
        Path(folder, "driver.mjs").write_text(DRIVER.format(seconds=seconds))
        run = ["node", "driver.mjs"]
        found = subprocess.run(run, cwd=folder, capture_output=True, check=True).stdout
    loss, times = json.loads(found)
    return loss, times


if __name__ == "__main__":
    print("A step with its gradient, on the wall clock; medians of the second half of 3 seconds")
    print("\n".join(aligned(main())))
