"""Real data as plain lists of floats, in minibatches: what a network of Values eats."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from tinygrad_edu.checks import extra, whole

Rows = list[list[float]]


@dataclass(frozen=True)
class Split:
    """Samples to train on and others, held out, to test on.

    ``X`` has a list of features for each sample, ``y`` a target.
    """

    X: Rows
    y: list[int]
    X_test: Rows
    y_test: list[int]


def digits(test_share: float = 0.2, *, rng: Random) -> Split:
    """Scikit-learn's 1,797 images of handwritten digits, 8 x 8 pixels scaled to 0 .. 1.

    Source: Alpaydin and Kaynak 1998, UCI Optical Recognition of Handwritten Digits, test part.
    """
    raw = extra("sklearn.datasets", "scikit-learn", "the data of handwritten digits").load_digits()
    X = [[float(pixel) / 16.0 for pixel in image] for image in raw.data]
    y = [int(target) for target in raw.target]
    order = list(range(len(X)))
    rng.shuffle(order)
    held_out = round(len(X) * test_share)
    test, training = order[:held_out], order[held_out:]
    return Split(
        [X[i] for i in training],
        [y[i] for i in training],
        [X[i] for i in test],
        [y[i] for i in test],
    )


def minibatches(samples: int, batch_size: int, rng: Random) -> Iterator[list[int]]:
    """The numbers 0 .. samples - 1 in random order, ``batch_size`` at a time, each once.

    Examples
    --------
    >>> from random import Random
    >>> from tinygrad_edu.train import minibatches
    >>> [len(batch) for batch in minibatches(10, 4, Random(0))]
    [4, 4, 2]
    """
    order = list(range(whole("samples", samples)))
    size = whole("batch_size", batch_size)
    rng.shuffle(order)
    return (order[start : start + size] for start in range(0, len(order), size))
