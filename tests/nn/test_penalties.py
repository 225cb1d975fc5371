"""Penalties: which parameters they count, by which formula, and what is refused."""

from math import inf, nan

import pytest

from tinygrad_edu import nn
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
