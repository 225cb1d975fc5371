"""Load data sets by name: some are drawn point by point, others were measured."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from math import cos, pi, sin
from random import Random
from typing import Any

from tinygrad_edu.engine.errors import SettingError
from tinygrad_edu.nn.init import choose_rng
from tinygrad_edu.shared.arguments import extra, one_of, whole, within
from tinygrad_edu.train.data import Rows, Split, split

Points = tuple[Rows, list[int]]
SAMPLES = 200  # of a set that is drawn, where no other number is asked for
SPIRAL_TURNS = 1.5  # of each arm


@dataclass(frozen=True)
class DataSet:
    """The facts about a data set, known before it is loaded.

    Attributes
    ----------
    name : str, by which ``load`` knows it
    classes, features : int, how many
    source : str, who measured it, or who uses it
    make : function of (rng, samples, noise) that returns all of (X, y)
    samples : int, how many were measured; None where any number can be drawn
    noise : float, the default standard deviation of what is added to each feature of a drawn set
    class_names : tuple of str, one per class, where they have names
    """

    name: str
    classes: int
    features: int
    source: str
    make: Callable[[Random, int, float], Points]
    samples: int | None = None
    noise: float = 0.0
    class_names: tuple[str, ...] = ()

    @property
    def drawn(self) -> bool:
        """Check whether it is drawn from a rule, not measured."""
        return self.samples is None


def load(
    name: str | DataSet,
    *,
    rng: Random,
    samples: int | None = None,
    noise: float | None = None,
    test_share: float = 0.2,
) -> Split:
    """Load a data set of ``DATA_SETS`` by its name, with a share of it held out.

    Parameters
    ----------
    name : str, one of "moons", "circles", "spiral", "xor", "digits", "iris", "wine",
        "breast_cancer", or a DataSet of your own
    rng : random.Random, which makes every draw: the points, which samples, which are held out
    samples : int, training and test part together; by default 200 of a set that is drawn, else
        all there are. Classes are equally large in a set that is drawn, give or take one sample
        (xor: on average)
    noise : float, at least 0, for a set that is drawn: the standard deviation of what is added to
        each feature, in the units of the figure (about 1 from its middle to its edge)
    test_share : float, at least 0 and below 1

    Returns
    -------
    Split
        X of shape (n_samples, n_features) as lists of floats, y the indices of the classes.

    Raises
    ------
    SettingError
        If there is no such set, it has fewer samples, or another setting is not allowed.
    MissingExtraError
        If the set comes with scikit-learn, and that is not installed.

    Examples
    --------
    >>> from random import Random
    >>> from tinygrad_edu.train.datasets import DATA_SETS, load
    >>> data = load("spiral", rng=Random(0), samples=100)
    >>> len(data.X), len(data.X_test), len(data.X[0]), sorted(set(data.y))
    (80, 20, 2, [0, 1])
    >>> DATA_SETS["iris"].class_names
    ('setosa', 'versicolor', 'virginica')
    """
    kind = name if isinstance(name, DataSet) else DATA_SETS[one_of("name", name, DATA_SETS)]
    rng = choose_rng(rng)
    test_share = within("test_share", test_share, least=0.0, below=1.0)
    number, deviation = _samples(kind, samples), _noise(kind, noise)
    X, y = kind.make(rng, number, deviation)
    if len(X) > number:
        chosen = rng.sample(range(len(X)), number)
        X, y = [X[i] for i in chosen], [y[i] for i in chosen]
    return split(X, y, test_share, rng=rng)


def digits(test_share: float = 0.2, *, rng: Random) -> Split:
    """Load the 1,797 images of handwritten digits: ``load("digits", ...)`` in fewer words."""
    return load("digits", rng=rng, test_share=test_share)


def _made(name: str, noise: float, **shape: float) -> DataSet:
    """Describe a set of two classes that scikit-learn's ``make_moons`` or the like draws."""

    def make(rng: Random, samples: int, noise: float) -> Points:
        sets = _of_scikit_learn(name)
        settings = shape | {"shuffle": False, "random_state": rng.getrandbits(32)}
        X, y = getattr(sets, f"make_{name}")(samples, noise=noise or None, **settings)
        return X.tolist(), y.tolist()

    source = f"scikit-learn, make_{name} (Pedregosa et al. 2011)"
    return DataSet(name, 2, 2, source, make, noise=noise)


