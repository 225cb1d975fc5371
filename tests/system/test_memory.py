"""Memory: a graph dies with its root, a node is small, training does not grow."""

import gc
import math
import subprocess
import sys
import tracemalloc
from pathlib import Path
from random import Random

import pytest

from tests.programs import VALUES, random_program
from tinygrad_edu import Value, detect_anomaly, grad
from tinygrad_edu.engine.errors import AnomalyError, OperandError, StaleGraphError

ROOT = Path(__file__).parents[2]
DEEP = 1_000_000


@pytest.fixture(autouse=True)
def no_collector():
    """Without the garbage collector only reference counts free anything."""
    enabled = gc.isenabled()
    gc.disable()
    gc.freeze()  # so that looking for what is alive looks at new objects only
    yield
    gc.unfreeze()
    if enabled:
        gc.enable()


def live_values():
    """How many Values there are in this process, reachable or not."""
    return sum(type(thing) is Value for thing in gc.get_objects())


def some_graph(seed=0):
    """A root in which much is shared."""
    return random_program(Random(seed), steps=200).run(VALUES)[-1]


def forward():
    """Build and drop."""
    some_graph()


def backward():
    """Build, walk, clear."""
    root = some_graph()
    root.backward()
    root.zero_grad()


def first_and_second_gradients():
    """Graphs inside the transforms."""
    grad(grad(lambda x: (x * x).tanh() * grad(lambda y: x * y)(x)))(0.5)


def a_stale_graph():
    """An error that names nodes."""
    x = Value(1.0)
    root = x * x
    x.data = 2.0
    with pytest.raises(StaleGraphError):
        root.backward()


def an_anomaly():
    """An error while a watcher looks on."""
    x = Value(0.0)
    with detect_anomaly(), pytest.raises(AnomalyError):
        x.log()


def a_refused_operand():
    """An error in the middle of an expression."""
    x = Value(2.0)
    with pytest.raises(OperandError):
        x.exp() * "2"


@pytest.mark.parametrize(
    "use",
    [forward, backward, first_and_second_gradients, a_stale_graph, an_anomaly, a_refused_operand],
)
def test_nothing_is_left_when_the_root_is_dropped(use):
    """Not one Value outlives the names that hold it: there are no reference cycles."""
    before = live_values()

    use()

    assert live_values() == before


def test_a_reference_cycle_would_be_seen():
    """A node that holds on to itself stays: so the test above can fail."""
    before = live_values()
    node = Value(1.0) * 2.0
    node._label = label = [node]

    del node
    left = live_values() - before
    label.clear()

    assert left == 3
    del label
    assert live_values() == before


def test_part_of_a_graph_lives_on():
    """Dropping the root frees what only the root needed."""
    before = live_values()
    x = Value(2.0)
    hidden = x * x
    root = (hidden + 1.0).exp()

    del root

    assert live_values() - before == 2
    assert hidden.inputs == (x, x)


def train(steps, parameters, rng):
    """As many steps of gradient descent on one neuron, written out."""
    for _ in range(steps):
        x, y = rng.uniform(-1.0, 1.0), rng.uniform(-1.0, 1.0)
        prediction = (parameters[0] * x + parameters[1] * y + parameters[2]).tanh()
        loss = (prediction - math.tanh(x - y)) ** 2
        loss.backward()
        for p in parameters:
            p.data -= 0.1 * p.grad
            p.grad = 0.0
    return loss.data


def test_500_training_steps_do_not_grow():
    """Warmed up, then 500 steps with the collector off: less than one graph's worth of bytes."""
    parameters, rng = [Value(0.1 * i) for i in range(3)], Random(0)
    tracemalloc.start()
    train(50, parameters, rng)
    before = tracemalloc.get_traced_memory()[0]

    train(500, parameters, rng)

    growth = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert growth < 1024


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


def growth_of_a_process(steps, extra="pass"):
    """Return the bytes that a process grows by, over so many steps of training a network."""
    if not Path("/proc/self/statm").exists():
        pytest.skip("this system does not tell the size of a process in /proc")
    command = [sys.executable, "-c", TRAINING.replace("{extra}", extra), str(steps)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.slow
@pytest.mark.promise(name="growth")
def test_a_process_that_trains_grows_by_at_most_a_mebibyte(cases, measured):
    """Over 10,000 steps, with the garbage collector off."""
    grown = growth_of_a_process(cases)

    assert grown <= 2**20
    measured(f"{grown / 2**20:.2f} MiB")


@pytest.mark.slow
def test_a_process_that_keeps_its_graphs_would_be_seen():
    """A hundred graphs are more than a mebibyte: so the test above can fail."""
    assert growth_of_a_process(100, "globals().setdefault('kept', []).append(loss)") > 2**20


def test_a_growing_loop_would_be_seen():
    """One float kept per step is 500 floats: so the test above can fail."""
    kept, parameters, rng = [], [Value(0.1 * i) for i in range(3)], Random(0)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]

    for _ in range(500):
        kept.append(train(1, parameters, rng))

    growth = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert growth > 500 * sys.getsizeof(1.0)


STEPS = {
    "+": lambda y, x: y + x,
    "*": lambda y, x: y * x,
    "sin": lambda y, x: y.sin(),
    "a number": lambda y, x: y * 0.5,
}


@pytest.mark.promise(name="memory")
@pytest.mark.parametrize("walked", [False, True], ids=["built", "with gradients"])
@pytest.mark.parametrize("name", STEPS)
def test_a_node_takes_at_most_160_bytes(name, walked, cases, measured):
    """Object, number and gradient, as the allocator counts them; y * 0.5 makes two nodes."""
    step, x = STEPS[name], Value(1.1)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]

    y = x
    for _ in range(cases):
        y = step(y, x)
    if walked:
        y.backward(1.5)

    size = (tracemalloc.get_traced_memory()[0] - before) / cases
    tracemalloc.stop()
    size /= 2 if name == "a number" else 1
    assert 64 < size <= 160
    measured(f"{size:.0f} bytes")


def test_a_value_has_no_dictionary():
    """Slots alone: what makes it small."""
    assert not hasattr(Value(1.0), "__dict__")
    assert not hasattr(Value(1.0) * 2.0, "__dict__")


@pytest.mark.promise(name="sum")
def test_the_sum_of_100_000_values(cases, measured):
    """Python's sum is a chain that deep; each term has gradient 1."""
    values = [Value(float(i)) for i in range(cases)]

    total = sum(values)
    total.backward()

    assert total.data == cases * (cases - 1) / 2
    assert all(v.grad == 1.0 for v in values)
    measured(f"{cases:,} terms")


@pytest.mark.slow
def test_a_million_deep_is_built_walked_and_deleted():
    """No RecursionError and no crash; x + x + ... has the gradient n + 1."""
    before = live_values()
    x = y = Value(1.0)
    for _ in range(DEEP):
        y = y + x

    y.backward()
    y.zero_grad()
    y.backward(2.0)
    del y

    assert x.grad == 2.0 * (DEEP + 1)
    assert live_values() - before == 1


@pytest.mark.slow
def test_a_million_deep_on_the_right_is_deleted():
    """The other slot holds the chain here."""
    before = live_values()
    x = y = Value(1.0)
    for _ in range(DEEP):
        y = x - y

    del y

    assert live_values() - before == 1
