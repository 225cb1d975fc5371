"""Normalization and dropout: NumPy's mean and variance, hand-made masks, what is refused."""

from contextlib import suppress
from math import nan
from random import Random

import numpy as np
import pytest

from tinygrad_edu import Value, nn
from tinygrad_edu.engine.errors import LengthError, SettingError
from tinygrad_edu.gradcheck import check_gradient


def rows(samples=5, features=3, seed=0):
    """Numbers far from mean 0 and variance 1."""
    rng = Random(seed)
    return [[rng.gauss(3.0, 2.0) for _ in range(features)] for _ in range(samples)]


def data(outputs):
    """Values as an array."""
    return np.array([[v.data for v in out] for out in outputs])


def test_layer_norm_is_that_of_the_paper():
    """Ba et al. 2016: each sample by its own mean and standard deviation, then gain and bias."""
    norm, x = nn.LayerNorm(3), np.array(rows())
    for i in range(3):
        norm.gamma[i].data, norm.beta[i].data = 1.0 + i, -0.5 * i

    mine = data(norm(list(row)) for row in x)

    mean, variance = x.mean(axis=1, keepdims=True), x.var(axis=1, keepdims=True)
    expected = (x - mean) / np.sqrt(variance + 1e-5) * [1.0, 2.0, 3.0] + [0.0, -0.5, -1.0]
    np.testing.assert_allclose(mine, expected, rtol=1e-12, atol=1e-13)


def test_batch_norm_in_training_is_algorithm_1():
    """Ioffe and Szegedy 2015: each feature by the mean and variance of the batch."""
    norm, x = nn.BatchNorm(3), np.array(rows())

    mine = data(norm.batch(x.tolist()))

    expected = (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 1e-5)
    np.testing.assert_allclose(mine, expected, rtol=1e-12, atol=1e-13)


def test_batch_norm_in_evaluation_mode_is_algorithm_2():
    """Running mean and unbiased running variance, a tenth of them new with each batch."""
    norm, first, second = nn.BatchNorm(3), np.array(rows(seed=1)), np.array(rows(seed=2))

    norm.batch(first.tolist())
    norm.batch(second.tolist())
    norm.eval()
    mine = data([norm(list(first[0]))])

    mean = 0.9 * (0.1 * first.mean(axis=0)) + 0.1 * second.mean(axis=0)
    variance = 0.9 * (0.9 + 0.1 * first.var(axis=0, ddof=1)) + 0.1 * second.var(axis=0, ddof=1)
    np.testing.assert_allclose(mine, [(first[0] - mean) / np.sqrt(variance + 1e-5)], rtol=1e-12)


@pytest.mark.parametrize("kind", ["layer", "batch"])
def test_gradients_flow_through_the_statistics(kind):
    """Against finite differences: taking mean or variance as constants would show."""
    norm = nn.LayerNorm(3) if kind == "layer" else nn.BatchNorm(3)

    def loss(*x):
        samples = [list(x[:3]), list(x[3:])]
        outs = norm.batch(samples) if kind == "batch" else [norm(sample) for sample in samples]
        return sum(weight * y for weight, y in enumerate([y for out in outs for y in out]))

    check_gradient(loss, 0.3, -1.2, 0.8, 1.5, 0.1, -0.4)


def test_dropout_drops_the_share_and_keeps_the_mean():
    """20,000 numbers at a rate of 0.3: 0, or divided by 0.7."""
    out = [v.data for v in nn.Dropout(0.3, Random(0))([1.0] * 20_000)]

    assert {*out} == {0.0, 1.0 / 0.7}
    assert out.count(0.0) / 20_000 == pytest.approx(0.3, abs=0.01)
    assert sum(out) / 20_000 == pytest.approx(1.0, abs=0.02)


def test_dropout_lets_gradients_through_where_it_lets_numbers_through():
    """By the same mask."""
    x = [Value(2.0) for _ in range(50)]

    out = nn.Dropout(0.5)(x)
    sum(out[1:], out[0]).backward()

    assert [v.grad for v in x] == [y.data / 2.0 for y in out]
    assert {v.grad for v in x} == {0.0, 2.0}


def test_nothing_is_dropped_in_evaluation_mode():
    """After eval() the numbers pass as they are; train() turns it on again."""
    dropout, x = nn.Dropout(0.5), [Value(1.0) for _ in range(30)]

    dropout.eval()
    assert dropout(x) == x
    dropout.train()
    assert {v.data for v in dropout(x)} == {0.0, 2.0}


def test_each_dropout_has_draws_of_its_own():
    """Two from one seed differ, and the generator handed in is not used again."""
    rng = Random(1)
    one, two = nn.Dropout(0.5, rng), nn.Dropout(0.5, rng)
    state = rng.getstate()

    masks = [[v.data for v in dropout([1.0] * 40)] for dropout in (one, two)]

    assert masks[0] != masks[1]
    assert rng.getstate() == state


