"""check_graph: a right graph passes, the leaf of a wrong gradient is named, nothing is changed."""

from random import Random

import pytest

from tests import oracles
from tests.programs import VALUES, random_program
from tinygrad_edu import Value, as_function
from tinygrad_edu.engine import ieee, ops
from tinygrad_edu.engine import walk as engine
from tinygrad_edu.engine.errors import GradientMismatch, SettingError, StaleGraphError
from tinygrad_edu.gradcheck import check_graph

ROWS = tuple(ops.TABLE.values())
rows = pytest.mark.parametrize("op", ROWS, ids=lambda op: op.name)


def neuron():
    """tanh(w x + b) with labels, and its leaves."""
    w, x, b = Value(0.5, "w"), Value(-1.5, "x"), Value(0.25, "b")
    return (w * x + b).tanh(), (w, x, b)


def test_a_right_graph_is_reported():
    """One derivative for each leaf that can move; numbers in arithmetic can't."""
    root, _ = neuron()

    report = check_graph(2.0 * root + 1.0)

    assert report.checked == 3
    assert report.error < 1e-15
    assert report.method == "mpmath at 800 digits"


def test_the_gradients_that_are_there_stay_there():
    """Leaves, inner values and constants keep their gradients, also when the check fails."""
    root, leaves = neuron()
    nodes = engine.topological_order(root)
    for i, node in enumerate(nodes):
        node.grad = i + 0.5

    check_graph(root)
    assert [v.data for v in leaves] == [0.5, -1.5, 0.25]
    leaves[0].data = 0.7
    with pytest.raises(StaleGraphError):
        check_graph(root)

    assert [node.grad for node in nodes] == [i + 0.5 for i in range(len(nodes))]


@pytest.mark.parametrize(("i", "label"), [(0, "w"), (1, "leaf 2")])
def test_the_wrong_leaf_is_named(i, label):
    """By its label, or counted from 0; the gradients of the other leaves are right."""
    wrong = as_function(oracles.scaled(ops.MUL, i, 1.0 + 1e-10))
    w, x, b = Value(0.5, "w"), Value(-1.5), Value(0.25, "b")

    with pytest.raises(GradientMismatch, match=f"^the gradient of {label} at .* is ") as caught:
        check_graph((b + wrong(w, x)).tanh())

    assert str(caught.value).splitlines()[0].endswith(": wrong by the factor 1.0000000001.")
    assert "of a graph of 6 values" in str(caught.value)


def test_a_walk_that_forgets_to_add_up_is_noticed(monkeypatch):
    """Not only rows: an engine that sets gradients instead of adding is found out by x * x."""

    def forgetful(order):
        for node in reversed(order):
            if node.op is not None:
                partials = node.op.partials(ieee, node.data, *[v.data for v in node.inputs])
                for v, partial in zip(node.inputs, partials, strict=True):
                    v.grad = partial * node.grad

    x = Value(3.0, "x")
    assert check_graph(x * x).checked == 1
    monkeypatch.setattr(engine, "send_back", forgetful)

    with pytest.raises(GradientMismatch, match=r"^the gradient of x at 3.0 is 3, but should be 6"):
        check_graph(x * x)


@pytest.mark.parametrize("seed", range(20))
def test_random_graphs_pass(seed):
    """Every row, every kind of operand: all gradients are right to what rounding explains."""
    root = random_program(Random(seed), leaves=4, steps=25).run(VALUES)[-1]

    report = check_graph(root)

    assert report.error <= report.tolerance <= 1e-10


@rows
def test_a_wrong_row_deep_in_a_graph_is_noticed(op):
    """Any row with 1 + 1e-9 on a partial that matters, under sums and products."""
    x, y = Value(1.01, "x"), Value(0.49, "y")
    wrong = as_function(oracles.scaled(op, int(op is ops.MINIMUM), 1.0 + 1e-9))

    spoilt = wrong(*(x, y)[: len(op.domain)])

    with pytest.raises(GradientMismatch, match=r"^the gradient of [xy] at .*: wrong by the factor"):
        check_graph((spoilt * y + 3.0).sin())


@pytest.mark.parametrize(
    "build",
    [
        lambda x: x.relu(),
        lambda x: abs(x) * 2.0,
        lambda x: x.max(0.0) + x.min(0.0),
        lambda x: x.max(x),
        lambda x: x**2,
        lambda x: x * x * x,
        lambda x: (x - 1.0) ** 3,
        lambda x: (x + 800.0).tanh(),
        lambda x: (x - 800.0).sigmoid(),
        lambda x: (x + 1e10).sin(),
        lambda x: x * 1e300 * 1e-200 * 1e-200,
        lambda x: x,
    ],
)
def test_kinks_squares_and_saturation_pass(build):
    """At 0: kinks, vertices, a base below 0, saturation, lost digits, underflow, a lone leaf."""
    assert check_graph(build(Value(0.0, "x"))).checked == 1


def test_slopes_are_taken_at_the_recorded_numbers():
    """x + 1e10 drops digits of x; the slope of its sine is right for the sum that was kept."""
    assert check_graph((Value(0.123456789) + 1e10).sin()).error < 1e-15


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda x: (x * x).sqrt(), "is nan, but should be between -1 and 1"),
        (lambda x: x.relu() - (-x).relu(), "is 0, but should be 1"),
    ],
)
def test_a_choice_at_a_kink_outside_both_sides_is_wrong(build, said):
    """Also where kinks meet, so that no choice of partials would be right."""
    with pytest.raises(GradientMismatch, match=rf"of x at 0\.0 {said}"):
        check_graph(build(Value(0.0, "x")))


def test_digits_that_cancel_are_not_asked_for():
    """1e10 e^x - (1e10 - 1) e^x is e^x, but backward keeps 6 digits of it: that is rounding."""
    x = Value(0.3)
    wrong = as_function(oracles.scaled(ops.EXP, 0, 1.0 + 1e-9))

    report = check_graph(x.exp() * 1e10 - x.exp() * (1e10 - 1.0))

    assert 1e-7 < report.tolerance < 1e-1
    with pytest.raises(GradientMismatch, match=r"wrong by the factor 11\."):
        check_graph(wrong(x) * 1e10 - x.exp() * (1e10 - 1.0))


@pytest.mark.parametrize(
    ("root", "said"),
    [
        (Value(0.0).log().exp(), r"^Value\(-inf, grad=0, op=log\) is not finite"),
        (Value(-2.0).detach() ** Value(2.0, "y"), r"^the gradient of y at 2.0 can't be checked"),
    ],
    ids=["the first value that is not finite", "the exponent of a negative base"],
)
def test_a_graph_without_slopes_is_not_checked(root, said):
    """What can't be measured is named."""
    with pytest.raises(SettingError, match=said):
        check_graph(root)


def test_deep_graphs_are_checked():
    """No recursion: 5,000 values, one after the other."""
    v = x = Value(0.3, "x")
    for _ in range(5000):
        v = v * 0.9999 + x

    assert check_graph(v).error < 1e-12


def test_without_mpmath_graphs_are_checked_all_the_same(without_mpmath):
    """By differences of floats: what is right passes, an error of 1e-8 does not."""
    root, (w, x, _) = neuron()
    wrong = as_function(oracles.scaled(ops.MUL, 0, 1.0 + 1e-8))

    report = check_graph(root)

    assert report.method == "extrapolated differences"
    assert report.tolerance < 1e-9
    with pytest.raises(GradientMismatch, match=r"of w at 0\.5 .* factor 1\.00000001"):
        check_graph(wrong(w, x).tanh())
