"""explain: the paths that make a gradient, found without listing them all."""

import itertools
import math
import time
from html.parser import HTMLParser
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.programs import VALUES, random_program
from tinygrad_edu import Value, topological_order
from tinygrad_edu.engine import ieee
from tinygrad_edu.engine.errors import SettingError, StaleGraphError
from tinygrad_edu.explain import explain

LOOSE = ("add", "sub", "mul", "maximum", "neg", "relu")  # these have slopes 0, and ties


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


def graph(seed, rows=LOOSE, steps=9):
    """A leaf and the root of a small random graph, in which many paths meet."""
    rng = Random(seed)
    registers = random_program(rng, leaves=2, steps=steps, rows=rows, reach=4).run(VALUES)
    root = registers[-1]
    return rng.choice(topological_order(root)), root


def doubled(x, times, step):
    """x after so many steps that use it twice."""
    for _ in range(times):
        x = step(x)
    return x


@given(st.integers(0, 10**6), st.integers(0, 7))
def test_the_paths_are_those_of_a_search_through_all(seed, k):
    """Their count, which they are, and that no other is larger."""
    x, root = graph(seed)
    everything = every_path(x, root)

    found = explain(x, root, k)

    shown = [(path.operands, path.slopes) for path in found.paths]
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
def test_slopes_that_are_not_finite_are_searched_as_exactly(seed, k):
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
    assert [rank(path.slopes) for path in found.paths] == largest


@pytest.mark.parametrize("seed", range(30))
def test_the_total_is_the_gradient_to_the_last_bit(seed):
    """For every value below the root, constants aside, after one backward."""
    _, root = graph(seed, rows=("add", "mul", "div", "sin", "exp", "tanh", "log"), steps=25)
    root.backward()

    for v in topological_order(root):
        if not v.constant:
            assert explain(v, root, 2).total.hex() == v.grad.hex()


@pytest.mark.parametrize("seed", range(20))
def test_nothing_is_changed(seed):
    """Values and gradients are what they were, before backward and after it."""
    x, root = graph(seed)
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
    assert first.slopes == second.slopes == (3.0,)
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
    assert [len(path.slopes) for path in found.paths] == [2001, 2002]


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


class Texts(HTMLParser):
    """The tags of a page and the text between them."""

    def __init__(self):
        super().__init__()
        self.tags, self.texts = [], []

    def handle_starttag(self, tag, attrs):
        """Heard of each tag."""
        self.tags.append(tag)

    def handle_data(self, data):
        """Heard of each text."""
        self.texts.append(data)


def test_labels_are_text_in_a_notebook():
    """Markup in a label is escaped, control characters are replaced."""
    x, w = Value(3.0, "<script>\n"), Value(2.0, "\x00\u202e\"&amp;'")
    page = Texts()

    page.feed(explain(x, x * w)._repr_html_())

    assert set(page.tags) == {"table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td"}
    assert "· × \ufffd\ufffd\"&amp;' ← <script>\ufffd" in page.texts
    assert [t for t in page.texts if t in ("path", "local derivatives", "product")] == [
        "path",
        "local derivatives",
        "product",
    ]


def test_a_root_that_does_not_depend_on_x_is_refused():
    """With the advice to swap the two, where that helps."""
    x, w = Value(1.0, "x"), Value(2.0, "w")
    root = x * 2.0

    with pytest.raises(SettingError, match="mul does not depend on w") as other:
        explain(w, root)
    with pytest.raises(SettingError, match="x does not depend on mul") as swapped:
        explain(root, x)

    assert "pass a root that was computed from x" in str(other.value)
    assert "swap them: explain(x, root)" in str(swapped.value)


@pytest.mark.parametrize("k", [-1, 1.5, True, None])
def test_k_is_a_whole_number(k):
    """Anything else is refused by name."""
    x = Value(1.0)

    with pytest.raises(SettingError, match="k is"):
        explain(x, x * 2.0, k)


def test_a_graph_that_was_changed_is_refused():
    """As by backward: its slopes are no longer those of its values."""
    x = Value(1.0, "x")
    root = x * 2.0
    x.data = 5.0

    with pytest.raises(StaleGraphError, match="mul was 2 when this graph was built"):
        explain(x, root)


@pytest.mark.slow
def test_a_path_of_a_million_steps_is_explained():
    """No recursion, and its length is no trouble."""
    x = Value(1.0, "x")
    root = doubled(x, 1_000_000, lambda v: v.neg())

    found = explain(x, root)

    assert (found.count, found.total) == (1, 1.0)
    assert len(found.paths[0].wires) == 1_000_000
    assert "… 999,997 more …" in str(found)
