"""What a program costs: its memory goes when it is dropped, and its seconds are all named."""

import builtins
import gc
import tracemalloc
import weakref
from random import Random
from time import perf_counter

import numpy as np
import pytest

from benchmarks.widths import GRAPHS, network
from tests.targets import TARGETS
from tinygrad_edu import Value, compile_graph, nn
from tinygrad_edu.compiler.numpy_backend import MOST_SPACES
from tinygrad_edu.course.faults import fault
from tinygrad_edu.engine import topological_order
from tinygrad_edu.engine.collector import collector_paused


def sample():
    """The loss of a small network for one sample, and its inputs."""
    x = [Value(0.1) for _ in range(3)]
    model = nn.MLP(2, [4, 1], activation="tanh", rng=Random(0))
    return nn.mse(model(x[:2]), x[2]), x


def irregular(steps, live=200):
    """A deep graph of random operations on random operands: about 4 are alike at any depth."""
    rng = Random(0)
    pool = [Value(rng.uniform(-1.0, 1.0)) for _ in range(live)]
    for _ in range(steps):
        a, b = rng.choice(pool), rng.choice(pool)
        kind = rng.random()
        pool[rng.randrange(live)] = (
            (a + b) * 0.5
            if kind < 0.3
            else a * b
            if kind < 0.6
            else (a - b).tanh()
            if kind < 0.8
            else a.relu() + 0.1
        )
    return sum(pool)


@pytest.mark.parametrize("target", ["auto", *TARGETS, "graph"])
@pytest.mark.parametrize("by_row", [True, False])
def test_a_dropped_program_is_freed_without_the_collector(target, by_row):
    """Nothing of it refers to itself in a circle: neither its code nor its buffers."""
    (loss, inputs), rows = sample(), [[0.1, 0.2, 0.3]] * 5
    with collector_paused():
        if target == "graph":
            with fault("assign instead of accumulate"):
                program = compile_graph(loss, inputs if by_row else ())
                program.backward(rows if by_row else None)
        else:
            program = compile_graph(loss, inputs if by_row else (), target=target)
            program.backward(rows if by_row else None)
        parts = [program, program.backend, program.plan, program.tape]
        if hasattr(program.backend, "binds"):
            parts += [program.backend.space.b, program.backend.u, *program.backend.binds]
        elif target == "c":
            parts += [program.backend.library, *program.backend.stores.values()]
        elif target == "javascript":
            parts += [program.backend.home, program.backend.vector]
        elif target != "graph":
            parts += [function for functions in program.backend.passes for function in functions]
        alive = [weakref.ref(part) for part in parts]

        del program, parts

        assert [type(part()) for part in alive if part() is not None] == []


def test_programs_made_and_dropped_leave_nothing_behind():
    """Twenty of them hold less than one does while it lives, with the collector off."""
    loss, inputs = sample()
    rows = np.ones((5000, 3))

    def held(count):
        tracemalloc.start()
        for _ in range(count):
            compile_graph(loss, inputs).backward(rows)
        now, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return now

    with collector_paused():
        held(2)
        assert held(20) < 300_000  # the buffers of one take 1 MB


def test_buffers_of_other_numbers_of_rows_are_freed_without_the_collector():
    """Forty sizes of about 19,000 rows: no more are alive than are kept."""
    loss, inputs = sample()
    program = compile_graph(loss, inputs)
    rows = np.ones((19_040, 3))
    buffers = []

    with collector_paused():
        for count in range(19_000, 19_040):
            program.backward(rows[:count])
            buffers.append(weakref.ref(program.backend.space.b))

        alive = [i for i, buffer in enumerate(buffers) if buffer() is not None]
    assert alive == [*range(40 - MOST_SPACES, 40)]


def test_the_source_is_compiled_once(monkeypatch):
    """And not again for another number of rows."""
    loss, inputs = sample()
    program = compile_graph(loss, inputs)
    calls = []
    monkeypatch.setattr(builtins, "compile", lambda *arguments: calls.append(arguments))

    for count in range(1, 5):
        program.backward(np.ones((count, 3)))

    assert calls == []


PIECE = 4_000_000  # what Python's compiler takes for a piece of code, however long the program


@pytest.mark.slow
@pytest.mark.parametrize("steps", [10_000, 30_000])
def test_an_irregular_graph_takes_about_a_kilobyte_per_node(steps):
    """At most, at any moment while it is compiled; with NumPy, whose views are objects, 1.6."""
    root = irregular(steps)
    nodes = len(topological_order(root))
    for target, most in (("auto", 1024), ("numpy", 1600)):
        compile_graph(irregular(100), target=target)  # what is imported and cached
        gc.collect()
        tracemalloc.start()

        program = compile_graph(root, target=target)

        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < most * nodes + PIECE, target
        assert program.stats["target"] == ("python" if target == "auto" else target)


def test_a_balanced_tree_is_no_single_line():
    """Its lines are bounded in length, not only in depth."""
    level = [Value(float(i)) for i in range(4096)]
    while len(level) > 1:  # no gradient reads these numbers, so none of them needs a name
        level = [(a + b) * 0.5 for a, b in zip(level[::2], level[1::2], strict=True)]

    program = compile_graph(level[0], target="python")

    assert max(map(len, program.source.splitlines())) < 3000
    assert program.backward() == pytest.approx(level[0].data, rel=1e-12)


@pytest.mark.parametrize(
    ("root", "target"),
    [
        (GRAPHS["irregular, 1e4"], "auto"),
        (GRAPHS["irregular, 1e4"], "numpy"),
        (GRAPHS["Kalman filter, 40 steps"], "auto"),
        (lambda: network(20, (32, 16, 4)), "auto"),
    ],
)
def test_the_stages_are_all_there_is(root, target):
    """Their seconds add up to the time of compile_graph, to a few per cent."""
    graph = root()
    compile_graph(graph, target=target)
    start = perf_counter()
    stages = compile_graph(graph, target=target).stats["seconds"]
    whole = perf_counter() - start

    assert {"record", "passes", "gather", "plan", "write", "compile", "bind"} <= stages.keys()
    assert sum(stages.values()) == pytest.approx(whole, rel=0.05)