def _spiral(rng: Random, samples: int, noise: float) -> Points:
    """Draw two arms, half a turn apart, whose distance from the middle grows with the angle."""
    X, y = [], []
    for i in range(samples):
        arm, radius = i % 2, (i // 2 + 1) / ((samples + 1) // 2)
        angle = 2.0 * pi * SPIRAL_TURNS * radius + pi * arm
        X.append(_blurred([radius * cos(angle), radius * sin(angle)], rng, noise))
        y.append(arm)
    return X, y


def _xor(rng: Random, samples: int, noise: float) -> Points:
    """Draw points of the square -1 .. 1: class 1 where the signs of the features differ."""
    X, y = [], []
    for _ in range(samples):
        point = [rng.uniform(-1.0, 1.0), rng.uniform(-1.0, 1.0)]
        y.append(int((point[0] > 0.0) != (point[1] > 0.0)))
        X.append(_blurred(point, rng, noise))
    return X, y


def _digits(rng: Random, samples: int, noise: float) -> Points:
    """Read the images that come with this package; their file names its source and license."""
    file = resources.files("tinygrad_edu.train") / "digits.txt.gz"
    lines = gzip.decompress(file.read_bytes()).decode("ascii").splitlines()
    images = [line for line in lines if not line.startswith("#")]
    X = [[int(gray, 17) / 16 for gray in image[:64]] for image in images]
    return X, [int(image[64]) for image in images]


def _measured(
    name: str, classes: int, features: int, samples: int, source: str, names: str = ""
) -> DataSet:
    """Describe a set that scikit-learn brings along."""

    def make(rng: Random, samples: int, noise: float) -> Points:
        raw = getattr(_of_scikit_learn(name), f"load_{name}")()
        return raw.data.tolist(), raw.target.tolist()

    class_names = tuple(names.split())
    return DataSet(name, classes, features, source, make, samples, class_names=class_names)


def _of_scikit_learn(name: str) -> Any:
    """Return scikit-learn's module of data sets, or say how to install it."""
    return extra("sklearn.datasets", "scikit-learn", f"the data set {name}", "sklearn")


def _blurred(point: list[float], rng: Random, noise: float) -> list[float]:
    return [x + rng.gauss(0.0, noise) for x in point] if noise else point


_DIGITS = (
    "Alpaydin and Kaynak 1998, UCI Optical Recognition of Handwritten Digits, test part, "
    "https://doi.org/10.24432/C50P49, CC BY 4.0; pixels scaled to 0 .. 1"
)
_IRIS = "Anderson 1936; Fisher 1936"
_WINE = "Forina et al. 1988; Aeberhard and Forina 1991, UCI Wine"
_CANCER = "Street, Wolberg and Mangasarian 1993; UCI Breast Cancer Wisconsin (Diagnostic)"
_SPIRAL = "after Lang and Witbrock 1988, with fewer turns"
_XOR = "after Minsky and Papert 1969, on a whole square"

DATA_SETS: dict[str, DataSet] = {
    kind.name: kind
    for kind in (
        _made("moons", 0.1),
        _made("circles", 0.05, factor=0.5),
        DataSet("spiral", 2, 2, _SPIRAL, _spiral, noise=0.02),
        DataSet("xor", 2, 2, _XOR, _xor, noise=0.05),
        DataSet("digits", 10, 64, _DIGITS, _digits, 1797, class_names=tuple("0123456789")),
        _measured("iris", 3, 4, 150, _IRIS, "setosa versicolor virginica"),
        _measured("wine", 3, 13, 178, _WINE),
        _measured("breast_cancer", 2, 30, 569, _CANCER, "malignant benign"),
    )
}


def _samples(kind: DataSet, asked: int | None) -> int:
    if asked is None:
        return SAMPLES if kind.samples is None else kind.samples
    number = whole("samples", asked, least=2)
    if kind.samples is not None and number > kind.samples:
        raise SettingError(
            f"samples is {number}, but {kind.name} has {kind.samples}.",
            expected=f"at most {kind.samples}, or None for all",
            fix=f"pass samples={kind.samples}, or leave it out for all of them.",
        )
    return number


def _noise(kind: DataSet, asked: float | None) -> float:
    if asked is None:
        return kind.noise
    noise = within("noise", asked, least=0.0)
    if not kind.drawn:
        raise SettingError(
            f"noise is {noise:g}, but {kind.name} was measured, not drawn.",
            expected="None for " + ", ".join(k.name for k in DATA_SETS.values() if not k.drawn),
            fix=f'leave noise out, or draw points: load("moons", noise={noise:g}, rng=rng).',
        )
    return noise
