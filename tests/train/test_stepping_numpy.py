"""Training does not depend on NumPy's settings: what a user's np.seterr says is not asked."""

from random import Random

import numpy as np
import pytest

from tinygrad_edu import nn
from tinygrad_edu.compiled.predict import Predictor
from tinygrad_edu.diagnose import (
    decision_boundary,
    gradient_flow,
    learning_rate_range,
    loss_surface,
)
from tinygrad_edu.train import SGD, Adam, ClipByNorm, fit

X = [[1e3 * i, -1e-300 * i] for i in range(-20, 20)]  # saturated, and far below what squares hold
Y = [int(i > 0) for i in range(-20, 20)]


def saturated(activation="tanh"):
    """A network whose activations are flat on these samples: slopes underflow."""
    return nn.Sequential(
        nn.Layer(2, 4, rng=Random(0)), nn.BatchNorm(4), activation, nn.Layer(4, 2, rng=Random(1))
    )


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "relu", "softplus"])
@pytest.mark.parametrize("kind", [SGD, Adam])
def test_a_user_who_lets_numpy_raise_trains_to_the_same_bits(activation, kind):
    """Every number of the history and every prediction, as with NumPy's own settings."""

    def outcome():
        model = saturated(activation)
        optimizer = kind(model.parameters(), 1e-3, clip=ClipByNorm(1.0))
        history = fit(
            model, nn.cross_entropy, X, Y, epochs=2, optimizer=optimizer, validation=(X, Y),
            penalty=nn.L2(1e-3), progress=False, compiled=True,
        )  # fmt: skip
        return history.loss, history.gradient, history.validation_loss, Predictor(model)(X)

    with np.errstate(all="raise"):
        strict = outcome()

    assert strict == outcome()


@pytest.mark.parametrize("look", [gradient_flow, learning_rate_range, loss_surface])
def test_a_diagnosis_does_not_raise_either(look):
    """Nor does a boundary, below."""
    with np.errstate(all="raise"):
        assert str(look(saturated(), nn.cross_entropy, X, Y))


def test_a_boundary_is_drawn_all_the_same():
    """On a grid that reaches far out."""
    with np.errstate(all="raise"):
        assert decision_boundary(saturated(), X, Y, resolution=5).figure
