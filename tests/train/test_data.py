"""Data: every sample once, in an order that the rng alone decides; the sets, by name."""

import sys
from collections import Counter
from math import atan2, hypot, pi
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import datasets as sklearn_sets
from sklearn.preprocessing import StandardScaler

from tinygrad_edu.engine.errors import LengthError, MissingExtraError, OperandError, SettingError
from tinygrad_edu.train import Split, digits, minibatches
from tinygrad_edu.train.data import one_hot, split, standardize
from tinygrad_edu.train.datasets import DATA_SETS, SPIRAL_TURNS, load

DRAWN = [name for name, kind in DATA_SETS.items() if kind.drawn]
MEASURED = [name for name, kind in DATA_SETS.items() if not kind.drawn]
every_set = pytest.mark.parametrize("name", DATA_SETS)
every_drawn_set = pytest.mark.parametrize("name", DRAWN)
every_measured_set = pytest.mark.parametrize("name", MEASURED)


def samples_of(data):
    """Both parts together: (features, target), in no particular order."""
    rows = zip([*data.X, *data.X_test], [*data.y, *data.y_test], strict=True)
    return Counter((tuple(x), y) for x, y in rows)


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


def test_the_digits_are_the_real_ones_split_without_overlap():
    """1,797 images, 64 pixels of 0 .. 1, a fifth held out, none on both sides."""
    split = digits(rng=Random(0))

    training, test = list(map(tuple, split.X)), list(map(tuple, split.X_test))
    assert len(training) + len(test) == 1797
    assert len(test) == 359
    assert all(len(image) == 64 and 0.0 <= min(image) <= max(image) <= 1.0 for image in training)
    assert set(split.y) == set(split.y_test) == set(range(10))
    assert not set(training) & set(test)


@every_set
def test_a_set_is_what_its_entry_says(name):
    """As many samples, features and classes as the registry states, each class on both sides."""
    kind = DATA_SETS[name]

    data = load(name, rng=Random(0))

    assert kind.name == name
    assert sum(samples_of(data).values()) == (kind.samples or 200)
    assert {len(x) for x in [*data.X, *data.X_test]} == {kind.features}
    assert set(data.y) == set(data.y_test) == set(range(kind.classes))
    assert len(kind.class_names) in (0, kind.classes)


@every_set
def test_a_set_depends_on_the_rng_alone(name):
    """Same seed, same samples in the same order; another seed, another order."""
    first, again, other = (load(name, rng=Random(seed), samples=60) for seed in (3, 3, 4))

    assert first == again
    assert first != other


@every_set
def test_a_set_is_of_plain_numbers(name):
    """Floats and ints of Python itself, which a Value takes and json writes."""
    data = load(name, rng=Random(0), samples=30)

    assert {type(feature) for x in [*data.X, *data.X_test] for feature in x} == {float}
    assert {type(target) for target in [*data.y, *data.y_test]} == {int}


@every_measured_set
def test_a_measured_set_is_scikit_learns(name):
    """Every sample once, none else, with the target and the class names it has there."""
    raw = getattr(sklearn_sets, f"load_{name}")()
    unit = 16.0 if name == "digits" else 1.0
    expected = Counter(
        (tuple(row), target)
        for row, target in zip((raw.data / unit).tolist(), raw.target.tolist(), strict=True)
    )

    assert samples_of(load(name, rng=Random(1))) == expected
    if DATA_SETS[name].class_names:
        assert DATA_SETS[name].class_names == tuple(map(str, raw.target_names))


@every_measured_set
def test_some_samples_of_a_measured_set_are_drawn_from_all(name):
    """Fewer samples are a part of the set, each at most as often as there, not its first ones."""
    everything = load(name, rng=Random(0))

    some = load(name, rng=Random(0), samples=50, test_share=0.0)

    assert len(some.X) == 50
    assert some.X_test == []
    assert samples_of(some) <= samples_of(everything)
    assert len(set(some.y)) > 1


@every_drawn_set
def test_noise_moves_the_points(name):
    """Without noise the points lie on the figure itself; the classes stay the same."""
    clean, blurred = (
        load(name, rng=Random(5), samples=40, noise=noise, test_share=0.0) for noise in (0.0, 0.3)
    )

    assert clean.X != blurred.X
    assert Counter(clean.y) == Counter(blurred.y) or name == "xor"


@pytest.mark.parametrize("name", ["moons", "circles", "spiral"])
@pytest.mark.parametrize("samples", [2, 7, 100])
def test_classes_of_a_drawn_set_are_equally_large(name, samples):
    """Give or take one sample."""
    data = load(name, rng=Random(0), samples=samples, test_share=0.0)

    assert len(data.y) == samples
    assert abs(data.y.count(0) - data.y.count(1)) <= 1


def test_points_of_the_spiral_lie_on_its_arms():
    """Without noise the angle is the radius times the turns, half a turn on for class 1."""
    data = load("spiral", rng=Random(0), noise=0.0, test_share=0.0)

    for (x, y), arm in zip(data.X, data.y, strict=True):
        turns = SPIRAL_TURNS * hypot(x, y) + arm / 2 - atan2(y, x) / (2 * pi)
        assert turns == pytest.approx(round(turns), abs=1e-9)


