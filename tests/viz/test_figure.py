"""The figure's model: contributions on wires, gradients only after backward."""

import pytest

from tinygrad_edu import Value
from tinygrad_edu.viz import figure_of
from tinygrad_edu.viz.figure import number


def shared():
    """x feeds three operations, one of them twice."""
    x, w = Value(1.5, "x"), Value(-2.0, "w")
    root = (x * x + w * x).tanh() + x
    root.backward()
    return root


def test_contributions_add_up_to_the_gradient_at_every_fork():
    """What flows back over the wires that leave a value sums to its gradient."""
    figure = figure_of(shared())

    for box in figure.boxes[:-1]:
        flows = [wire.contribution for wire in figure.wires if wire.source == box.id]
        assert sum(flows) == pytest.approx(box.grad, rel=1e-14), box


def test_a_square_has_two_wires():
    """x * x uses x twice, and the figure shows both."""
    x = Value(3.0, "x")
    root = x * x
    root.backward()

    wires = figure_of(root).wires

    assert [(w.source, w.target, w.contribution) for w in wires] == [("v0", "v1", 3.0)] * 2


def test_there_is_no_red_before_backward():
    """A graph whose root has no gradient yet says so."""
    assert not figure_of(Value(1.0) * 2.0).has_gradients
    assert figure_of(shared()).has_gradients


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (0.0, "0"), (-0.5, "−0.5"), (0.73105, "0.731"), (1234.5, "1234"), (12345.0, "1.23e4"),
        (0.0001234, "1.23e−4"), (float("nan"), "nan"), (float("-inf"), "−inf"), (-1e300, "−1e300"),
    ],
)  # fmt: skip
def test_numbers_have_three_digits(x, text):
    """Three significant digits, scientific outside 1e-3 .. 1e4, a real minus sign."""
    assert number(x) == text
