"""The data sets by name: what is measured is as it was, what is drawn lies where it should."""

import gzip
import sys
from collections import Counter
from math import atan2, hypot, pi
from random import Random

import pytest
from sklearn import datasets as sklearn_sets

from tests import digits as written
from tinygrad_edu.engine.errors import MissingExtraError, SettingError
from tinygrad_edu.train.datasets import DATA_SETS, SPIRAL_TURNS, digits, load

DRAWN = [name for name, kind in DATA_SETS.items() if kind.drawn]
MEASURED = [name for name, kind in DATA_SETS.items() if not kind.drawn]
every_set = pytest.mark.parametrize("name", DATA_SETS)
every_measured_set = pytest.mark.parametrize("name", MEASURED)


def samples_of(data):
    """Both parts together: (features, target), in no particular order."""
    rows = zip([*data.X, *data.X_test], [*data.y, *data.y_test], strict=True)
    return Counter((tuple(x), y) for x, y in rows)


def test_digits_are_that_set_in_fewer_words():
    """A share of another size is passed on."""
    assert digits(0.1, rng=Random(0)) == load("digits", rng=Random(0), test_share=0.1)


def test_digits_are_scikit_learns_number_for_number():
    """In its order, so that a seed chooses the same images; a pixel of 16 is 1."""
    raw = sklearn_sets.load_digits()

    X, y = DATA_SETS["digits"].make(Random(0), 1797, 0.0)

    assert [[16.0 * pixel for pixel in image] for image in X] == raw.data.tolist()
    assert y == raw.target.tolist()


def test_the_file_of_digits_is_what_its_script_writes():
    """With its source and its license, whoever passes the file on."""
    text = gzip.decompress(written.FILE.read_bytes()).decode("ascii")

    assert text == written.text(), "run: python -m tests.digits"
    assert "https://doi.org/10.24432/C50P49" in text
    assert "CC BY 4.0" in text


@every_set
def test_a_set_is_what_its_entry_says(name):
    """So many samples, features and classes, each on both sides, in plain floats and ints."""
    kind = DATA_SETS[name]

    data = load(name, rng=Random(0))

    assert kind.name == name
    assert sum(samples_of(data).values()) == (kind.samples or 200)
    assert {len(x) for x in [*data.X, *data.X_test]} == {kind.features}
    assert set(data.y) == set(data.y_test) == set(range(kind.classes))
    assert len(kind.class_names) in (0, kind.classes)
    assert {type(feature) for x in [*data.X, *data.X_test] for feature in x} == {float}
    assert {type(target) for target in [*data.y, *data.y_test]} == {int}


@every_set
def test_a_set_depends_on_the_rng_alone(name):
    """Same seed, same samples in the same order; another seed, another order."""
    first, again, other = (load(name, rng=Random(seed), samples=60) for seed in (3, 3, 4))

    assert first == again
    assert first != other


@every_measured_set
def test_a_measured_set_is_scikit_learns(name):
    """Every sample once, none else, with the target and the class names it has there."""
    raw = getattr(sklearn_sets, f"load_{name}")()
    X = (raw.data / 16.0 if name == "digits" else raw.data).tolist()
    expected = Counter(zip(map(tuple, X), raw.target.tolist(), strict=True))

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


@pytest.mark.parametrize("name", DRAWN)
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


@every_set
def test_a_set_comes_with_this_package_or_says_what_it_comes_with(name, monkeypatch):
    """Spiral, xor and digits need the standard library alone; the others name the extra."""
    for module in ("sklearn", "sklearn.datasets", "numpy"):
        monkeypatch.setitem(sys.modules, module, None)

    if name in ("spiral", "xor", "digits"):
        assert len(load(name, rng=Random(0)).X) in (160, 1438)
    else:
        command = r'Fix +: pip install "tinygrad_edu\[sklearn\]"'
        with pytest.raises(MissingExtraError, match=rf"(?s){name} needs scikit-learn.*{command}"):
            load(name, rng=Random(0))


@pytest.mark.promise(name="settings")
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "mnist"}, "name is 'mnist'"),
        ({"name": ["iris"]}, r"name is \['iris'\]"),
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
