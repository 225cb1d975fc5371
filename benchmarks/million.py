"""A graph of a million nodes, compiled in a process of its own, so that its peak memory is its own.

The limits are set on that process: what needs more than 60 s of CPU time or 4 GiB is stopped there,
and its row says so.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from math import isclose
from pathlib import Path
from random import Random
from time import process_time
from typing import Any

from benchmarks.workloads import chain, random_program, run
from tinygrad_edu import Value, compile_graph
from tinygrad_edu.nn import MLP, cross_entropy

SECONDS, GIBIBYTES = 60, 4
STAGES = ("build", "compile", "run")
TOO_MUCH_MEMORY = 3  # exit codes of the process
WRONG = 4


def dense(nodes: int) -> Value:
    """The mean cross entropy of MLP(64, [32, 10]), over as many samples as make so many nodes."""
    model, rng = MLP(64, [32, 10], rng=Random(0)), Random(1)
    samples = [[Value(rng.random()).detach() for _ in range(64)] for _ in range(nodes // 4900)]
    losses = [cross_entropy(model(x), i % 10) for i, x in enumerate(samples)]
    return sum(losses, Value(0.0)) * (1.0 / len(losses))


GRAPHS: Mapping[str, Callable[[int], Value]] = {
    "dense network's batch": dense,
    "random graph": lambda nodes: run(random_program(nodes, Random(0)), Value)[0],
    "chain": lambda nodes: chain(nodes - 2, Value)[0],
}
CASES = (
    ("dense network's batch", "numpy"),
    ("random graph", "numpy"),
    ("chain", "auto"),
)


def measure_million(nodes: int, cases: Sequence[tuple[str, str]] = CASES) -> list[dict[str, Any]]:
    """For each case nodes, CPU seconds of each stage and MiB at most; or where it was stopped."""
    return [measure_case(graph, target, nodes) for graph, target in cases]


def measure_case(
    graph: str, target: str, nodes: int, gibibytes: float = GIBIBYTES
) -> dict[str, Any]:
    """One case, in a new process; ``stopped`` says why it did not come to an end."""
    print(f"  {graph} of {nodes:,} nodes, target {target}", file=sys.stderr)
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.million", graph, target, str(nodes), str(gibibytes)],
        cwd=Path(__file__).parents[1],
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},  # its threads would take address space
        capture_output=True,
        text=True,
        check=False,
    )
    figures: dict[str, Any] = {"graph": graph, "target": target, "asked": nodes}
    for line in done.stdout.splitlines():
        figures |= json.loads(line)
    reached = sum(f"{stage}_seconds" in figures for stage in STAGES)
    if done.returncode:
        reasons = {
            -signal.SIGXCPU: f"more than {SECONDS} s",
            TOO_MUCH_MEMORY: f"more than {gibibytes:g} GiB",
            WRONG: "another result than the graph's",
        }
        last = (done.stderr.splitlines() or [f"exit code {done.returncode}"])[-1]
        where = (*STAGES, "run")[reached]  # a wrong result comes after all stages
        figures["stopped"] = f"{where}: {reasons.get(done.returncode, last)}"
    return figures


def main(graph: str, target: str, nodes: int, gibibytes: float) -> int:
    """Build, compile and run; print the figures of each stage as it ends."""
    import resource

    memory = int(gibibytes * 2**30)
    resource.setrlimit(resource.RLIMIT_AS, (memory, resource.getrlimit(resource.RLIMIT_AS)[1]))
    try:
        root = _timed("build", lambda: GRAPHS[graph](nodes))
        program = _timed("compile", lambda: compile_graph(root, target=target))
        _say(nodes=program.stats["nodes"], peak_mib=peak_mib())
        loss = _timed("run", program.backward)
    except MemoryError:
        return TOO_MUCH_MEMORY
    return 0 if isclose(loss, root.data, rel_tol=1e-9) else WRONG


def _timed(stage: str, work: Callable[[], Any]) -> Any:
    """What ``work`` returns; the system ends this process when it takes too many CPU seconds."""
    import resource

    start = process_time()
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (int(start) + SECONDS + 1, hard))
    result = work()
    _say(**{f"{stage}_seconds": process_time() - start})
    return result


def _say(**figures: float) -> None:
    print(json.dumps(figures), flush=True)


def peak_mib() -> float:
    """The most memory this process ever held. Not ``ru_maxrss``: on Linux that is inherited."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


if __name__ == "__main__":
    code = main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
    sys.stdout.flush()
    os._exit(code)  # a graph of millions needs no tidying up
