"""Everything that walks a graph, on a chain of a million nodes, under any Python: figures as JSON.

Run in a process of its own, ``python -m benchmarks.promises.deep NODES walks|compile``: what
crashes takes nobody with it, and is the operation whose line is missing. Needs the package alone.
The garbage collector runs, as it does for a learner.
"""

from __future__ import annotations

import copy
import json
import os
import pickle
import sys
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from time import process_time
from typing import Any

from tinygrad_edu import Value, compile_graph, topological_order, value_and_grad
from tinygrad_edu.explain import explain, graph_stats, trace_nonfinite
from tinygrad_edu.viz import draw
from tinygrad_edu.viz.drawing import STYLES

BEST_OF = 3
FACTOR = 1.0000001
Operation = tuple[str, int, Callable[[], Any]]  # name, how many runs, work


class WrongResult(Exception):
    """An operation came to an end with another result."""


def main(nodes: int, part: str) -> None:
    """One line for each operation: name, and the best CPU seconds of its runs."""
    made = [chain(nodes)]
    if part == "compile":
        root, _ = made.pop()
        for name, times, work in compilations(root):
            say(name, min(timed(work) for _ in range(times)))
        return
    say("build", timed(lambda: made.append(chain(nodes))))
    root, w = made.pop()
    for name, times, work in walks(root, w, nodes):
        say(name, min(timed(work) for _ in range(times)))
    copies: list[Value] = []
    runs = [
        (timed(lambda: copies.append(copy.deepcopy(root))), equal(copies[0].data, root.data))
        and timed(copies.clear)
        for _ in range(BEST_OF)
    ]
    say("delete", min(runs))


def chain(nodes: int) -> tuple[Value, Value]:
    """1 w w w ... w, so many products: (result, w)."""
    w, y = Value(FACTOR, "w"), Value(1.0, "x")
    for _ in range(nodes):
        y = y * w
    return y, w


def walks(root: Value, w: Value, nodes: int) -> Iterator[Operation]:
    """Each operation on a graph but compiling."""
    yield "backward", BEST_OF, lambda: backward(root, w, nodes)
    yield "deepcopy", BEST_OF, lambda: copy.deepcopy(root)
    yield "topological_order", 1, lambda: equal(len(topological_order(root)), nodes + 2)
    yield "zero_grad", 1, root.zero_grad
    yield "pickle", 1, lambda: equal(pickle.loads(pickle.dumps(root)).data, root.data)
    yield "explain", 1, lambda: str(explain(w, root))
    yield "graph_stats", 1, lambda: str(graph_stats(root))
    yield "trace_nonfinite", 1, lambda: str(trace_nonfinite(root))
    yield "value_and_grad", 1, lambda: value_and_grad(lambda v: power(v, nodes))(FACTOR)
    for style in STYLES:
        yield f"draw, {style}", 1, partial(everything, root, style)


def compilations(root: Value) -> Iterator[Operation]:
    """For both targets, where they are."""
    targets = ("python", "numpy") if find_spec("numpy") else ("python",)
    for target in targets:
        yield f"compile, {target}", 1, partial(compiled, root, target)


def backward(root: Value, w: Value, nodes: int) -> None:
    """A pass, and whether it is right: d(w^n)/dw = n w^(n - 1)."""
    w.grad = 0.0
    root.backward()
    expected = nodes * FACTOR ** (nodes - 1)
    if abs(w.grad - expected) > 1e-6 * expected:
        raise WrongResult(f"{w.grad} instead of {expected}")


def power(v: Value, nodes: int) -> Value:
    """v v v ... v"""
    y = v
    for _ in range(nodes):
        y = y * v
    return y


def everything(root: Value, style: str) -> None:
    """All outputs of a figure that need nothing installed."""
    figure = draw(root, style, engine="builtin")
    for output in (figure.svg(), figure.html(), str(figure)):
        if not output:
            raise WrongResult("an empty output")


def compiled(root: Value, target: str) -> None:
    """Compile and run, to the graph's own result."""
    loss = compile_graph(root, target=target).backward()
    if abs(loss - root.data) > 1e-9 * abs(root.data):
        raise WrongResult(f"{loss} instead of {root.data}")


def equal(found: float, expected: float) -> bool:
    """True, or an error."""
    if found != expected:
        raise WrongResult(f"{found} instead of {expected}")
    return True


def timed(work: Callable[[], Any]) -> float:
    """CPU seconds; what the work returns is kept until the clock has stopped."""
    start = process_time()
    result = work()
    seconds = process_time() - start
    del result
    return seconds


def say(name: str, seconds: float) -> None:
    """A line for the process that waits."""
    print(json.dumps([name, seconds]), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
    sys.stdout.flush()
    os._exit(0)  # a graph of millions needs no tidying up
