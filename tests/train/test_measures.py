"""Losses, right predictions and sizes of gradients: by their definitions, and alike on arrays."""

import math
from random import Random

import numpy as np
import pytest

from tinygrad_edu import Value, nn
from tinygrad_edu.engine.errors import LengthError, OperandError, SettingError
from tinygrad_edu.train import one_hot
from tinygrad_edu.train.measures import Scores, evaluate, gradient_sizes

BITS = ([[-2.0], [3.0], [0.5]], [0, 1, 0])
SIGNS = ([[-2.0], [3.0], [0.5]], [-1, 1, -1])
THREE = ([[1.0, 3.0, 2.0], [5.0, 0.0, 1.0], [0.0, 1.0, 9.0]], [1, 0, 0])
TWO_THIRDS = {
    "bits": (nn.binary_cross_entropy, *BITS),
    "bits as floats": (nn.binary_cross_entropy, BITS[0], [0.0, 1.0, 0.0]),
    "booleans": (nn.binary_cross_entropy, BITS[0], [False, True, False]),
    "bits in a column": (nn.binary_cross_entropy, BITS[0], [[0], [1], [0]]),
    "an array of a column": (nn.binary_cross_entropy, BITS[0], np.array([[0.0], [1.0], [0.0]])),
    "signs": (nn.hinge, *SIGNS),
    "signs in a column": (nn.hinge, SIGNS[0], [[-1.0], [1.0], [-1.0]]),
    "indices": (nn.cross_entropy, *THREE),
    "indices as floats": (nn.cross_entropy, THREE[0], [1.0, 0.0, 0.0]),
    "indices of NumPy": (nn.cross_entropy, THREE[0], np.array([1, 0, 0], dtype=np.uint8)),
    "indices in a column": (nn.cross_entropy, THREE[0], [[1], [0], [0]]),
    "one-hot": (nn.cross_entropy, THREE[0], one_hot([1, 0, 0], 3)),
    "an array of one-hot rows": (nn.cross_entropy, THREE[0], np.eye(3)[[1, 0, 0]]),
    "one-hot for a squared error": (nn.mse, THREE[0], one_hot([1, 0, 0], 3)),
    "the numbers 0 and 1": (nn.mse, [[0.1], [0.7], [0.6]], [0, 1, 0]),
    "the numbers -1 and 1": (nn.mse, [[-0.2], [0.4], [0.6]], [-1, 1, -1]),
    "an own squared error": (lambda out, t: (out - t) ** 2, [[0.1], [0.7], [0.6]], [0, 1, 0]),
    "an own loss of lists": (lambda out, t: (out[0] - t) ** 2, [[0.1], [0.7], [0.6]], [0, 1, 0]),
}


def scored(loss, outputs, y, metrics=None):
    """All samples as one batch, whose loss was 0.5."""
    scores = Scores(y, loss, metrics)
    scores.add([range(len(y))], [0.5], outputs, [len(y)])
    return scores.total()


@pytest.mark.parametrize("case", TWO_THIRDS)
def test_the_share_of_right_predictions(case):
    """Two of three are right, whatever the form of the targets; on lists and on arrays alike."""
    loss, outputs, y = TWO_THIRDS[case]

    assert scored(loss, outputs, y)["accuracy"] == pytest.approx(2 / 3)
    assert scored(loss, np.array(outputs), y)["accuracy"] == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("outputs", "y"),
    [
        ([[0.5], [1.5]], [0.5, 1.5]),
        ([[0.5], [1.5]], [1, 2]),
        ([[0.5], [1.5]], [-1, 0]),
        ([[0.5], [1.5]], [0.0, 0.25]),
        ([[0.5], [1.5]], [[0.5], [1.5]]),
        ([[0.5, 1.0], [1.5, 2.0]], [[0.5, 1.0], [1.5, 2.0]]),
        ([[0.5, 1.0], [1.5, 2.0]], [[1.0, 0.0], [0.9, 0.1]]),
        ([[0.5, 1.0], [1.5, 2.0]], [[1.0, 1.0], [0.0, 0.0]]),
        ([[0.5, 1.0], [1.5, 2.0]], [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]),
        ([[0.5, 1.0], [1.5, 2.0]], [0, 2]),
        ([[0.5, 1.0], [1.5, 2.0]], [0.5, 1.0]),
        ([[], []], [0, 1]),
    ],
)
def test_numbers_to_be_learned_have_no_accuracy(outputs, y):
    """All targets decide: two of them that look like classes do not make classes of others."""
    assert scored(nn.mse, outputs, y) == {"loss": 0.5}
    assert scored(nn.mse, np.array(outputs), y) == {"loss": 0.5}


