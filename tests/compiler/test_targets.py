"""What runs a tape: matrices where there is width, else straight-line Python."""

import pickle
import subprocess
import sys
from time import process_time

import numpy as np
import pytest

from benchmarks.widths import GRAPHS
from tests.tapes import read
from tests.targets import CC
from tinygrad_edu import Value
from tinygrad_edu.compiler import compile_graph, program, record, targets
from tinygrad_edu.compiler.c_library import compiler
from tinygrad_edu.compiler.targets import (
    CALL,
    CHAIN,
    NARROW,
    is_chain,
    plan_for,
    without_compiler,
)
from tinygrad_edu.engine.errors import MissingExtraError

NARROW_GRAPHS = ("chain of 2,000", "Kalman filter, 40 steps", "Gaussian process, n = 9")
WIDE_GRAPHS = ("MLP 4-8-3, 30 samples", "sums of dots, 1e4", "recurrent, hidden 16")


def chain(length, step):
    """A number on which the same is done so many times over, and its weight."""
    weight = Value(0.999)
    node = Value(0.5)
    for _ in range(length):
        node = step(node, weight)
    return node, weight


@pytest.mark.parametrize(
    ("name", "target"),
    [*((name, "python") for name in NARROW_GRAPHS), *((name, "numpy") for name in WIDE_GRAPHS)],
)
def test_narrow_graphs_are_straight_line_code(name, target):
    """The choice is told with its figures; vector and gradient are arrays of NumPy either way."""
    root = GRAPHS[name]()
    root.backward()

    program = compile_graph(root)
    program.backward()

    assert program.stats["target"] == target
    assert f"operations in {program.stats['instructions']:,} instructions" in program.stats["why"]
    assert isinstance(program.vector, np.ndarray)
    assert isinstance(program.gradient, np.ndarray)
    assert program.gradient == pytest.approx([p.grad for p in program.parameters], rel=1e-9)


@pytest.mark.parametrize("name", [*NARROW_GRAPHS, *WIDE_GRAPHS])
def test_the_choice_is_faster_than_eager_and_than_the_other_target(name):
    """Least CPU time of some runs, in turns; the targets are factors of 4 to 30 apart."""
    root = GRAPHS[name]()
    steps = [compile_graph(root, target=target).backward for target in ("auto", "numpy", "python")]
    seconds = [[], [], [], []]

    for _ in range(4):
        for step, times in zip([*steps, root.backward], seconds, strict=True):
            for _ in range(3):  # the first one of a block finds cold caches
                start = process_time()
                step()
                times.append(process_time() - start)

    auto, *others, eager = map(min, seconds)
    assert auto < eager
    assert auto < 2.0 * min(others)


def test_a_program_over_rows_is_numpys_as_a_single_precision_one_is():
    """However narrow, since there may be many rows, and since Python has no float32."""
    w, x = Value(2.0), Value(3.0)

    by_row, single = compile_graph((w * x).exp(), [x]), compile_graph(w * w, dtype="float32")

    assert (by_row.stats["target"], single.stats["target"]) == ("numpy", "numpy")
    assert "rows" in by_row.stats["why"]
    assert "float32" in single.stats["why"]


def test_what_is_asked_for_is_what_runs():
    """A chain on NumPy and a network on Python, if somebody wants to see it."""
    narrow, wide = GRAPHS["chain of 2,000"](), GRAPHS["MLP 4-8-3, 30 samples"]()

    assert compile_graph(narrow, target="numpy").stats["target"] == "numpy"
    program = compile_graph(wide, target="python")
    assert (program.stats["target"], program.stats["why"]) == (
        "python",
        'It was asked for: target="python".',
    )
    assert program.equations.forward == compile_graph(wide, target="numpy").equations.forward


@pytest.mark.slow
@pytest.mark.parametrize(
    ("step", "target"),
    [
        (lambda node, weight: (node * weight).tanh(), "python"),
        (lambda node, weight: node * weight + 0.01, "python"),
        (lambda node, weight: node + weight, "numpy"),  # one sum
    ],
)
def test_a_long_chain_is_straight_line_code(step, target):
    """It has nothing to do side by side; what is changed in the vector is pushed all the same."""
    root, weight = chain(11_000, step)

    program = compile_graph(root)
    program.backward()
    root.backward()

    assert program.stats["target"] == target
    at = program.parameters.index(weight)
    assert program.gradient[at] == pytest.approx(weight.grad, rel=1e-9)
    program.vector[at] = 0.5
    program.push()
    assert weight.data == 0.5


@pytest.mark.parametrize(("width", "expected"), [(1, True), (2, False)])
def test_a_chain_has_next_to_nothing_side_by_side(width, expected):
    """Two chains beside each other are two operations wide on average."""
    length = CHAIN // width + 1
    steps = [f"%{i} = tanh %{max(i - width, 0)}" for i in range(1, length * width + 1)]

    tape = read("\n".join(["%0 = parameter", *steps, f"return %{len(steps)}"]))

    assert is_chain(tape) is expected


def test_without_numpy_straight_line_code_is_left(monkeypatch):
    """For wide graphs and for rows, too; asked for NumPy, the message has the command for it."""
    monkeypatch.setitem(sys.modules, "numpy", None)
    w, x = Value(3.0), Value(0.0)
    wide = sum((w * float(k)).tanh() for k in range(2 * NARROW))

    program, by_row = compile_graph(wide), compile_graph(w * x, [x])

    assert (by_row.backward([[1.0], [2.0]]), list(by_row.gradient)) == (4.5, [1.5])
    for one in (program, by_row):
        assert (one.stats["target"], one.stats["why"]) == ("python", "NumPy is not installed.")
    for settings in ({"target": "numpy"}, {"dtype": "float32"}):
        with pytest.raises(MissingExtraError, match="needs numpy"):
            compile_graph(w * w, **settings)


