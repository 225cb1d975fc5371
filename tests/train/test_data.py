"""Data: every sample once, in an order that the rng alone decides."""

from collections import Counter
from random import Random

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.preprocessing import StandardScaler

from tinygrad_edu.engine.errors import LengthError, OperandError, SettingError
from tinygrad_edu.train.data import Split, minibatches, one_hot, split, standardize
from tinygrad_edu.train.datasets import load


def test_an_epoch_has_each_sample_once():
    """M samples in batches of B: ceil(M / B) batches that together are all samples."""
    batches = list(minibatches(103, 10, Random(1)))

    assert [len(batch) for batch in batches] == [10] * 10 + [3]
    assert sorted(i for batch in batches for i in batch) == list(range(103))


def test_the_order_depends_on_the_rng_alone():
    """Same seed, same batches; another seed, other ones."""
    first, again, other = (list(minibatches(50, 7, Random(seed))) for seed in (3, 3, 4))

    assert first == again
    assert first != other


@pytest.mark.promise(name="settings")
@pytest.mark.parametrize("size", [0, -1, 1.5, None])
def test_a_batch_size_that_is_none_is_refused(size):
    """By name, not by an empty epoch."""
    with pytest.raises(SettingError, match="batch_size is"):
        minibatches(10, size, Random(0))


@given(
    samples=st.integers(1, 40),
    share=st.floats(0.0, 1.0, exclude_max=True),
    seed=st.integers(0, 10),
)
def test_a_split_has_each_sample_once_with_its_target(samples, share, seed):
    """Nothing is lost, doubled or matched with another target; one sample stays to train on."""
    X = [[float(i)] for i in range(samples)]

    data = split(X, [10 * i for i in range(samples)], share, rng=Random(seed))

    pairs = zip(data.X + data.X_test, data.y + data.y_test, strict=True)
    assert sorted(pairs) == [([float(i)], 10 * i) for i in range(samples)]
    assert len(data.X_test) == min(round(samples * share), samples - 1)


@given(
    counts=st.lists(st.integers(1, 12), min_size=1, max_size=5),
    share=st.floats(0.0, 0.7),
    seed=st.integers(0, 10),
)
def test_a_stratified_split_holds_the_same_share_of_each_class(counts, share, seed):
    """Give or take one sample, each once, as many held out as without; none loses its last one."""
    y = [name for name, count in zip("abcde", counts, strict=False) for _ in range(count)]
    X = [[float(i)] for i in range(len(y))]
    held_out = len(split(X, y, share, rng=Random(seed)).y_test)
    assume(held_out <= len(y) - len(counts))

    data = split(X, y, share, rng=Random(seed), stratify=y)

    assert sorted(data.X + data.X_test) == X
    assert [y[int(x)] for (x,) in data.X + data.X_test] == data.y + data.y_test
    assert len(data.y_test) == held_out
    for name, count in Counter(y).items():
        assert name in data.y
        if min(counts) > 1 and 2 * held_out <= len(y):  # else some are kept to train on
            assert abs(data.y_test.count(name) - count * held_out / len(y)) < 1.0


@pytest.mark.parametrize("labels", [[0, 1, 1], np.array(["a", "b", "b"]), [[1, 0], [0, 1], [0, 1]]])
def test_classes_to_stratify_by_may_be_of_any_kind(labels):
    """Indices, names, one-hot rows; they need not be the targets."""
    data = split([[1.0], [2.0], [3.0]], [5, 6, 7], 0.34, rng=Random(0), stratify=labels)

    assert sorted(data.y_test + data.y) == [5, 6, 7]
    assert data.y_test in ([6], [7])


@pytest.mark.parametrize(
    ("stratify", "error", "message"),
    [
        ([1.0, 2.0, 3.0], SettingError, "1 of 3 samples are to be held out, but there are 3 cl"),
        ([1, 1], LengthError, "stratify has 2 entries, X has 3"),
        (True, OperandError, "stratify is True"),
    ],
)
def test_what_is_not_classes_is_not_stratified_by(stratify, error, message):
    """Numbers that are all different, for instance."""
    with pytest.raises(error, match=message):
        split([[1.0], [2.0], [3.0]], [5, 6, 7], 0.34, rng=Random(0), stratify=stratify)


def test_a_split_takes_arrays():
    """What comes from NumPy becomes lists of plain numbers."""
    data = split(np.arange(6, dtype=np.float32).reshape(3, 2), np.arange(3), 0.0, rng=Random(0))

    pairs = sorted(zip(data.X, data.y, strict=True))
    assert pairs == [([0.0, 1.0], 0), ([2.0, 3.0], 1), ([4.0, 5.0], 2)]
    assert {type(target) for target in data.y} == {int}


