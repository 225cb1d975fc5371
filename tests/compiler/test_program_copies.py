"""Programs travel: copies and pickles run without a trace, and give the same bits."""

import copy
import gc
import pickle
import subprocess
import sys
import threading
from weakref import ref

import pytest

from tests.models import GRAPHS, ROWS, network, results
from tinygrad_edu import Value, as_function, exp
from tinygrad_edu.compiler import compile_graph
from tinygrad_edu.engine.errors import SettingError, StaleGraphError
from tinygrad_edu.nn import MLP, cross_entropy

WAYS = {
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
    **{
        f"pickle {protocol}": lambda x, protocol=protocol: pickle.loads(pickle.dumps(x, protocol))
        for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)
    },
}
ways = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


def bits(program, X=ROWS):
    """What a run gives, and what the program knows of its graph."""
    return *results(program, X), str(program.tape)


@ways
@pytest.mark.parametrize("settings", [{}, {"reduce": "sum"}, {"dtype": "float32"}], ids=str)
def test_a_copy_gives_the_same_bits(anywhere, way, settings):
    """With the numbers it has, not those of the Values; it has not run, and then goes its own way.

    Inside a fault single precision is double precision, as for all graphs.
    """
    if settings.get("dtype") == "float32" and anywhere in ("python", "c", "javascript"):
        pytest.skip("float32 is NumPy's")
    program = network(4, target=anywhere, **settings)
    program.vector = program.vector * 1.25
    before = bits(program)

    twin = way(program)

    assert (twin.loss, twin.gradient.tolist()) == before[:2]
    assert (twin.settings, repr(twin), twin.source) == (
        program.settings,
        repr(program),
        program.source,
    )
    with pytest.raises(SettingError, match="nothing has run yet"):
        twin.outputs()
    assert bits(twin) == before
    twin.vector = twin.vector * 2.0
    twin.backward(ROWS[:1])
    assert bits(program) == before
    assert bits(way(way(twin))) == bits(twin)


@ways
def test_a_copy_pulls_pushes_and_rebinds(anywhere, way):
    """Its parameters and constants are leaves of its own; those of ``copy.copy`` are the same."""
    w, c = Value(3.0, "w"), Value(0.5).detach()
    program = compile_graph(w * (1.0 / c) + w**2, target=anywhere)

    twin = way(program)
    (mine,) = twin.parameters
    (constant,) = [v for v in twin._constants.values if v.data == 0.5]
    mine.data, constant.data = 5.0, 0.25
    twin.pull()
    assert twin.backward() == 45.0
    twin.push()

    shared = way is copy.copy
    assert (mine is w, mine.label, mine.grad) == (shared, "w", 14.0)
    assert program.forward() == 15.0
    program.pull()
    assert program.forward() == (45.0 if shared else 15.0)
    v = Value(1.0)
    twin.rebind(v * (1.0 / Value(2.0).detach()) + v**2)
    assert twin.forward() == 1.5
    assert program.parameters == (w,)
    with pytest.raises(StaleGraphError):
        twin.rebind(v * (1.0 / Value(2.0).detach()) + v**3)


@pytest.mark.parametrize("way", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))])
def test_a_model_and_its_program_stay_together(way):
    """What travels in one parcel shares what it shared: ``push`` writes into the model's copy."""
    model = MLP(2, [3, 2])
    x = [Value(0.3), Value(0.7)]
    program = compile_graph(cross_entropy(model(x), [1.0, 0.0]), x)

    twin, copied = way((model, program))
    copied.vector[:] = 0.5
    copied.push()

    assert {p.data for p in twin.parameters()} == {0.5}
    assert {*copied.parameters} == {*twin.parameters()}
    assert 0.5 not in {p.data for p in model.parameters()}


def test_another_process_need_not_trace():
    """A worker gets the bytes, and nothing of what the graph was built by."""
    program = network(4)
    program.backward(ROWS)
    code = (
        "import pickle, sys; program = pickle.load(sys.stdin.buffer); "
        f"print(program.backward({ROWS}), program.gradient.tolist())"
    )

    found = subprocess.run(
        [sys.executable, "-c", code], input=pickle.dumps(program), capture_output=True, check=True
    )

    assert found.stdout.decode().strip() == f"{program.loss} {program.gradient.tolist()}"


def test_a_pickle_is_light():
    """Thirty bytes for each node at most: the graph between the leaves does not travel."""
    model = MLP(20, [30, 10])
    x = [Value(0.1) for _ in range(20)]
    program = compile_graph(sum(model(x)) ** 2, x)

    assert len(pickle.dumps(program)) < 3000 + 30 * program.stats["nodes"] + 100 * len(
        program.parameters
    )


def test_a_row_outside_the_table_is_copied_but_not_pickled():
    """A row by the name of another would come back as that one."""
    from dataclasses import replace

    from tinygrad_edu.engine import ops

    other = as_function(replace(ops.EXP, forward=lambda xp, x: xp.exp(-x)))
    program = compile_graph(other(Value(1.0)) * exp(Value(1.0)))

    assert copy.deepcopy(program).forward() == pytest.approx(1.0)
    with pytest.raises(SettingError, match="the row 'exp' can't be pickled"):
        pickle.dumps(program)


@pytest.mark.usefixtures("switching_often")
def test_threads_take_turns(target):
    """Each call of a method is whole: the loss it returns belongs to the rows it was given."""
    program = network(4, target=target)
    data = [[[0.1 * i, 0.2, -0.3 * k] for k in range(i + 1)] for i in range(8)]
    right = [bits(program, X)[0] for X in data]
    wrong = []

    def run(mine):
        for _ in range(60):
            for i in mine:
                if program.backward(data[i]) != right[i]:
                    wrong.append(i)
                program.outputs()
                program.pull()
                program.push()

    threads = [threading.Thread(target=run, args=(range(k, 8, 4),)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []
    assert bits(program, data[3])[0] == right[3]


@pytest.mark.usefixtures("switching_often")
def test_a_copy_for_each_thread_has_its_own_gradient(target):
    """They share no number, so gradients need no turns."""
    program = network(4, target=target)
    data = [[[0.1 * i, 0.2, -0.3]] * (i + 1) for i in range(4)]
    right = [bits(program, X) for X in data]
    wrong = []

    def run(i):
        mine = copy.deepcopy(program)
        wrong.extend(i for _ in range(30) if bits(mine, data[i]) != right[i])

    threads = [threading.Thread(target=run, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []


@pytest.mark.parametrize("name", GRAPHS)
def test_every_model_travels(target, name):
    """Its plan is made anew from the tape, to the same bits."""
    program = compile_graph(GRAPHS[name][0](), target=target)

    assert bits(pickle.loads(pickle.dumps(program)), None) == bits(program, None)


@ways
def test_a_copy_dies_when_it_is_dropped(target, way):
    """No circle keeps it, or its original, until the collector comes."""
    program = network(4, target=target)
    twin = way(program)
    there = [ref(one) for one in (program, twin, program.backend, twin.backend)]
    bits(program)
    bits(twin)

    gc.disable()
    try:
        del program, twin
        assert [one() for one in there] == [None] * 4
    finally:
        gc.enable()