def test_in_a_browser_without_numpy_it_is_javascript(monkeypatch):
    """For rows, and for graphs that have more to do than a call takes."""
    monkeypatch.setattr(targets, "extra", missing)
    monkeypatch.setattr(sys, "platform", "emscripten")
    w, x = Value(3.0), Value(0.0)

    def chosen(root, inputs=()):
        tape, _ = record(root, inputs)
        return targets.choose(tape, plan_for(tape, lambda _: None), len(inputs), "float64")[0]

    assert chosen(w * x, [x]) == "javascript"
    assert chosen(sum((w * float(k)).tanh() for k in range(CALL))) == "javascript"
    assert chosen(w * w) == "python"
    monkeypatch.setattr(targets, "extra", lambda *_: None)
    assert chosen(w * x, [x]) == "numpy"


def missing(module, *rest):
    """An import of what is not installed."""
    raise MissingExtraError(f"this needs {module}.")


def test_everything_before_the_writers_needs_the_standard_library_alone():
    """A graph is recorded, planned and differentiated, and its equations are written, in a process
    in which NumPy can't be imported."""
    script = """
import sys
sys.modules["numpy"] = None
from random import Random
from tinygrad_edu import Value, compile_graph, nn
x = [Value(0.1 * i) for i in range(4)]
loss = nn.cross_entropy(nn.MLP(4, [5, 3], rng=Random(0))(x), 1)
program = compile_graph(loss, x)
program.backward([[0.1, 0.2, 0.3, 0.4]])
print(program.stats["target"], program.stats["matrix_products"], len(str(program.plan)) > 300)
print(program.equations)
third_party = {name.partition(".")[0] for name in sys.modules} - sys.stdlib_module_names
print(*(name for name in third_party if not name.startswith("_")))
"""
    run = [sys.executable, "-c", script]

    lines = subprocess.run(run, capture_output=True, text=True, check=True).stdout.splitlines()

    assert lines[0] == "python 2 True"
    assert any("W1" in line for line in lines)
    assert {*lines[-1].split()} <= {"tinygrad_edu", "graphviz", "numpy"}  # numpy is None


def rowed():
    """Make a program on rows, by auto."""
    w, x = [Value(0.5, "w"), Value(-0.25, "w")], [Value(0.0), Value(0.0)]
    loss = (sum(a * b for a, b in zip(w, x, strict=True)).tanh() - 0.5) ** 2
    return compile_graph(loss, x, outputs=[loss])


@CC
@pytest.mark.parametrize("make", [rowed, lambda: compile_graph((Value(0.5) * 3.0).exp())])
def test_a_program_that_runs_often_becomes_machine_code(make, monkeypatch):
    """At the same run each time; with the same numbers, in the same memory."""
    monkeypatch.setattr(program, "price_of_c", lambda plan: 3.5)
    monkeypatch.setattr(program, "saved_by_c", lambda plan, target, rows: float(rows))
    rows = [[0.1, 0.2]] if make is rowed else None
    before = []
    for _ in range(2):
        made = make()
        vector, gradient = made.vector, made.gradient
        slow, found, targets = made.stats["target"], [], []

        for _ in range(6):
            found.append((made.backward(rows), *made.gradient))
            targets.append(made.stats["target"])
            made.vector = made.vector * 1.0

        assert targets == [slow] * 3 + ["c"] * 3
        assert made.stats["why"] == "It runs so often that compiling machine code pays."
        assert made.vector is vector
        assert made.gradient is gradient
        for numbers in found:
            assert numbers == pytest.approx(found[0], rel=1e-14)
        before.append(found)
    assert before[0] == before[1]


@CC
def test_a_program_that_will_run_often_becomes_machine_code_at_once(monkeypatch):
    """Told that it will not, it stays as it is; and so does a target that was asked for."""
    monkeypatch.setattr(program, "price_of_c", lambda plan: 10.0)
    monkeypatch.setattr(program, "saved_by_c", lambda plan, target, rows: 1.0)
    made, asked = rowed(), compile_graph((Value(1.0) * 2.0).exp(), target="python")
    loss = made.forward([[0.1, 0.2]])
    twin = pickle.loads(pickle.dumps(made))

    made.expect(runs=8)
    twin.expect(runs=5, beside=1.0)
    asked.expect(runs=100)
    for _ in range(20):
        made.forward([[0.1, 0.2]])

    assert (made.stats["target"], twin.stats["target"]) == ("numpy", "c")
    assert asked.stats["target"] == "python"
    assert twin.forward([[0.1, 0.2]]) == pytest.approx(loss, rel=1e-14)
    assert twin.outputs().tolist() == [[pytest.approx(loss, rel=1e-14)]]


def test_without_a_compiler_programs_stay_as_they_are(monkeypatch, tmp_path):
    """Asked for by name, that is said once; by itself, in the statistics."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for function in (compiler, without_compiler):
        function.cache_clear()
    try:
        root = (Value(0.5) * 3.0).exp()
        with pytest.warns(UserWarning, match="there is no C compiler") as told:
            asked = [compile_graph(root, target="c") for _ in range(3)]
        often = compile_graph(root)
        often.expect(runs=1e12)
    finally:
        for function in (compiler, without_compiler):
            function.cache_clear()

    assert len(told) == 1
    assert 'pip install "tinygrad_edu[c]"' in str(told[0].message)
    assert told[0].filename == __file__
    assert {one.stats["target"] for one in (*asked, often)} == {"python"}
    assert "there is no C compiler" in asked[0].stats["why"]
    assert "It has run often since, but there is no C compiler" in often.stats["why"]
    assert often.backward() == root.data
