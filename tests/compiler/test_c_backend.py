"""The target "c": rows that change from run to run, any container of them, Ctrl-C, and threads."""

import array
import gc
import math
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest

from tests.c_compiler import needs_cc
from tests.models import ROWS, network, results
from tinygrad_edu import Value, compile_graph
from tinygrad_edu.engine.errors import LengthError, SettingError

pytestmark = [pytest.mark.slow, needs_cc]
MANY = np.random.default_rng(0).normal(size=(70, 3))


@pytest.fixture
def program():
    """A small network, with outputs of every kind."""
    program = network(6, target="c")
    program.vector = np.linspace(-1.0, 1.0, len(program.vector))
    return program


def expected(rows):
    """What NumPy gives."""
    other = network(6, target="numpy")
    other.vector = np.linspace(-1.0, 1.0, len(other.vector))
    return results(other, rows)


def assert_same(found, right):
    """Loss, gradient and outputs, up to rounding."""
    for mine, other in zip(found, right, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("counts", [(3, 70, 1, 8, 70, 3), (1, 2, 3, 4, 5), (70, 33, 69, 1)])
def test_rows_may_change_from_run_to_run(program, counts):
    """In number and in what they hold: nothing of earlier rows is left in loss or gradient."""
    for count in counts:
        rows = MANY[-count:]

        found = results(program, rows)

        assert_same(found, expected(rows))
        assert np.shape(found[2]) == (count, 4)


def test_fewer_rows_leave_no_gradient_of_more():
    """Gradients that no loop writes are 0, also where there were others before."""
    v, w, x = Value(2.0, "v"), Value(3.0, "w"), Value(0.1)
    asked, unused = (v * x).tanh(), (w * x).tanh()  # one loop computes both
    program = compile_graph(asked * asked, [x], target="c", outputs=[asked, unused])

    for rows in (np.linspace(0.1, 0.9, count)[:, None] for count in (9, 4, 1, 3, 9)):
        program.backward(rows)

        slopes = dict(zip([p.label for p in program.parameters], program.gradient, strict=True))
        h = np.tanh(2.0 * rows)
        assert slopes["w"] == 0.0
        assert slopes["v"] == pytest.approx(np.mean(2.0 * h * (1.0 - h * h) * rows), rel=1e-12)


def test_room_is_reused(program):
    """As long as there is enough; and vector and gradient stay where they are."""
    program.backward(MANY)
    stores = {name: id(program.backend.stores[name]) for name in ("u", "du", "b", "db", "i")}
    vector, gradient = program.vector, program.gradient

    for count in (70, 1, 69):
        program.backward(MANY[:count])

    assert {name: id(program.backend.stores[name]) for name in stores} == stores
    assert program.vector is vector
    assert program.gradient is gradient


@pytest.mark.parametrize(
    "rows",
    [
        [[math.nan, 0.0, 0.0]],
        [[0.0, 0.0, 0.0]] * 4 + [[0.0, 0.0, math.nan]],
        np.full((70, 3), np.nan),
        np.full((3, 3), np.nan, np.float32),
        [["a", "b", "c"]],
        [[1.0, 2.0]],
        np.zeros((0, 3)),
        np.zeros(3),
    ],
    ids=str,
)
def test_refused_data_leave_the_last_run_as_it_was(program, rows):
    """Loss, gradient and outputs, whether there are as many of them, more or fewer."""
    before = results(program, ROWS)

    with pytest.raises((SettingError, LengthError)):
        program.backward(rows)

    assert (program.loss, program.gradient.tolist(), program.outputs().tolist()) == before
    assert results(program, ROWS) == before


@pytest.mark.parametrize(
    "container",
    [
        lambda rows: rows.tolist(),
        lambda rows: [tuple(row) for row in rows.tolist()],
        lambda rows: [array.array("d", row) for row in rows.tolist()],
        lambda rows: rows.astype(np.float32),
        lambda rows: rows.astype(np.int64),
        lambda rows: rows.astype(np.int8),
        lambda rows: rows.astype(">f8"),
        lambda rows: rows > 0,
        lambda rows: np.asfortranarray(rows),
        lambda rows: np.repeat(rows, 2, axis=0)[::2],
        lambda rows: np.repeat(rows, 3, axis=1)[:, ::3],
        lambda rows: rows[::-1, ::-1],
        lambda rows: np.broadcast_to(rows[0], (5, 3)),
        lambda rows: rows.astype(object),
        lambda rows: np.matrix(rows),
    ],
)
@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_rows_may_stand_in_any_table(program, container):
    """Lists, arrays of every type, order and step: the numbers are those of a plain array."""
    rows = container(np.round(MANY[:5] * 3.0))
    plain = np.ascontiguousarray(np.array(rows, dtype=float))

    found = results(program, rows)

    assert found == results(program, plain)
    assert_same(found, expected(plain))


def test_rows_are_copied(program):
    """What is written to an array after a run changes nothing."""
    rows = MANY.copy()
    loss = program.backward(rows)
    rows[:] = np.nan

    assert program.backend.run(backward=False) == loss


WITHOUT_NUMPY = """
import sys
sys.modules["numpy"] = None
from tinygrad_edu import Value, compile_graph
w, x = Value(2.0), Value(0.0)
program = compile_graph((w * x).tanh() + w, [x], target="c", outputs=[w * x, x])
losses = [program.backward(rows).hex() for rows in ([[1.0], [3.0]], [[0.5]])]
program.vector = [p - 0.5 * g for p, g in zip(program.vector, program.gradient, strict=True)]
print(losses, program.vector.tolist(), program.outputs())
"""


@pytest.mark.slow
def test_numpy_is_not_needed():
    """Vectors are views of memory then, and outputs lists of rows."""
    w, x = Value(2.0), Value(0.0)
    program = compile_graph((w * x).tanh() + w, [x], target="c", outputs=[w * x, x])
    losses = [program.backward(rows).hex() for rows in ([[1.0], [3.0]], [[0.5]])]
    vector = program.vector - 0.5 * program.gradient

    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_NUMPY],
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        text=True,
    )

    assert done.stdout == f"{losses} {vector.tolist()} {program.outputs().tolist()}\n", done.stderr


