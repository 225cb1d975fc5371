"""Samples that count more than others: the weighted mean of losses, on graphs and on matrices."""

from random import Random

import numpy as np
import pandas as pd
import pytest

from tinygrad_edu import nn
from tinygrad_edu.engine.errors import FileError, LengthError, OperandError, SettingError
from tinygrad_edu.train import SGD, fit

BOTH = pytest.mark.parametrize("compiled", [True, False])
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(12, 2)).tolist(), RNG.integers(0, 3, 12).tolist()
WEIGHTS = RNG.uniform(0.1, 5.0, 12).tolist()


def trained(samples=X, targets=Y, *, compiled=True, size=5, normal=False, **settings):
    """Weights and losses of a small network after four epochs."""
    parts = [nn.Layer(2, 4), *[nn.BatchNorm(4)] * normal, nn.Layer(4, 3, "tanh")]
    model = nn.Sequential(*parts)
    settings |= {"epochs": 4, "batch_size": size, "rng": Random(1), "compiled": compiled}
    history = fit(model, nn.cross_entropy, samples, targets, progress=False, **settings)
    return [p.data for p in model.parameters()], history.loss


@BOTH
def test_a_step_follows_the_gradient_of_the_weighted_mean(compiled):
    """A line in one full batch, beside NumPy's arithmetic; the loss is that mean."""
    A, y, w = np.array(X), np.arange(12.0), np.array(WEIGHTS)
    model = nn.MLP(2, [1])
    before = np.array([p.data for p in model.parameters()])
    ones = np.hstack([A, np.ones((12, 1))])
    error = ones @ before - y

    history = fit(
        model, nn.mse, A, y, epochs=1, batch_size=12, optimizer=SGD(model.parameters(), 0.1),
        sample_weight=w, compiled=compiled, progress=False,
    )  # fmt: skip

    assert history.loss == [pytest.approx((w * error**2).sum() / w.sum(), rel=1e-12)]
    after = before - 0.1 * 2.0 * (ones.T @ (w * error)) / w.sum()
    np.testing.assert_allclose([p.data for p in model.parameters()], after, rtol=1e-12)


@pytest.mark.parametrize("normal", [False, True])
def test_graphs_and_matrices_agree(normal):
    """Also where a layer looks at whole batches, and where the last batch is smaller."""
    found = [trained(sample_weight=WEIGHTS, compiled=c, normal=normal) for c in (True, False)]

    for mine, eager in zip(*found, strict=True):
        np.testing.assert_allclose(mine, eager, rtol=1e-9, atol=1e-14)


@BOTH
@pytest.mark.parametrize("weight", [1, 0.1, 1e300, 5e-324, np.float32(3.0)])
def test_equal_weights_are_none(compiled, weight):
    """To the last bit, whatever they are."""
    assert trained(compiled=compiled, sample_weight=[weight] * 12) == trained(compiled=compiled)


@BOTH
def test_a_weight_of_0_leaves_the_sample_out(compiled):
    """To the last bit, as if it had never been there."""
    weights = [0.0 if i in (0, 7) else w for i, w in enumerate(WEIGHTS)]
    kept = [i for i in range(12) if weights[i]]
    parts = [[X[i] for i in kept], [Y[i] for i in kept]]

    found = trained(compiled=compiled, sample_weight=weights)

    assert found == trained(*parts, compiled=compiled, sample_weight=[weights[i] for i in kept])
    assert found != trained(compiled=compiled, sample_weight=WEIGHTS)


@BOTH
def test_a_weight_of_3_is_the_sample_three_times(compiled):
    """In full batches, up to rounding."""
    counts = [1 + i % 3 for i in range(12)]
    thrice = [[a for a, n in zip(part, counts, strict=True) for _ in range(n)] for part in (X, Y)]

    weights, losses = trained(compiled=compiled, sample_weight=counts, size=100)
    expected, curve = trained(*thrice, compiled=compiled, size=100)

    np.testing.assert_allclose(weights, expected, rtol=1e-11)
    np.testing.assert_allclose(losses, curve, rtol=1e-11)


def test_the_loss_of_an_epoch_is_the_mean_over_all_weights():
    """Not over the batches, whose weights differ."""
    model = nn.MLP(1, [1])
    for p, number in zip(model.parameters(), (0.0, 0.0), strict=True):
        p.data = number

    history = fit(
        model, nn.mse, [[0.0]] * 3, [1.0, 2.0, 3.0], epochs=1, batch_size=1, progress=False,
        optimizer=SGD(model.parameters(), 1e-300), sample_weight=[1.0, 2.0, 5.0],
    )  # fmt: skip

    assert history.loss == [pytest.approx((1.0 + 2.0 * 4.0 + 5.0 * 9.0) / 8.0)]


def test_weights_come_by_position():
    """As samples and targets do."""
    column = pd.Series(WEIGHTS, index=range(11, -1, -1))

    assert trained(sample_weight=column) == trained(sample_weight=WEIGHTS)


@pytest.mark.parametrize("others", [None, [3, 2, 1] * 4])
def test_a_run_does_not_go_on_with_other_weights(tmp_path, others):
    """Nor without; with its own it does."""
    path, mine = tmp_path / "run.json", [1, 2, 3] * 4
    trained(sample_weight=mine, checkpoint=path)

    with pytest.raises(FileError, match="sample_weight was '"):
        trained(sample_weight=others, checkpoint=path)
    trained(sample_weight=mine, checkpoint=path)


@pytest.mark.promise(name="settings")
@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        ([1.0] * 11, LengthError, "sample_weight has 11 entries, X has 12"),
        ([1.0] * 11 + [-0.5], SettingError, r"sample_weight\[11\] is -0.5"),
        ([1.0] * 11 + [float("nan")], SettingError, r"sample_weight\[11\] is nan"),
        ([1.0] * 11 + [float("inf")], SettingError, r"sample_weight\[11\] is inf"),
        ([1.0] * 11 + ["1"], SettingError, r"sample_weight\[11\] is '1'"),
        ([[1.0]] * 12, SettingError, r"sample_weight\[0\] is \[1.0\]"),
        ([0.0] * 12, SettingError, "all 12 entries of sample_weight are zero"),
        (2.0, OperandError, "sample_weight is 2.0"),
        ("balanced", OperandError, "sample_weight is 'balanced'"),
    ],
)
def test_weights_that_cannot_be_used_are_refused(weights, error, message):
    """Before training, with the number of the weight."""
    with pytest.raises(error, match=message):
        trained(sample_weight=weights)