@pytest.mark.promise(name="shapes")
@pytest.mark.parametrize(
    ("X", "y", "error", "message"),
    [
        ([[1.0], [2.0]], [1], LengthError, "y has 1 entries, X has 2"),
        ([], [], LengthError, "y has 0 entries"),
        ([[1.0], [2.0, 3.0]], [1, 2], LengthError, r"X\[1\] has 2 features, X\[0\] has 1"),
        ([1.0, 2.0], [1, 2], OperandError, r"X\[0\] is 1.0"),
        ([[1.0], ["a"]], [1, 2], OperandError, r"X\[1\] is \['a'\]"),
        ([[1.0], [float("nan")]], [1, 2], OperandError, r"X\[1\]\[0\] has a missing number: nan"),
    ],
)
def test_data_that_do_not_fit_together_are_refused(X, y, error, message):
    """With the number of the sample."""
    with pytest.raises(error, match=message):
        split(X, y, rng=Random(0))


@pytest.mark.parametrize("name", ["digits", "iris", "wine", "breast_cancer"])
def test_standardized_as_scikit_learn_does(name):
    """To 1e-12: by the mean and deviation of the training part alone, constant columns to 0."""
    raw = load(name, rng=Random(0))
    scaler = StandardScaler().fit(raw.X)

    data = standardize(raw)

    assert np.allclose(data.X, scaler.transform(raw.X), rtol=1e-12, atol=1e-12)
    assert np.allclose(data.X_test, scaler.transform(raw.X_test), rtol=1e-12, atol=1e-12)
    assert (data.y, data.y_test) == (raw.y, raw.y_test)


@pytest.mark.parametrize("constant", [0.0, 0.1, -3.7, 1e300, 5e-324])
@pytest.mark.parametrize("samples", [1, 3, 10])
def test_a_constant_column_is_only_shifted(constant, samples):
    """To exactly 0, though the mean of 0.1, 0.1, 0.1 may be rounded."""
    data = standardize(Split([[constant]] * samples, [0] * samples, [[constant + 2.0]], [1]))

    assert [x for (x,) in data.X] == [0.0] * samples
    assert data.X_test == [[constant + 2.0 - constant]]


@pytest.mark.parametrize("unit", [5e-324, 1e-200, 1.0, 1e200, 2.0**1023])
def test_columns_of_any_size_are_standardized(unit):
    """Neither squares that vanish nor sums that overflow: -1, 0, 1, 0 units give the same."""
    data = standardize(Split([[-unit], [0.0], [unit], [0.0]], [0] * 4, [[unit]], [0]))

    assert [x for (x,) in data.X] == pytest.approx([-(2**0.5), 0.0, 2**0.5, 0.0], rel=1e-15)
    assert data.X_test == [data.X[2]]


def test_the_test_part_teaches_standardize_nothing():
    """Other held-out samples change nothing on the training part."""
    X, y = [[1.0, 5.0], [2.0, 7.0], [4.0, 1.0]], [0, 1, 0]

    first, second = (standardize(Split(X, y, [[x, x]], [0])) for x in (0.0, 1e6))

    assert first.X == second.X


def test_standardize_refuses_nothing_to_learn_from():
    """An empty training part has no mean."""
    with pytest.raises(LengthError, match="y has 0 entries"):
        standardize(Split([], [], [[1.0]], [0]))


@given(st.lists(st.integers(0, 9)), st.integers(0, 3))
def test_one_hot_has_a_single_one_in_the_place_of_the_class(y, more):
    """Row by row, as wide as asked or else as the largest class needs."""
    width = max(y, default=0) + 1 + more

    rows = one_hot(y, classes=width) if more else one_hot(y)

    assert [row.index(1.0) for row in rows] == y
    assert {(len(row), sum(row)) for row in rows} <= {(width, 1.0)}


@pytest.mark.parametrize("target", [-1, 3, 1.2, "1", None, [1]])
def test_one_hot_refuses_what_is_not_a_class(target):
    """-1 would count from the end, and 1.2 is between two classes."""
    with pytest.raises(SettingError, match=r"y\[1\] is"):
        one_hot([0, target], classes=3)


def test_a_split_is_shown_by_its_sizes():
    """A notebook's cell that ends with a data set does not print all of its numbers."""
    halves = split([[1.0], [2.0], [3.0]], [0, 1, 0], 0.34, rng=Random(0))

    assert repr(halves) == "Split(2 samples to train on, 1 held out)"
