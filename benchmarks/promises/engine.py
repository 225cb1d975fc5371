"""The engine's promises: depth, sums, memory, growth, agreement, the same bits, any order."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.promises import agreement, exact
from benchmarks.promises.promise import Finding, LeftOut, python, tool
from benchmarks.timing import bytes_held, progress
from tinygrad_edu import Value

MOST = {"backward": 2.0, "deepcopy": 2.0, "delete": 0.2}  # CPU seconds, from Python 3.11 on
BYTES, GROWTH = 230, 2**20
MINORS = ("3.10", "3.11", "3.12", "3.13")


def pythons() -> dict[str, str]:
    """The Pythons of this machine that the package supports: {minor version: program}."""
    found = {".".join(platform.python_version_tuple()[:2]): sys.executable}
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for minor in MINORS:
        places = [*sorted(versions.glob(f"{minor}.*/bin/python")), shutil.which(f"python{minor}")]
        for place in filter(None, places):
            if minor not in found and python("-c", "", program=str(place)).returncode == 0:
                found[minor] = str(place)
    return dict(sorted(found.items(), key=lambda pair: int(pair[0].partition(".")[2])))


def depth(nodes: int) -> Finding:
    """Every operation that walks a graph, under every Python of this machine."""
    there = pythons()
    figures: dict[str, dict[str, float]] = {}
    faults: list[str] = []
    for minor in progress(list(there), "  Pythons"):  # one at a time: their seconds count
        figures[minor], wrong = _deep(there[minor], nodes, "walks")
        faults += [f"Python {minor}: {line}" for line in wrong]
    with ThreadPoolExecutor(2) as pool:
        found = pool.map(lambda program: _deep(program, nodes, "compile"), there.values())
        for minor, (seconds, wrong) in zip(there, progress(found, "  compile"), strict=False):
            figures[minor] |= seconds
            faults += [f"Python {minor}: {line}" for line in wrong]
    slow = nodes / 1_000_000
    for minor, seconds in figures.items():
        faults += [
            f"Python {minor}: {name} took {seconds[name]:.2f} s, at most {most:g} s promised"
            for name, most in MOST.items()
            if minor != "3.10" and seconds.get(name, 0.0) > most * slow
        ]
    worst = {
        name: max(s.get(name, 0.0) for minor, s in figures.items() if minor != "3.10" or not s)
        for name in MOST
    }
    words = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in worst.items())
    count = max(map(len, figures.values()))
    measured = f"{count} operations on Python {', '.join(figures)}; at most {words} from 3.11 on"
    absent = [minor for minor in MINORS if minor not in there]
    return Finding(measured + _absent(absent), faults, figures)


def _absent(minors: list[str]) -> str:
    return f"; left out: Python {', '.join(minors)}, not on this machine" if minors else ""


def _deep(program: str, nodes: int, part: str) -> tuple[dict[str, float], list[str]]:
    """CPU seconds by operation, and what stopped them."""
    done = python("-m", "benchmarks.promises.deep", str(nodes), part, program=program)
    seconds = dict(json.loads(line) for line in done.stdout.splitlines())
    if done.returncode == 0:
        return seconds, []
    last = [*seconds, "the start"][-1] if not seconds else [*seconds][-1]
    words = (done.stderr.splitlines() or [f"exit code {done.returncode}"])[-1]
    return seconds, [f"after {last}: {words[:200]}"]


def sums(terms: int) -> Finding:
    """Python's own sum over Values, and each term's gradient."""
    values = [Value(0.5 * i) for i in range(terms)]
    total = sum(values)
    total.backward()
    faults = [] if total.data == 0.25 * terms * (terms - 1) else [f"the sum is {total.data}"]
    faults += [f"term {i} has gradient {v.grad}" for i, v in enumerate(values) if v.grad != 1.0]
    return Finding(f"{terms:,} terms", faults)


def memory(nodes: int) -> Finding:
    """Bytes of a node as tracemalloc counts them, with the float in it and its gradient."""

    def build(step: Callable[[Value, Value], Value]) -> Value:
        y = x = Value(1.1)
        for _ in range(nodes):
            y = step(y, x)
        y.backward(1.5)
        return y

    steps: dict[str, Callable[[Value, Value], Value]] = {
        "+": lambda y, x: y + x, "*": lambda y, x: y * x, "sin": lambda y, x: y.sin(),
        "with a number": lambda y, x: y * 0.5,
    }  # fmt: skip
    figures = {}
    for name, step in steps.items():
        root, held = bytes_held(lambda step=step: build(step))  # type: ignore[misc]
        figures[name] = held / nodes / (2 if name == "with a number" else 1)
        del root
    faults = [f"{name}: {size:.0f} bytes" for name, size in figures.items() if size > BYTES]
    return Finding(f"{max(figures.values()):.0f} bytes", faults, figures)


TRAINING = """
import gc, random, sys
gc.disable()
from tinygrad_edu.nn import MLP
model, rng = MLP(2, [16, 16, 1], rng=random.Random(0)), random.Random(1)
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096
for step in range(int(sys.argv[1]) + 200):
    if step == 200:
        before = resident()
    x, y = [rng.uniform(-1, 1), rng.uniform(-1, 1)], rng.choice((-1.0, 1.0))
    loss = (1.0 + -y * model(x)).relu() + 1e-4 * sum(p * p for p in model.parameters())
    loss.backward()
    for p in model.parameters():
        p.data -= 0.01 * p.grad
        p.grad = 0.0
    {extra}
