"""explain: the paths that make a gradient, in words and as a table."""

import math
import xml.etree.ElementTree as ElementTree
from random import Random

import pytest

from tests.graphs import doubled, meeting
from tinygrad_edu import Value, maximum, topological_order
from tinygrad_edu.engine.errors import SettingError
from tinygrad_edu.explain import explain


@pytest.mark.parametrize("seed", range(20))
def test_nothing_is_changed(seed):
    """Values and gradients are what they were, before backward and after it."""
    x, root = meeting(seed)
    root.backward(0.3)
    before = [(v.data, v.grad, v.label) for v in topological_order(root)]

    str(explain(x, root))

    assert [(v.data, v.grad, v.label) for v in topological_order(root)] == before


def test_a_value_used_twice_has_two_paths():
    """x * x has two wires, told apart by the operand."""
    x = Value(3.0, "x")
    root = x * x

    first, second = explain(x, root).paths

    assert (first.wires, second.wires) == (((root, 0),), ((root, 1),))
    assert first.nodes == second.nodes == (root, x)
    assert first.partials == second.partials == (3.0,)
    assert (str(first), str(second)) == ("· × x ← x = 3 = 3", "x × · ← x = 3 = 3")


def test_from_a_value_to_itself_there_is_one_path():
    """It has no wire, and the empty product is 1."""
    x = Value(3.0, "x")

    found = explain(x, x)

    assert (found.count, found.total, found.rest) == (1, 1.0, 0.0)
    assert [(p.nodes, p.wires, p.product) for p in found.paths] == [((x,), (), 1.0)]


def test_paths_to_a_constant_can_be_asked_for():
    """The number 3 in 3 * x has a path; that it keeps no gradient is said."""
    root = 3.0 * Value(2.0, "x")

    found = explain(root.inputs[0], root)

    assert found.total == 2.0
    assert str(found).splitlines()[-1] == "constant is a constant: it keeps no gradient"


def test_the_paths_shown_and_the_rest_are_a_table():
    """A line a path, the rest as one, and how the sum compares with the gradient."""
    x, w = Value(3.0, "x"), Value(2.0, "w")
    root = x * w + x * x
    root.label = "L"
    root.backward()

    assert str(explain(x, root, 2)) == (
        "dL/dx = 8 over 3 paths\n"
        "  L ← · × x ← x     1 × 3  = 3\n"
        "  L ← x × · ← x     1 × 3  = 3\n"
        "  and 1 other path         = 2\n"
        "sum = x.grad"
    )


def last_line(x, root):
    """The verdict on the gradient."""
    return str(explain(x, root)).splitlines()[-1]


def test_a_gradient_that_is_not_the_sum_is_told_honestly():
    """No backward yet, one, two, another cotangent, a larger graph."""
    x = Value(3.0, "x")
    root = x * 2.0
    root.label = "L"

    lines = [last_line(x, root)]
    for _ in range(2):
        root.backward()
        lines.append(last_line(x, root))
    root.zero_grad()
    root.backward(0.5)
    lines.append(last_line(x, root))
    (root * x).backward()
    lines.append(last_line(x, root))

    assert lines == [
        "sum is 2, x.grad is 0: no backward() has come through L, or what it got was 0",
        "sum = x.grad",
        "sum is 2, x.grad is 4: 2 times the sum, as if zero_grad() was not called",
        "sum is 2, x.grad is 1: the sum times L.grad, which is 0.5",
        "sum is 2, x.grad is 13: it holds other backward passes too, or a part of a larger graph",
    ]


def test_a_gradient_of_0_may_be_what_backward_brought():
    """relu lets nothing through to h: the verdict does not say that no backward() has run."""
    x = Value(-1.0, "x")
    h = x * 2.0
    h.label = "h"
    h.relu().backward()

    assert last_line(x, h) == (
        "sum is 2, x.grad is 0: no backward() has come through h, or what it got was 0"
    )