def test_modes_reach_every_part_and_come_back():
    """evaluating() leaves each part as it was, even after an error."""
    model = nn.Sequential(nn.Layer(2, 2), nn.Dropout(0.5), nn.Residual(nn.BatchNorm(2)))
    model.parts[1].eval()

    with suppress(ZeroDivisionError), model.evaluating():
        assert not any(part.training for _, part in model.named_modules())
        raise ZeroDivisionError

    assert [name for name, part in model.named_modules() if not part.training] == ["layer2"]


@pytest.mark.promise(name="settings")
def test_one_sample_in_training_is_refused():
    """It has no variance; the message says what to call."""
    norm = nn.BatchNorm(2)

    with pytest.raises(SettingError, match="was given one sample in training"):
        norm([1.0, 2.0])
    with pytest.raises(SettingError, match="a batch of 1 in training"):
        norm.batch([[1.0, 2.0]])


@pytest.mark.promise(name="shapes")
@pytest.mark.parametrize("kind", [nn.LayerNorm, nn.BatchNorm])
def test_a_wrong_number_of_features_is_refused(kind):
    """Expected and got."""
    with pytest.raises(LengthError, match="expected 3 numbers, got 2"):
        kind(3).batch([[1.0, 2.0], [3.0, 4.0]])


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.BatchNorm(0),
        lambda: nn.BatchNorm(2, momentum=0.0),
        lambda: nn.BatchNorm(2, momentum=1.5),
        lambda: nn.LayerNorm(2, epsilon=0.0),
        lambda: nn.Dropout(1.0),
        lambda: nn.Dropout(-0.1),
        lambda: nn.Dropout(0.5, 7),
    ],
)
def test_settings_are_checked(make):
    """By name and bounds."""
    with pytest.raises(SettingError):
        make()


def test_running_statistics_are_in_the_file(tmp_path):
    """Saved and loaded, a model in evaluation mode has the same outputs."""
    model, other = nn.Sequential(nn.BatchNorm(3)), nn.Sequential(nn.BatchNorm(3))
    model.batch(rows())
    model.eval()
    other.eval()

    nn.save(model, tmp_path / "model.json")
    nn.load(other, tmp_path / "model.json")

    x = rows()[0]
    assert [v.data for v in other(x)] == [v.data for v in model(x)]


# --- special values ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "row",
    [
        [0.0] * 3,
        [5.0] * 3,
        [1e-300, 0.0, -1e-300],
        [1e8, 1e8, 1e8],
        [1e100, -1e100, 0.0],
        [1e-5] * 3,
    ],
    ids=str,
)
def test_constant_and_extreme_rows_are_those_of_pytorch(row):
    """Value and gradient: nothing is divided by 0, and nothing becomes nan."""
    torch = pytest.importorskip("torch")
    norm, x = nn.LayerNorm(3), [Value(number) for number in row]
    theirs = torch.tensor(row, dtype=torch.float64, requires_grad=True)

    out = norm(x)
    (out[0] * 2.0 - out[1] * out[2]).backward()
    right = torch.nn.functional.layer_norm(theirs, (3,))
    (right[0] * 2.0 - right[1] * right[2]).backward()

    scale = 1e-9 * max(1.0, float(theirs.grad.abs().max()))
    assert [v.data for v in out] == pytest.approx(right.tolist(), rel=1e-9, abs=1e-12)
    assert [v.grad for v in x] == pytest.approx(theirs.grad.tolist(), rel=1e-9, abs=scale)


def test_a_column_that_is_constant_is_normalized_to_its_shift():
    """As PyTorch does in training; the running variance takes the 0."""
    torch = pytest.importorskip("torch")
    norm, column = nn.BatchNorm(1), [Value(3.0) for _ in range(4)]
    theirs = torch.full((4, 1), 3.0, dtype=torch.float64, requires_grad=True)
    reference = torch.nn.BatchNorm1d(1, dtype=torch.float64)

    out = [row[0] for row in norm.batch([[v] for v in column])]
    (out[0] * 3.0 + out[1]).backward()
    right = reference(theirs)[:, 0]
    (right[0] * 3.0 + right[1]).backward()

    assert [v.data for v in out] == right.tolist() == [0.0] * 4
    assert [v.grad for v in column] == pytest.approx(theirs.grad[:, 0].tolist(), rel=1e-12)
    assert norm.running_variance[0].data == pytest.approx(reference.running_var.item())


def test_one_feature_is_its_shift_whatever_it_is():
    """It is its own mean."""
    norm = nn.LayerNorm(1)
    norm.beta[0].data = 0.25

    assert [norm([x])[0].data for x in (-1e300, 0.0, 7.0)] == [0.25] * 3


def test_a_dropout_of_rate_zero_passes_everything_and_draws_nothing():
    """The very Values; a rate of 1 is refused, since nothing would be left to scale."""
    drop, x = nn.Dropout(0.0), [Value(1.0), Value(2.0)]
    state = drop.rng.getstate()

    assert drop(x) == x
    assert drop.rng.getstate() == state
    for rate in (1, 1.0, -0.1, nan, True):
        with pytest.raises(SettingError, match="rate is"):
            nn.Dropout(rate)
