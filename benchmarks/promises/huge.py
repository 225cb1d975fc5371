"""The promises of huge graphs: an answer within a second, and one in time from every output."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from time import perf_counter, process_time
from typing import Any

from benchmarks.promises.promise import Finding
from benchmarks.timing import progress
from benchmarks.workloads import chain, random_program, run
from tinygrad_edu import Value, topological_order
from tinygrad_edu.engine.errors import MissingExtraError, SettingError, TinygradEduError
from tinygrad_edu.explain import explain, graph_stats, trace_nonfinite
from tinygrad_edu.nn import MLP
from tinygrad_edu.viz import draw
from tinygrad_edu.viz.drawing import FORMATS, STYLES
from tinygrad_edu.viz.layout import graphviz

SECONDS, DOT_SECONDS, OUTPUT_SECONDS = 1.0, 10.0, 15.0


def too_much(rounds: int) -> Finding:
    """Graphs of over 2,000 nodes in every style: an answer within a second, best of three."""
    faults, slowest, answers = [], (0.0, ""), 0
    cases = [(name, style, most) for name in HUGE for style in (None, *STYLES) for most in (150, 0)]
    roots = {name: build() for name, build in HUGE.items()}
    for name, style, most in progress(cases, "  huge graphs"):
        if not most and name not in WHOLE:
            continue
        seconds = min(timed(lambda: answer(roots[name], style, most)) for _ in range(rounds))  # noqa: B023
        what = f"{name}, {style or 'any'} style, {most or 'all'} nodes"
        slowest = max(slowest, (seconds, what))
        answers += 1
        if seconds > SECONDS:
            faults.append(f"{what}: {seconds:.2f} s")
    waited = patience(DOT_SECONDS if rounds > 1 else 0.3)
    if waited > DOT_SECONDS + 1.0:
        faults.append(f"dot ran {waited:.1f} s")
    words = f"{answers} answers, slowest {slowest[0]:.2f} s ({slowest[1]})"
    figure = {"slowest": slowest[0], "dot": waited}
    return Finding(f"{words}; a dot that hangs is given up after {waited:.1f} s", faults, figure)


def answer(root: Value, style: str | None, most: int) -> None:
    """A picture, or a refusal in words."""
    try:
        figure = draw(root, style, max_nodes=most or None)
        if not (figure.svg() and str(figure)):
            raise ValueError("an empty figure")
    except SettingError as error:
        if "Fix" not in str(error):
            raise


def _network() -> Value:
    model = MLP(20, [20, 20, 3], rng=Random(0))
    return sum(model([Value(0.1 * i) for i in range(20)]), Value(0.0))


HUGE: dict[str, Callable[[], Value]] = {
    "random graph of 2,100": lambda: run(random_program(2_100, Random(0)), Value)[0],
    "chain of 2,100 that share a leaf": lambda: chain(2_100, Value)[0],
    "MLP(20, [20, 20, 3])": _network,
    "random graph of 20,000": lambda: run(random_program(20_000, Random(0)), Value)[0],
    "chain of 20,000": lambda: chain(20_000, Value)[0],
}
WHOLE = tuple(HUGE)[:3]


def timed(work: Callable[[], Any]) -> float:
    """CPU seconds of this process and of those it waited for."""
    start, before = process_time(), os.times()
    work()
    after = os.times()
    children = after.children_user + after.children_system
    return process_time() - start + children - before.children_user - before.children_system


def patience(seconds: float) -> float:
    """How long a ``dot`` that never answers is waited for."""
    path, limit = os.environ["PATH"], graphviz.TIMEOUT
    with tempfile.TemporaryDirectory() as folder:
        slow = Path(folder) / "dot"
        slow.write_text("#!/bin/sh\nexec sleep 60\n", encoding="ascii")
        slow.chmod(slow.stat().st_mode | stat.S_IXUSR)
        os.environ["PATH"] = f"{folder}{os.pathsep}{path}"
        graphviz.TIMEOUT = min(limit, seconds) if seconds < 1.0 else limit
        start = perf_counter()
        try:
            draw(Value(1.0, "x") + 1.0).svg()
        except TinygradEduError:
            pass
        finally:
            os.environ["PATH"], graphviz.TIMEOUT = path, limit
        return perf_counter() - start


def every_output(graphs: int) -> Finding:
    """So many huge graphs, their last 150 values and all, in every output: what comes, and when."""
    faults, slowest, made, refused = [], (0.0, ""), 0, 0
    cases = [
        (name, most, kind)
        for name in list(HUGE)[:graphs]
        for most in (150, None)
        for kind in (*OUTPUTS, *FORMATS)
    ]
    roots = {name: HUGE[name]() for name in list(HUGE)[:graphs]}
    for root in roots.values():
        root.backward()
    for name, most, kind in progress(cases, "  huge graphs, every output"):
        what = f"{name}, {most or 'all'} nodes, {kind}"
        start = perf_counter()
        try:
            made += bool(output(roots[name], most, kind))
        except MissingExtraError:
            faults.append(f"{what}: what makes it is not installed")
        except SettingError as error:
            refused += 1
            if "Fix" not in str(error):
                faults.append(f"{what}: refused without advice")
        except Exception as error:
            faults.append(f"{what}: {type(error).__name__}: {error}"[:200])
        slowest = max(slowest, (perf_counter() - start, what))
        if perf_counter() - start > OUTPUT_SECONDS:
            faults.append(f"{what}: {perf_counter() - start:.1f} s")
    words = f"{made} outputs, {refused} refused in words, {len(faults)} faults"
    return Finding(f"{words}; slowest {slowest[0]:.1f} s ({slowest[1]})", faults)


def output(root: Value, most: int | None, kind: str) -> int:
    """Make one; how long it is."""
    if kind not in FORMATS:
        return len(OUTPUTS[kind](root, most))
    with tempfile.TemporaryDirectory() as folder:
        file = draw(root, max_nodes=most).save(Path(folder) / f"figure.{kind}")
        return file.stat().st_size


OUTPUTS: dict[str, Callable[[Value, int | None], str]] = {
    "a step": lambda root, most: draw(root, max_nodes=most).svg(-1),
    "notebook": lambda root, most: str(draw(root, max_nodes=most)._repr_mimebundle_()),
    "folded": lambda root, most: draw(root, "folded", max_nodes=most).svg(),
    "explain": lambda root, _: explain(topological_order(root)[0], root)._repr_html_(),
    "graph_stats": lambda root, _: str(graph_stats(root)),
    "trace_nonfinite": lambda root, _: str(trace_nonfinite(root)),
    "repr": lambda root, _: repr(root),
}
