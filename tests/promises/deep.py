"""Everything that walks a graph, on a chain of so many nodes: a line of JSON for each operation.

``python tests/promises/deep.py NODES`` needs the package alone, under any Python. It is a process
of its own so that a crash takes nobody with it, and is the operation whose line is missing. The
garbage collector runs, as it does for a learner.
"""

import copy
import json
import os
import pickle
import sys
from functools import partial
from math import isclose
from time import process_time

from tinygrad_edu import Value, compile_graph, topological_order, value_and_grad
from tinygrad_edu.explain import explain, graph_stats, trace_nonfinite
from tinygrad_edu.viz import draw
from tinygrad_edu.viz.drawing import STYLES

BEST_OF = 3
FACTOR = 1.0000001


def main(nodes):
    """Print the name of each operation and the best CPU seconds of its runs."""
    start = process_time()
    root, w = chain(nodes)
    say("build", process_time() - start)
    for name, runs, work, right in operations(root, w, nodes):
        seconds, deleted = [], []
        for _ in range(runs):
            start = process_time()
            result = work()
            seconds.append(process_time() - start)
            if not right(result):
                sys.exit(f"the result of {name} is wrong")
            start = process_time()
            del result
            deleted.append(process_time() - start)
        say(name, min(seconds))
        if name == "deepcopy":
            say("delete", min(deleted))


def chain(nodes):
    """Return 1 w w w ... w, so many products, and w."""
    w, y = Value(FACTOR, "w"), Value(1.0, "x")
    for _ in range(nodes):
        y = y * w
    return y, w


def operations(root, w, nodes):
    """Yield each operation: its name, how many runs, what is timed, and the check of its result."""

    def backward():
        w.grad = 0.0
        root.backward()

    def power(v):
        y = v
        for _ in range(nodes):
            y = y * v
        return y

    def is_root(other):
        return other.data == root.data

    slope = nodes * FACTOR ** (nodes - 1)
    yield "backward", BEST_OF, backward, lambda _: isclose(w.grad, slope, rel_tol=1e-6)
    yield "deepcopy", BEST_OF, lambda: copy.deepcopy(root), is_root
    yield "topological_order", 1, lambda: topological_order(root), lambda o: len(o) == nodes + 2
    yield "zero_grad", 1, root.zero_grad, lambda _: w.grad == 0.0
    yield "pickle", 1, lambda: pickle.loads(pickle.dumps(root)), is_root
    yield "explain", 1, lambda: str(explain(w, root)), bool
    yield "graph_stats", 1, lambda: graph_stats(root), lambda found: found.depth == nodes
    yield "trace_nonfinite", 1, lambda: str(trace_nonfinite(root)), bool
    yield "value_and_grad", 1, lambda: value_and_grad(power)(FACTOR), all
    for style in STYLES:
        yield f"draw, {style}", 1, partial(outputs, root, style), all
    for target in ("python", "auto"):
        run = partial(compiled_loss, root, target)
        yield f"compile, {target}", 1, run, lambda loss: isclose(loss, root.data, rel_tol=1e-9)


def outputs(root, style):
    """Return all outputs of a figure that need nothing installed."""
    figure = draw(root, style, engine="builtin")
    return figure.svg(), figure.html(), str(figure)


def compiled_loss(root, target):
    """Compile, run forward and backward, and return the loss."""
    return compile_graph(root, target=target).backward()


def say(name, seconds):
    """Print a line for the process that waits."""
    print(json.dumps([name, seconds]), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
    sys.stdout.flush()
    os._exit(0)  # a graph of millions needs no tidying up