def test_a_long_path_is_cut_in_the_middle():
    """Two values and two factors are left at each end."""
    x = Value(1.0, "x")
    root = doubled(x, 10, lambda v: v * 2.0)

    line = str(explain(x, root)).splitlines()[1]

    assert line.split("  ")[1:3] == [
        "· × 2 ← · × 2 ← … 7 more … ← · × 2 ← x",
        "2 × 2 × … 6 more … × 2 × 2",
    ]


def test_labels_are_text_in_a_notebook():
    """Markup in a label is escaped, control characters are replaced."""
    x, w = Value(3.0, "<script>\n"), Value(2.0, "\x00\u202e\"&amp;'")

    table = [*ElementTree.fromstring(explain(x, x * w)._repr_html_()).iter()]

    parts = {"table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td"}
    assert {e.tag for e in table} == parts
    assert "· × \ufffd\ufffd\"&amp;' ← <script>\ufffd" in [e.text for e in table]
    assert [e.text for e in table if e.tag == "th"] == ["path", "local derivatives", "product"]


def test_a_root_that_does_not_depend_on_x_is_refused():
    """With the advice to swap the two, where that helps."""
    x, w = Value(1.0, "x"), Value(2.0, "w")
    root = x * 2.0

    with pytest.raises(SettingError, match="mul does not depend on w") as other:
        explain(w, root)
    with pytest.raises(SettingError, match="x does not depend on mul") as swapped:
        explain(root, x)

    assert "pass a root that was computed from this x" in str(other.value)
    assert "swap them: explain(x, root)" in str(swapped.value)


@pytest.mark.parametrize("k", [-1, 1.5, True, None])
def test_k_is_a_whole_number(k):
    """Anything else is refused by name."""
    x = Value(1.0)

    with pytest.raises(SettingError, match="k is"):
        explain(x, x * 2.0, k)


def test_a_choice_cuts_a_path_whatever_stands_before_it():
    """The product is 0 and its factors say why; without the choice it would be 0 times inf."""
    x = Value(-1.0, "x")
    y = x.relu().sqrt()
    y.backward()

    found = explain(x, y)

    assert found.total == x.grad == 0.0
    assert found.paths[0].factors == "inf × nothing"
    assert found.paths[0].product == 0.0


def test_below_a_choice_infinity_makes_nan_again():
    """As the backward pass does: 0 arrives there, and 0 times inf is nan."""
    x = Value(0.0, "x")
    y = (x.sqrt() - 1.0).relu()
    y.backward()

    found = explain(x, y)

    assert math.isnan(found.total)
    assert math.isnan(found.paths[0].product)
    assert math.isnan(x.grad)


@pytest.mark.parametrize("seed", range(200))
def test_with_choices_infinities_and_zeros_the_largest_come_first(seed):
    """Of all paths nan first, then by magnitude, whatever k; the total is what backward gives."""
    rng = Random(seed)
    x = Value(rng.choice([0.0, -1.0, 2.0, math.inf]), "x")
    pool = [x]
    for _ in range(rng.randint(2, 8)):
        a, b = rng.choice(pool[-2:]), rng.choice(pool)
        unary = rng.choice([Value.relu, Value.sqrt, Value.log, abs])
        pool.append(rng.choice([unary(a), unary(a), a * b, a + b, maximum(a, 0.5 * b)]))
    pool[-1].backward()

    every = explain(x, pool[-1], k=10_000)

    products = [path.product for path in every.paths]
    assert len(products) == every.count
    ranks = [(p == p, -abs(p) if p == p else 0.0) for p in products]
    assert ranks == sorted(ranks)
    assert repr(float(every.total)) == repr(float(x.grad))
    for k in (1, 3):
        shown = [abs(path.product) for path in explain(x, pool[-1], k=k).paths]
        assert repr(shown) == repr([abs(product) for product in products[:k]])
