"""Penalties: which parameters they count, by which formula, and what is refused."""

from math import inf, nan

import pytest

from tinygrad_edu import Value, nn
from tinygrad_edu.engine.errors import SettingError


def test_penalties_are_of_weights_alone():
    """Half the squares, or the absolute values, times the strength; no bias, no gain."""
    model = nn.Sequential(nn.Layer(2, 2), nn.LayerNorm(2), nn.Layer(2, 1))
    weights = [v.data for name, v in model.named_parameters() if ".w" in name]
    assert len(weights) == 6

    l2, l1 = nn.L2(0.3)(model), nn.L1(0.3)(model)

    assert l2.data == pytest.approx(0.15 * sum(w * w for w in weights), rel=1e-14)
    assert l1.data == pytest.approx(0.3 * sum(map(abs, weights)), rel=1e-14)


@pytest.mark.parametrize("penalty", [nn.L1, nn.L2])
@pytest.mark.parametrize("strength", [-1.0, nan, inf])
def test_a_strength_below_zero_or_not_finite_is_refused(penalty, strength):
    """By name."""
    with pytest.raises(SettingError, match="strength"):
        penalty(strength)


def test_weights_in_lists_of_lists_are_weights():
    """A matrix, by rows; their names end with indices alone: w1.0."""

    class Matrix(nn.Module):
        def __init__(self):
            self.w = [[Value(3.0), Value(0.0)], [Value(0.0), [Value(-4.0)]]]
            self.shift = [[Value(7.0)]]

    assert nn.L2(2.0)(Matrix()).data == 25.0
    assert nn.L1(1.0)(Matrix()).data == 7.0


@pytest.mark.parametrize(
    ("penalty", "weight", "slope"),
    [
        (nn.L2(0.5), 0.0, 0.0),
        (nn.L2(0.5), 1e200, 5e199),
        (nn.L2(0.5), -5e-324, 0.0),
        (nn.L1(0.5), 0.0, 0.0),
        (nn.L1(0.5), -1e-320, -0.5),
        (nn.L1(0.5), 1e300, 0.5),
    ],
)
def test_the_gradient_is_finite_and_right_far_out_and_at_zero(penalty, weight, slope):
    """Strength times the weight, or its sign; abs'(0) is 0, as everywhere."""
    neuron = nn.Neuron(1, initializer="zeros")
    neuron.w[0].data = weight

    penalty(neuron).backward()

    assert neuron.w[0].grad == slope
    assert neuron.b.grad == 0.0


def test_frozen_weights_are_not_penalized():
    """They can't become smaller; where all are frozen the penalty is 0."""
    model = nn.MLP(2, [2, 1])
    whole = nn.L2(1.0)(model).data
    model.layer1.freeze()

    rest = nn.L2(1.0)(model).data

    assert 0.0 < rest < whole
    assert nn.L2(1.0)(model.freeze()).data == 0.0