def test_xor_is_one_where_the_signs_differ():
    """Without noise, in every quadrant of the square -1 .. 1."""
    data = load("xor", rng=Random(0), noise=0.0, test_share=0.0)

    assert all(max(map(abs, x)) <= 1.0 for x in data.X)
    assert [int(a * b < 0.0) for a, b in data.X] == data.y
    assert {(a > 0.0, b > 0.0) for a, b in data.X} == {(s, t) for s in (0, 1) for t in (0, 1)}


def test_spiral_and_xor_need_the_standard_library_alone(monkeypatch):
    """Without scikit-learn they load, and the others say how to get it."""
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)

    assert len(load("spiral", rng=Random(0)).X) == len(load("xor", rng=Random(0)).X) == 160
    with pytest.raises(MissingExtraError, match="moons needs scikit-learn"):
        load("moons", rng=Random(0))


@pytest.mark.promise(name="settings")
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "mnist"}, "there is no data set 'mnist'"),
        ({"name": ["iris"]}, r"there is no data set \['iris'\]"),
        ({"name": "iris", "samples": 151}, "samples is 151, but iris has 150"),
        ({"name": "iris", "samples": 1}, "samples is 1"),
        ({"name": "moons", "samples": 2.5}, "samples is 2.5"),
        ({"name": "iris", "noise": 0.1}, "noise is 0.1, but iris was measured"),
        ({"name": "moons", "noise": -0.1}, "noise is -0.1"),
        ({"name": "spiral", "noise": float("nan")}, "noise is nan"),
        ({"name": "xor", "test_share": 1.0}, "test_share is 1.0"),
        ({"name": "xor", "test_share": -0.1}, "test_share is -0.1"),
        ({"name": "xor", "rng": 0}, "rng is 0"),
    ],
)
def test_a_set_that_cannot_be_had_is_refused(settings, message):
    """By the name of the setting."""
    with pytest.raises(SettingError, match=message):
        load(**{"rng": Random(0)} | settings)


@given(
    samples=st.integers(1, 40),
    share=st.floats(0.0, 1.0, exclude_max=True),
    seed=st.integers(0, 10),
)
def test_a_split_has_each_sample_once_with_its_target(samples, share, seed):
    """Nothing is lost, doubled or matched with another target; one sample stays to train on."""
    X = [[float(i)] for i in range(samples)]

    data = split(X, [10 * i for i in range(samples)], share, rng=Random(seed))

    assert samples_of(data) == Counter({((float(i),), 10 * i): 1 for i in range(samples)})
    assert len(data.X_test) == min(round(samples * share), samples - 1)


def test_a_split_takes_arrays():
    """What comes from NumPy becomes lists of plain numbers."""
    data = split(np.arange(6, dtype=np.float32).reshape(3, 2), np.arange(3), 0.0, rng=Random(0))

    assert samples_of(data) == Counter({((0.0, 1.0), 0): 1, ((2.0, 3.0), 1): 1, ((4.0, 5.0), 2): 1})
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
        ([[1.0], [float("nan")]], [1, 2], OperandError, r"X\[1\] is \[nan\]"),
    ],
)
def test_data_that_do_not_fit_together_are_refused(X, y, error, message):
    """With the number of the sample."""
    with pytest.raises(error, match=message):
        split(X, y, rng=Random(0))


@every_measured_set
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


@given(st.lists(st.integers(0, 9), min_size=1))
def test_one_hot_has_a_single_one_in_the_place_of_the_class(y):
    """Row by row, and as wide as the largest class asks."""
    rows = one_hot(y)

    assert [row.index(1.0) for row in rows] == y
    assert {(len(row), sum(row)) for row in rows} == {(max(y) + 1, 1.0)}


def test_one_hot_is_as_wide_as_asked():
    """Also where the largest class does not occur."""
    assert one_hot([0], classes=3) == [[1.0, 0.0, 0.0]]
    assert one_hot([], classes=3) == []


@pytest.mark.parametrize("target", [-1, 3, 1.0, "1", None, True])
def test_one_hot_refuses_what_is_no_class(target):
    """-1 would count from the end, 1.0 may have been 1.2."""
    with pytest.raises(SettingError, match=r"y\[1\] is"):
        one_hot([0, target], classes=3)


def test_arrays_have_the_same_numbers():
    """X of shape (n_samples, n_features) in float64, y of ints."""
    data = load("iris", rng=Random(0))

    arrays = data.arrays()

    assert arrays.X.shape == (120, 4)
    assert arrays.X_test.shape == (30, 4)
    assert arrays.X.dtype == arrays.X_test.dtype == np.float64
    assert arrays.y.dtype == arrays.y_test.dtype == np.int64
    assert [part.tolist() for part in arrays] == [data.X, data.y, data.X_test, data.y_test]


def test_arrays_of_an_empty_part_keep_their_shape():
    """No samples of 2 features, whose targets are still ints."""
    arrays = load("xor", rng=Random(0), test_share=0.0).arrays()

    assert arrays.X_test.shape == (0, 2)
    assert arrays.y_test.dtype == arrays.y.dtype


def test_targets_need_not_be_classes():
    """For regression y are floats, and one-hot rows make y two-dimensional."""
    floats = split([[0.0], [1.0]], [0.5, 1.5], 0.0, rng=Random(0)).arrays()
    rows = split([[0.0], [1.0]], one_hot([0, 1]), 0.0, rng=Random(0)).arrays()

    assert floats.y.dtype == np.float64
    assert rows.y.shape == (2, 2)
