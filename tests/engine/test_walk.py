"""The order of the walk: the textbook's recursive one, node for node, at any depth."""

from random import Random

import pytest

from tests import naive
from tests.programs import VALUES, chain, random_program
from tinygrad_edu import Value, topological_order
from tinygrad_edu.engine.errors import StaleGraphError


@pytest.mark.parametrize("reach", [1, 3, None])
def test_the_order_is_the_textbooks(reach):
    """The same nodes at the same places as in the recursive post-order, whatever the root."""
    for seed in range(100):
        program = random_program(Random(seed), steps=25, reach=reach, repeats=0.3)
        for root in program.run(VALUES):
            assert topological_order(root) == naive.recursive_order(root)


def test_the_left_operand_comes_first_and_keeps_its_place():
    """In (a + b) a: a, b, sum, product; the leaf a is not moved behind b."""
    a, b = Value(1.0), Value(2.0)
    total = a + b
    product = total * a

    assert topological_order(product) == [a, b, total, product]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("step", "length"),
    [
        pytest.param(lambda y, x: y + x, 1_000_000, id="left"),
        pytest.param(lambda y, x: x + y, 100_000, id="right"),
        pytest.param(lambda y, x: y.relu(), 100_000, id="only"),
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
    """Under a graph of 3,000 sound nodes, through either input; a value of the ring is named."""
    x = Value(1.0)
    inner = x + x
    outer = inner * x
    inner.label = outer.label = "ring"
    root = outer
    for _ in range(3000):
        root = root + x
    setattr(inner, side, outer)

    with pytest.raises(StaleGraphError, match=r"label='ring'.* is an input of one of its own"):
        root.backward()

    setattr(inner, side, x)
    root.backward()
    assert x.grad == 3000.0 + 2.0 + 2.0


def test_a_deep_graph_is_not_a_cycle():
    """The check for cycles lets every honest depth pass, around its limits too."""
    for length in (998, 999, 1000, 1001, 1002, 2003, 2004, 4010):
        assert len(topological_order(chain(length))) == length + 1


def test_a_diamond_is_not_a_cycle():
    """Meeting a value again is sharing: 2,000 diamonds have 2**2000 ways down, each node once."""
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
