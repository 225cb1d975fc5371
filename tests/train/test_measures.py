"""Losses, right predictions and sizes of gradients: by their definitions, and alike on arrays."""

import math
from random import Random

import numpy as np
import pytest

from tinygrad_edu import Value, nn
from tinygrad_edu.engine.errors import LengthError
from tinygrad_edu.train.measures import count_right, evaluate, gradient_sizes, is_right


@pytest.mark.parametrize(
    ("output", "target", "right"),
    [
        ([1.0, 3.0], 1, True),
        ([1.0, 3.0], 0, False),
        (-2.0, -1, True),
        (-2.0, 0, True),
        (2.0, 1, True),
        (2.0, -1, False),
        (2.0, 2.5, False),
        ([2.0], 0, True),
    ],
)
def test_what_counts_as_right(output, target, right):
    """The largest logit, or the sign of a single one; a target that is not a class never."""
    single = isinstance(output, float)
    values = Value(output) if single else [Value(x) for x in output]

    assert is_right(values, target) == is_right(output, target) == right
    row = np.array([[output] if single else output])
    assert count_right(np, row, np.array([target]), single) == right


def test_rows_of_targets_are_never_right():
    """Probabilities, or several numbers: they don't name a class."""
    assert not is_right([1.0, 3.0], [0.0, 1.0])


def test_evaluation_is_the_mean_loss_and_the_share_of_right_predictions():
    """In evaluation mode, so that nothing is dropped; the mode before comes back."""
    model = nn.Sequential(nn.Layer(1, 1, rng=Random(0)), nn.Dropout(0.9, Random(1)))
    w, b = (p.data for p in model.parameters())
    X, y = [[1.0], [2.0], [-3.0]], [1, 0, 0]

    loss, share = evaluate(model, nn.binary_cross_entropy, X, y)

    outputs = [Value(w * x[0] + b) for x in X]
    losses = [nn.binary_cross_entropy(out, t).data for out, t in zip(outputs, y, strict=True)]
    assert loss == pytest.approx(math.fsum(losses) / 3, rel=1e-15)
    assert share == sum((out.data > 0.0) == (t == 1) for out, t in zip(outputs, y, strict=True)) / 3
    assert model.training


def test_data_that_do_not_belong_together_are_refused():
    """More samples than targets."""
    with pytest.raises(LengthError, match="y has 1 entries, X has 2"):
        evaluate(nn.MLP(1, [1]), nn.mse, [[1.0], [2.0]], [1.0])


@pytest.mark.parametrize("unit", [1.0, 1e200])
def test_gradient_sizes_are_root_mean_squares_by_layer(unit):
    """sqrt(mean(g^2)) over the parameters of each layer; inf where the squares are."""
    model = nn.MLP(1, [1, 1])
    for parameter, grad in zip(model.parameters(), [3.0, 4.0, 0.0, 2.0], strict=True):
        parameter.grad = grad * unit

    sizes = list(gradient_sizes(model).values())

    expected = [math.sqrt(12.5), math.sqrt(2.0)] if unit == 1.0 else [math.inf] * 2
    assert sizes == pytest.approx(expected)