print(resident() - before)
"""


def growth(steps: int, extra: str = "pass") -> Finding:
    """How much a process grows over so many training steps without a garbage collector."""
    if not Path("/proc/self/statm").exists():
        raise LeftOut("this system does not tell a process's size in /proc")
    done = python("-c", TRAINING.replace("{extra}", extra), str(steps))
    if done.returncode:
        return Finding("it failed", [done.stderr[-300:]])
    grown = int(done.stdout)
    faults = [f"{grown:,} bytes more"] if grown > GROWTH else []
    return Finding(f"{grown / 2**20:.2f} MiB", faults, {"bytes": grown})


def torch_programs(count: int) -> Finding:
    """Value and gradients of random programs, against PyTorch."""
    theirs = agreement.on_torch()
    return _agree(
        count, lambda program: agreement.differs(program, theirs, agreement.torch_grad), "PyTorch"
    )


def naive_programs(count: int) -> Finding:
    """Against the recursive engine of the tests, which shares no line with this one."""
    return _agree(count, agreement.differs_from_naive, "the naive engine")


def mpmath_programs(count: int) -> Finding:
    """Against slopes taken by mpmath from values alone, at more than 40 digits."""
    return _agree(count, exact.differs, "mpmath")


def _agree(count: int, differs: agreement.Differs, whom: str) -> Finding:
    faults = []
    for program in progress(list(agreement.programs_of_block(0, count)), f"  {whom}"):
        if differs(program):
            faults.append(agreement.shown(program, differs))
    return Finding(f"{count - len(faults):,} of {count:,} agree", faults)


def nasty_programs(count: int) -> Finding:
    """Zeros, infinities, nan, subnormals: no exception, nothing complex, nothing finite and wrong.

    Finite and wrong is what is neither PyTorch's number nor mpmath's.
    """
    theirs = agreement.on_torch()
    faults, counts = [], dict.fromkeys(("exceptions", "complex", "finite but wrong"), 0)
    for i in progress(range(count), "  nasty programs"):
        program = agreement.nasty_program(Random(f"nasty/{i}")).needed()
        kind = exact.verdict(program, theirs)
        if kind:
            counts[kind] += 1
            faults.append(f"{kind}:\n{program}")
    words = ", ".join(f"{number} {kind}" for kind, number in counts.items())
    return Finding(f"{words} in {count:,}", faults, counts)


def same_bits(processes: int) -> Finding:
    """Loss and gradients in hex from processes with random hash seeds and other addresses."""
    step = tool("test_same_bits").STEP
    answers = set()
    with ThreadPoolExecutor(2) as pool:
        jobs = [
            pool.submit(python, "-c", step, env={"PYTHONHASHSEED": "random", "LITTER": str(i * 97)})
            for i in range(processes)
        ]
        for job in progress(jobs, "  processes"):
            done: subprocess.CompletedProcess[str] = job.result()
            answers.add(done.stdout or done.stderr)
    answer = min(answers)
    faults = [] if len(answers) == 1 and answer.count("0x") > 100 else [answer[:200]]
    return Finding(f"{len(answers)} pattern{'s' * (len(answers) > 1)}", faults)


def state_machine(stories: int) -> Finding:
    """Build, change, walk, copy, pickle and drop in any order, both engines in step."""
    from hypothesis import settings
    from hypothesis.stateful import run_state_machine_as_test

    graphs: Any = tool("test_state_machine").Graphs
    plan = settings(
        max_examples=stories, stateful_step_count=40, deadline=None, database=None,
        print_blob=False,
    )  # fmt: skip
    try:
        run_state_machine_as_test(graphs, settings=plan)
    except AssertionError as error:
        return Finding("a story fails", [str(error)[:500]])
    return Finding(f"{stories:,} stories of up to 40 steps", [])
