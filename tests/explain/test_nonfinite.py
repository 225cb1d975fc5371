"""trace_nonfinite: the first nan or inf of a graph, the reason and the way to the root."""

import inspect
import math

import pytest

from tinygrad_edu import Value, detect_anomaly, topological_order
from tinygrad_edu.explain import trace_nonfinite


def test_where_all_is_finite_there_is_none():
    """Before backward and after it."""
    root = Value(2.0) * 3.0

    assert trace_nonfinite(root) is None
    root.backward()
    assert trace_nonfinite(root) is None


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (lambda x: x.log(), "log of x = 0 is -inf"),
        (lambda x: 1.0 / x, "div of constant = 1 and x = 0 is inf"),
        (lambda x: (x - 1.0).sqrt(), "sqrt of sub = -1 is nan"),
        (lambda x: x * math.inf, "the constant was given as inf"),
        (lambda x: Value(math.nan, "bad") + x.log(), "the leaf was given as nan"),
    ],
)
def test_the_first_value_is_found_with_its_reason(build, reason):
    """With the numbers, however many nans it led to, in values and then in gradients."""
    root = build(Value(0.0, "x")) * 0.0 + 1.0

    before = trace_nonfinite(root)
    root.backward()
    found = trace_nonfinite(root)

    assert str(before) == str(found)
    assert (found.what, found.reason) == ("value", reason)
    assert not math.isfinite(found.node.data)


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (lambda x: 3.0 * x.sqrt(), "upstream 3 times slope inf of sqrt at x = 0 is inf"),
        (lambda x: 0.0 * x.sqrt(), "upstream 0 times slope inf of sqrt at x = 0 is nan"),
        (lambda x: x * 1e308 + x * 1e308, "the sum 1e+308 + 1e+308 is inf"),
        (lambda x: (x * 5.0).sqrt(), "upstream 1 times slope inf of sqrt at mul = 0 is inf"),
    ],
)
def test_the_first_gradient_is_found_with_its_reason(build, reason):
    """The product, or the sum, that finite numbers can't hold; further down is what it led to."""
    root = build(Value(0.0, "x"))
    root.backward()
    nearest = [v for v in topological_order(root) if not math.isfinite(v.grad)][-1]

    found = trace_nonfinite(root)

    assert (found.node, found.what, found.reason) == (nearest, "gradient", reason)
    assert found.way[0] is nearest
    assert found.way[-1] is root


def test_a_gradient_that_an_earlier_pass_left_is_told_apart():
    """A leaf still holds nan, though this pass gave it none."""
    x = Value(2.0, "x")
    x.grad = math.nan
    root = x * 3.0
    root.backward()

    found = trace_nonfinite(root)

    assert found.node is x
    assert (
        found.reason
        == "this pass did not give it: an earlier pass, or another graph, left it there"
    )


def test_a_gradient_of_the_root_was_given():
    """There is nothing above it."""
    root = Value(2.0) * 3.0
    root.backward(math.inf)

    found = trace_nonfinite(root)

    assert found.reason == "backward() was given it, or it comes from a larger graph"
    assert found.way == (root,)


def test_the_source_line_is_known_inside_detect_anomaly():
    """For a gradient, that of the operation whose slope it is; else how to get it is said."""
    x = Value(0.0, "x")
    with detect_anomaly():
        y = x.sqrt()
        line = inspect.currentframe().f_lineno - 1
    root = y * 2.0
    root.backward()

    found = trace_nonfinite(root)

    assert found.source == f"test_nonfinite.py:{line}: y = x.sqrt()"
    assert trace_nonfinite(Value(0.0).log()).source == ""
    assert "build the graph inside `with detect_anomaly():`" in str(trace_nonfinite(x.log()))


def test_the_way_is_a_shortest_one():
    """x reaches the root over one wire, and over five."""
    x = Value(math.nan, "x")
    long = x.neg().neg().neg().neg()
    root = long + x

    assert trace_nonfinite(root).way == (x, root)


def test_a_trace_is_read_as_text_and_as_a_table():
    """Headline, why, way up, the advice where the line is not known; markup stays text."""
    x = Value(math.nan, "<b>")
    found = trace_nonfinite(x.exp())

    assert str(found).splitlines() == [
        "the first value that is not finite: <b> has nan.",
        "  Why     : the leaf was given as nan",
        "  Where   : not known: build the graph inside `with detect_anomaly():`, which stops there",
        "  Way up  : <b> → exp",
    ]
    assert "&lt;b&gt; → exp</td>" in found._repr_html_()
    assert "<b>" not in found._repr_html_()


@pytest.mark.slow
def test_a_million_steps_are_walked():
    """Without recursion."""
    root = x = Value(0.0, "x").log()
    for _ in range(1_000_000):
        root = root.neg()

    found = trace_nonfinite(root)

    assert found.node is x
    assert len(found.way) == 1_000_001


def test_a_choice_that_stops_an_infinite_gradient_is_named():
    """The gradient of the input is 0, as in PyTorch: nothing flows through a branch not taken."""
    x = Value(-1.0, "x")
    y = x.relu().sqrt()
    y.backward()

    found = trace_nonfinite(y)

    assert x.grad == 0.0
    assert found.node is y.inputs[0]
    assert found.then.startswith("relu lets nothing of it flow further")


def test_a_slope_of_0_stops_nothing():
    """0 times inf is nan: this 0 is not a choice."""
    x = Value(0.0, "x")
    y = (x * 0.0).sqrt()
    y.backward()

    found = trace_nonfinite(y)

    assert math.isnan(x.grad)
    assert found.then == ""


FOLLOWS = {
    "nan of two infinities": (
        lambda a: a.exp() - a.exp(),
        800.0,
        "sub of exp = inf and exp = inf is nan",
    ),
    "nan of 0 and infinity": (
        lambda a: a.exp() * 0.0,
        800.0,
        "mul of exp = inf and constant = 0 is nan",
    ),
    "a choice that hides it": (
        lambda a: a.log().relu() + 1.0,
        0.0,
        "relu of log = -inf is 0, which hides it",
    ),
    "a given number": (
        lambda a: a * 0.0,
        math.inf,
        "mul of a = inf and constant = 0 is nan",
    ),
    "nan from the start": (lambda a: a.log() * 2.0, -1.0, ""),
}


@pytest.mark.parametrize("kind", FOLLOWS)
def test_what_comes_of_the_first_one_is_told(kind):
    """Where infinity becomes nan, or a choice makes the result finite again."""
    build, number, then = FOLLOWS[kind]

    found = trace_nonfinite(build(Value(number, "a")))

    assert found.then == then
    assert then in str(found)