def test_metrics_get_targets_and_predictions_of_one_kind():
    """Classes for classes, numbers for numbers, rows for rows, in the order they were added."""
    seen = {"pairs": lambda y, predicted: pairs.append((y, predicted)) or 0.25}
    pairs = []

    assert scored(nn.cross_entropy, THREE[0], one_hot(THREE[1], 3), seen)["metrics"] == {
        "pairs": 0.25
    }
    scored(nn.hinge, *SIGNS, seen)
    scored(nn.mse, [[0.5], [1.5]], [[1.0], [2.5]], seen)
    scored(nn.mse, np.array([[0.5, 1.0]]), [[0.0, 3.5]], seen)

    assert pairs == [
        ([1, 0, 0], [1, 0, 2]),
        ([-1, 1, -1], [-1, 1, 1]),
        ([1.0, 2.5], [0.5, 1.5]),
        ([[0.0, 3.5]], [[0.5, 1.0]]),
    ]


@pytest.mark.parametrize("returned", [None, "0.5", [0.5, 0.5]])
def test_a_metric_that_returns_no_number_is_named(returned):
    """By its name, with what it returned."""
    with pytest.raises(SettingError, match="the metric 'f1' did not return a number"):
        scored(nn.mse, [[0.5]], [0.5], {"f1": lambda y, predicted: returned})


def test_a_model_whose_outputs_are_not_rows_has_a_loss_alone():
    """An output may be anything that the loss takes."""

    class Nested(nn.Module):
        def forward(self, x):
            return [[Value(x[0])], {"b": 2.0}]

    assert evaluate(Nested(), lambda out, t: out[0][0] * t, [[2.0]], [1]) == (2.0, None)


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


def test_the_evaluation_of_a_regression_has_no_share():
    """None stands where there is nothing to count."""
    _, share = evaluate(nn.MLP(1, [1]), nn.mse, [[1.0], [2.0]], [0.5, 1.0])

    assert share is None


def test_data_that_do_not_belong_together_are_refused():
    """More samples than targets."""
    with pytest.raises(LengthError, match="y has 1 entries, X has 2"):
        evaluate(nn.MLP(1, [1]), nn.mse, [[1.0], [2.0]], [1.0])


@pytest.mark.parametrize("unit", [1.0, 1e200, 1e-200])
def test_gradient_sizes_are_root_mean_squares_by_layer(unit):
    """sqrt(mean(g^2)) over the parameters of each layer, also where the squares overflow."""
    model = nn.MLP(1, [1, 1])
    for parameter, grad in zip(model.parameters(), [3.0, 4.0, 0.0, 2.0], strict=True):
        parameter.grad = grad * unit

    sizes = list(gradient_sizes(model).values())

    expected = [math.sqrt(12.5) * unit, math.sqrt(2.0) * unit]
    assert sizes == pytest.approx(expected, rel=1e-15)


def test_evaluate_refuses_what_is_no_model_or_no_loss_in_words():
    """A loss of plain numbers can be measured, though not trained by."""
    model = nn.MLP(1, [1])

    with pytest.raises(SettingError, match="the model is None"):
        evaluate(None, nn.mse, [[1.0]], [1.0])
    with pytest.raises(SettingError, match="loss is 'mse'"):
        evaluate(model, "mse", [[1.0]], [1.0])
    with pytest.raises(OperandError, match="got NoneType"):
        evaluate(model, lambda output, target: None, [[1.0]], [1.0])
    assert evaluate(model, lambda output, target: 2.0, [[1.0]], [0.5])[0] == 2.0