def long_program():
    """A program whose runs take a tenth of a second, and its rows."""
    w, x = Value(0.5), Value(0.0)
    y = x
    for _ in range(40):
        y = (y * w + x).tanh()
    return compile_graph(y * y, [x], target="c"), np.linspace(-1.0, 1.0, 100_000)[:, None]


def test_ctrl_c_while_c_runs(tmp_path):
    """It comes when the run ends; what was computed does not look whole."""
    program, rows = long_program()
    right = program.backward(rows)
    begun = time.perf_counter()
    program.backward(rows)
    seconds = time.perf_counter() - begun
    caught = 0

    for _ in range(5):
        timer = threading.Timer(seconds / 2.0, os.kill, (os.getpid(), signal.SIGINT))
        try:
            timer.start()
            program.backward(rows)
            time.sleep(10.0)
        except KeyboardInterrupt:
            caught += 1
        timer.join()
        assert math.isnan(program.loss) == math.isnan(program.gradient[0])
        assert program.loss == right or math.isnan(program.loss)

    assert caught == 5
    assert program.backward(rows) == right


def test_threads_take_turns_and_copies_run_at_once(switching_often):
    """One program gives each thread the loss of its own rows; a copy has memory of its own."""
    program = network(6, target="c")
    tables = [MANY[at : at + at + 1] for at in range(16)]
    right = [fresh_loss(program, table) for table in tables]

    with ThreadPoolExecutor(4) as threads:
        for _ in range(20):
            assert [*threads.map(program.backward, tables)] == right
        copies = [deepcopy(program) for _ in tables]
        pairs = [*threads.map(lambda copy, table: copy.backward(table), copies, tables)]

    assert pairs == right


def fresh_loss(program, rows):
    """What a copy gives that has not run."""
    return deepcopy(program).backward(rows)


def test_other_threads_run_meanwhile():
    """The lock of the interpreter is free while C runs."""
    program, rows = long_program()
    program.backward(rows)
    turns = []
    stop = threading.Event()
    other = threading.Thread(
        target=lambda: [turns.append(stop.wait(0.001)) for _ in range(10_000) if not stop.is_set()]
    )
    other.start()

    before = len(turns)
    for _ in range(3):
        program.backward(rows)
    during = len(turns) - before
    stop.set()
    other.join()

    assert during > 20


def test_memory_is_freed_without_the_collector():
    """Stores and library, also those of a number of rows that is not there any more."""
    gc.disable()
    try:
        program = network(6, target="c")
        program.backward(MANY[:3])
        program.backward(MANY)
        backend = program.backend
        parts = [
            program,
            backend,
            backend.library,
            backend.passes,
            program.vector,
            program.gradient,
        ]
        alive = [weakref.ref(part) for part in parts]
        del program, backend, parts
        assert [part() for part in alive if part() is not None] == []
    finally:
        gc.enable()


def test_a_vector_outlives_its_program():
    """It is memory of its own, which is not freed before the last view of it."""
    program = network(6, target="c")
    program.backward(ROWS)
    vector, gradient = program.vector, program.gradient
    before = vector.tolist(), gradient.tolist()

    del program
    gc.collect()
    np.zeros(10_000)

    assert (vector.tolist(), gradient.tolist()) == before


def test_the_source_is_what_runs():
    """It is C, with each loop as a comment above what is made of it."""
    program = network(6, target="c")

    assert "double run(const struct space *s, int with_gradient)" in program.source
    assert all(f"/* {loop} */" in program.source for loop in program._plan.forward)
