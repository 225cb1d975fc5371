"""The order of the walk: the textbook's recursive one, node for node, at any depth."""

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import naive
from tinygrad_edu import Value, grad, topological_order
from tinygrad_edu.engine.errors import StaleGraphError

DEEP = 1_000_000


@st.composite
def graphs(draw):
    """A root over a random graph: new leaves, one or two inputs, any sharing, x with itself."""
    nodes = [Value(draw(st.integers(-3, 3)))]
    for _ in range(draw(st.integers(0, 30))):
        x, y = draw(st.sampled_from(nodes)), draw(st.sampled_from(nodes))
        kind = draw(st.sampled_from(["leaf", "unary", "add", "sub", "square", "constant"]))
        nodes.append(
            {
                "leaf": lambda: Value(1.0),
                "unary": lambda x=x: -x,
                "add": lambda x=x, y=y: x + y,
                "sub": lambda x=x, y=y: y - x,
                "square": lambda x=x: x * x,
                "constant": lambda x=x: 2.0 * x,
            }[kind]()
        )
    return draw(st.sampled_from(nodes))


def chain(length):
    """x, then x + x, x + x + x, ...: as deep as it is long."""
    x = y = Value(1.0)
    for _ in range(length):
        y = y + x
    return y


@given(graphs())
def test_the_order_is_the_textbooks(root):
    """The same nodes at the same places as in the recursive post-order."""
    assert topological_order(root) == naive.recursive_order(root)


@given(graphs())
def test_inputs_come_first_and_each_node_once(root):
    """What a sort promises, without looking at how it is done."""
    order = topological_order(root)
    place = {node: i for i, node in enumerate(order)}

    assert order[-1] is root
    assert len(place) == len(order)
    assert all(place[v] < place[node] for node in order for v in node.inputs)


@given(graphs())
def test_no_two_calls_differ(root):
    """The graph alone decides: not ids, not hashes, not earlier calls."""
    assert topological_order(root) == topological_order(root)


def test_a_leaf_is_its_own_order():
    """Nothing comes before it."""
    x = Value(1.0)

    assert topological_order(x) == [x]


def test_the_left_operand_comes_first():
    """a (b + c): a, b, c, sum, product."""
    a, b, c = Value(1.0), Value(2.0), Value(3.0)
    total = b + c
    product = a * total

    assert topological_order(product) == [a, b, c, total, product]


def test_a_value_met_again_keeps_its_first_place():
    """In (a + b) a, the leaf a is not moved behind b."""
    a, b = Value(1.0), Value(2.0)
    total = a + b
    product = total * a

    assert topological_order(product) == [a, b, total, product]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("step", "length"),
    [
        pytest.param(lambda y, x: y + x, DEEP, id="left"),
        pytest.param(lambda y, x: x + y, DEEP // 10, id="right"),
        pytest.param(lambda y, x: y.relu(), DEEP // 10, id="only"),
    ],
)
def test_a_chain_of_a_million_is_sorted(step, length):
    """Whichever input leads down, and whether or not there is another one."""
    x = y = Value(1.0)
    nodes = [x]
    for _ in range(length):
        y = step(y, x)
        nodes.append(y)

    assert topological_order(y) == nodes


def cycle(length):
    """A ring of so many nodes, made by hand."""
    x = Value(1.0)
    first = y = x + 1.0
    for _ in range(length - 1):
        y = y * 1.0
    first._left = y
    return y


@pytest.mark.parametrize("length", [1, 2, 3, 10, 999, 1000, 1001, 2500, 50_000])
def test_a_cycle_is_refused(length):
    """Of any length, a node that is its own input included."""
    root = cycle(length)

    try:
        with pytest.raises(StaleGraphError, match=r"^Value\(2.*is an input of one of its own"):
            topological_order(root)
    finally:
        root._left = None  # cut the ring, so that it needs no garbage collector


@pytest.mark.parametrize("side", ["_left", "_right"])
def test_a_cycle_far_below_the_root_is_refused(side):
    """Under a graph of 3,000 sound nodes, through either input."""
    x = Value(1.0)
    inner = x + x
    outer = inner * x
    root = outer
    for _ in range(3000):
        root = root + x
    setattr(inner, side, outer)

    with pytest.raises(StaleGraphError, match="is an input of one of its own"):
        root.backward()

    setattr(inner, side, x)
    root.backward()
    assert x.grad == 3000.0 + 2.0 + 2.0


def test_a_deep_graph_is_no_cycle():
    """The check for cycles lets every honest depth pass, around its limits too."""
    for length in (998, 999, 1000, 1001, 1002, 2003, 2004, 4010):
        assert len(topological_order(chain(length))) == length + 1


def test_a_diamond_is_no_cycle():
    """Meeting a value again on another way down is sharing: 2,000 diamonds in a row."""
    x = y = Value(1.0)
    for _ in range(2000):
        y = (y + 1.0) - (y * 1.0)

    assert topological_order(y)[0] is x


def test_gradients_add_up_in_the_textbooks_order():
    """Sums of floats depend on their order: they are the naive engine's, bit for bit."""
    numbers = [0.1 * i for i in range(1, 12)]
    ours, theirs = ([kind(x) for x in numbers] for kind in (Value, naive.Number))

    def mix(v):
        total = v[0] * v[1]
        for i in range(100):
            total = total * v[i % 11] + v[(3 * i) % 11] * v[(7 * i) % 11] - total
        return total

    mix(ours).backward()

    bars = naive.gradients(mix(theirs))
    assert [v.grad for v in ours] == [bars[n] for n in theirs]


SCRIPT = """
import random
from tinygrad_edu import Value
rng = random.Random(7)
nodes = [Value(rng.uniform(-1.0, 1.0)) for _ in range(20)]
leaves = list(nodes)
for _ in range(500):
    x, y = rng.choice(nodes), rng.choice(nodes)
    nodes.append(rng.choice([x + y, x * y, x.tanh(), x - y, x.sigmoid(), x.max(y)]))
sum(nodes).tanh().backward()
sum(nodes[-40:]).backward()
print(*[v.grad.hex() for v in leaves])
"""


@pytest.mark.slow
def test_processes_agree_to_the_last_bit():
    """Eight processes with a random seed for hashes print the same gradients."""
    environment = os.environ | {
        "PYTHONHASHSEED": "random",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path) + os.pathsep + os.getcwd(),
    }
    command = [sys.executable, "-c", SCRIPT]

    runs = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(8)
    ]
    printed = [run.communicate(timeout=60)[0] for run in runs]

    assert len(printed[0].split()) == 20
    assert "nan" not in printed[0]
    assert set(printed) == {printed[0]}


@pytest.mark.slow
def test_grad_of_a_million_additions():
    """The functional transform walks a deep graph as backward does."""
    n = DEEP // 4

    def repeat(x):
        y = x
        for _ in range(n):
            y = y + x
        return y

    assert grad(repeat)(2.0) == n + 1.0
