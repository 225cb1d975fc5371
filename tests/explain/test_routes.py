"""The search for the largest paths: exact, in a fixed order, without listing them all."""

import itertools
import math
import time
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.graphs import doubled, meeting
from tinygrad_edu import Value, topological_order
from tinygrad_edu.engine import ieee
from tinygrad_edu.engine.errors import StaleGraphError
from tinygrad_edu.explain import explain


def every_path(x, root):
    """All (operands, slopes) from root down to x, by recursion, left operand first."""
    if root is x:
        return [((), ())]
    slopes = root.op.partials(ieee, root.data, *[v.data for v in root.inputs]) if root.op else ()
    return [
        ((i, *operands), (slope, *rest))
        for i, (below, slope) in enumerate(zip(root.inputs, slopes, strict=True))
        for operands, rest in every_path(x, below)
    ]


def rank(slopes):
    """The order of paths, as a number: nan, then infinite, then by magnitude, then 0."""
    product = math.prod(slopes)
    return -math.inf if math.isnan(product) else 1.0 / abs(product) if product else math.inf


@given(st.integers(0, 10**6), st.integers(0, 7))
def test_the_paths_are_those_of_a_search_through_all(seed, k):
    """Their count, which they are, and that no other is larger."""
    x, root = meeting(seed)
    everything = every_path(x, root)

    found = explain(x, root, k)

    shown = [(path.operands, path.partials) for path in found.paths]
    largest = sorted(rank(slopes) for _, slopes in everything)[:k]
    assert found.count == len(everything)
    assert len(set(shown)) == len(shown) == min(k, len(everything))
    assert set(shown) <= set(everything)
    assert [rank(slopes) for _, slopes in shown] == pytest.approx(largest, rel=1e-12)
    assert found.total == pytest.approx(
        math.fsum(math.prod(slopes) for _, slopes in everything), rel=1e-9, abs=1e-9
    )
    assert found.rest == pytest.approx(
        math.fsum(math.prod(s) for o, s in everything if (o, s) not in shown), rel=1e-9, abs=1e-9
    )


@given(st.integers(0, 10**6), st.integers(1, 9))
def test_factors_that_are_not_finite_are_searched_as_exactly(seed, k):
    """A path with 0 and inf is nan, so it comes first, whichever of the two is nearer to x."""
    rng, x = Random(seed), Value(1.0, "x")
    nodes = [x]
    for _ in range(7):
        factor = rng.choice((0.0, math.inf, math.nan, 0.5, 2.0, 3.0, -1.0))
        nodes.append(rng.choice(nodes[-3:]) * factor + rng.choice(nodes[-3:]))
    everything = every_path(x, nodes[-1])

    found = explain(x, nodes[-1], k)

    largest = sorted(rank(slopes) for _, slopes in everything)[:k]
    assert found.count == len(everything)
    assert len({path.operands for path in found.paths}) == len(found.paths)
    assert [rank(path.partials) for path in found.paths] == largest


@pytest.mark.parametrize("seed", range(30))
def test_the_total_is_the_gradient_to_the_last_bit(seed):
    """For every value below the root, constants aside, after one backward."""
    _, root = meeting(seed, rows=("add", "mul", "div", "sin", "exp", "tanh", "log"), steps=25)
    root.backward()

    for v in topological_order(root):
        if not v.constant:
            assert explain(v, root, 2).total.hex() == v.grad.hex()


@pytest.mark.parametrize(
    ("step", "largest"),
    [
        (lambda v: v + v, 1.0),
        (lambda v: v * 0.5 + v * 0.75, 0.75**900),
        (lambda v: v.maximum(v), 0.5**900),
    ],
)
def test_two_to_the_nine_hundred_paths_are_counted_at_once(step, largest):
    """Exactly, in well under a second."""
    x = Value(1.0, "x")
    root = doubled(x, 900, step)
    root.backward()

    start = time.process_time()
    found = explain(x, root)
    text = str(found)
    took = time.process_time() - start

    assert found.count == 2**900
    assert found.total == x.grad
    assert found.paths[0].product == pytest.approx(largest, rel=1e-12)
    assert "about 8.45e270 paths" in text
    assert took < 1.0


def test_products_too_small_for_a_float_are_still_in_order():
    """0.5^2000 and 0.25 times that are both 0 as floats."""
    x = Value(1.0, "x")
    y = doubled(x, 2000, lambda v: v * 0.5)

    found = explain(x, 0.25 * y + y)

    assert [path.product for path in found.paths] == [0.0, 0.0]
    assert [len(path.partials) for path in found.paths] == [2001, 2002]


def test_equal_products_come_left_operand_first():
    """As words in a dictionary."""
    x = Value(1.0, "x")
    root = doubled(x, 3, lambda v: v + v)

    found = explain(x, root, 8)

    assert [path.operands for path in found.paths] == list(itertools.product((0, 1), repeat=3))


def test_products_of_the_same_factors_are_equal_in_any_order():
    """0.3 * 0.7 and 0.7 * 0.3: the deepest turn is first, at each of 8 steps."""
    x = Value(1.0, "x")
    root = doubled(x, 8, lambda v: v * 0.3 + v * 0.7)

    second_to_ninth = explain(x, root, 9).paths[1:]

    turns = [path.operands[::2].index(0) for path in second_to_ninth]
    assert turns == [7, 6, 5, 4, 3, 2, 1, 0]


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_what_is_not_finite_comes_first(k):
    """nan, 0 times inf too; then inf; then numbers; 0 last."""
    x = Value(0.0, "x")
    root_of_x = x.sqrt()
    root = (x * 0.0 + x * 5.0) + (root_of_x * 0.0 + root_of_x * 2.0)

    products = [path.product for path in explain(x, root, k).paths]

    assert [str(p) for p in products] == ["nan", "inf", "5.0", "0.0"][:k]


def test_a_graph_that_was_changed_is_refused():
    """As by backward: its slopes are no longer those of its values."""
    x = Value(1.0, "x")
    root = x * 2.0
    x.data = 5.0

    with pytest.raises(StaleGraphError, match="mul was 2 when this graph was built"):
        explain(x, root)


@pytest.mark.slow
def test_a_path_of_a_million_steps_is_explained():
    """No recursion, and its length does not matter."""
    x = Value(1.0, "x")
    root = doubled(x, 1_000_000, lambda v: v.neg())

    found = explain(x, root)

    assert (found.count, found.total) == (1, 1.0)
    assert len(found.paths[0].wires) == 1_000_000
    assert "… 999,997 more …" in str(found)
