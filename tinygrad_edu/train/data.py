"""Handle data as plain lists of floats: split, standardize, draw minibatches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from math import frexp, fsum, isfinite, ldexp, sqrt
from numbers import Real
from random import Random
from typing import Any

from tinygrad_edu.compiled.symbolic import Loss
from tinygrad_edu.engine.errors import LengthError, OperandError, SettingError
from tinygrad_edu.engine.guards import real
from tinygrad_edu.nn.init import choose_rng
from tinygrad_edu.shared.arguments import class_index, same_length, whole, within
from tinygrad_edu.shared.samples import as_list, by_position, rows_of_numbers

Rows = list[list[float]]


@dataclass(frozen=True, repr=False)
class Split:
    """Samples to train on, and others that are held out to test on.

    Attributes
    ----------
    X : list of list of float, shape (n_samples, n_features)
    y : list of n_samples targets: the indices of classes, or other numbers to be learned
    X_test, y_test : the same of the samples held out
    """

    X: Rows
    y: list[Any]
    X_test: Rows
    y_test: list[Any]

    def __repr__(self) -> str:
        """Count the samples, which a notebook would otherwise print all."""
        return f"Split({len(self.X):,} samples to train on, {len(self.X_test):,} held out)"


def split(
    X: Sequence[Any],
    y: Sequence[Any],
    test_share: float = 0.2,
    *,
    rng: Random,
    stratify: Sequence[Any] | None = None,
) -> Split:
    """Hold out a share of the samples, drawn at random, to test on.

    Parameters
    ----------
    X : samples, each a sequence of features, or an array of shape (n_samples, n_features)
    y : their n_samples targets
    test_share : float, at least 0 and below 1. The number of samples held out is rounded, and at
        least one sample is kept to train on
    rng : random.Random that draws them; it shuffles both parts
    stratify : the class of each sample, usually ``y``: each class then has the same share in both
        parts, give or take one sample, and at least one sample to train on

    Raises
    ------
    LengthError
        If there are not as many targets as samples, or samples differ in their number of features.
    OperandError
        If a feature is not a finite number.
    SettingError
        If the share is out of bounds, rng is not a random.Random, or no sample of a class
        would be left to train on.

    Examples
    --------
    >>> from random import Random
    >>> from tinygrad_edu.train.data import split
    >>> data = split([[0.0], [1.0], [2.0], [3.0], [4.0]], [0, 1, 4, 9, 16], rng=Random(0))
    >>> data.X_test, data.y_test
    ([[2.0]], [4])
    """
    test_share = within("test_share", test_share, least=0.0, below=1.0)
    rows, targets = _rows(X), by_position(y, "y")
    same_length("y", targets, "X", rows)
    order = list(range(len(rows)))
    choose_rng(rng).shuffle(order)
    held_out = min(round(len(rows) * test_share), len(rows) - 1)
    if stratify is not None:
        classes = by_position(stratify, "stratify")
        same_length("stratify", classes, "X", rows)
        order = _stratified(order, classes, held_out)
    test, training = order[:held_out], order[held_out:]
    return Split(
        [rows[i] for i in training],
        [targets[i] for i in training],
        [rows[i] for i in test],
        [targets[i] for i in test],
    )


def _stratified(order: list[int], classes: list[Any], held_out: int) -> list[int]:
    """Bring samples of each class to the front in proportion, ``held_out`` of them together."""
    members = dict[Any, list[int]]()
    for i in order:
        label = classes[i]
        members.setdefault(tuple(label) if isinstance(label, list) else label, []).append(i)
    if held_out > len(order) - len(members):
        raise SettingError(
            f"{held_out} of {len(order)} samples are to be held out, but there are {len(members)} "
            "classes.",
            expected="a class for several samples, and one sample of each class to train on",
            fix="hold out fewer samples, for example test_share=0.1, or leave stratify out.",
        )
    exact = {label: held_out * len(own) / len(order) for label, own in members.items()}
    quotas = {label: int(share) for label, share in exact.items()}
    for label in cycle(sorted(members, key=lambda label: quotas[label] - exact[label])):
        if sum(quotas.values()) == held_out:
            break
        quotas[label] += quotas[label] < len(members[label]) - 1
    chosen = {i for label, own in members.items() for i in own[: quotas[label]]}
    return sorted(order, key=lambda i: i not in chosen)  # stable: each part stays shuffled


def standardize(data: Split) -> Split:
    """Shift and scale each feature to mean 0 and standard deviation 1 on the training part.

    The test part is shifted and scaled by the same numbers, so nothing is learned from it. A
    feature that is constant on the training part is only shifted: it becomes 0 there.

    Raises
    ------
    LengthError
        If the training part is empty, or samples differ in their number of features.
    OperandError
        If a feature is not a finite number.

    References
    ----------
    LeCun, Bottou, Orr and Müller 1998, "Efficient BackProp", section 4.3.

    Examples
    --------
    >>> from tinygrad_edu.train.data import Split, standardize
    >>> data = standardize(Split([[1.0, 7.0], [3.0, 7.0]], [0, 1], [[4.0, 8.0]], [1]))
    >>> data.X, data.X_test
    ([[-1.0, 0.0], [1.0, 0.0]], [[2.0, 1.0]])
    """
    X, y = by_position(data.X), by_position(data.y, "y")
    same_length("y", y, "X", X)
    count = len(X)
    rows = _rows([*X, *by_position(data.X_test, "X_test")])
    columns = [_standardized(column, count) for column in zip(*rows, strict=True)]
    scaled = [list(row) for row in zip(*columns, strict=True)] if columns else rows
    return Split(scaled[:count], y, scaled[count:], by_position(data.y_test, "y_test"))


def minibatches(samples: int, batch_size: int, rng: Random) -> Iterator[list[int]]:
    """Yield the numbers 0 .. samples - 1 in random order, ``batch_size`` at a time, each once.

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


def weighted(
    X: Sequence[Any], y: Sequence[Any], sample_weight: Any
) -> tuple[Sequence[Any], Sequence[Any], list[float] | None]:
    """Return samples, targets and weights, without samples of weight 0.

    The largest weight becomes 1. Weights that are all equal change nothing, so they become None.
    """
    if sample_weight is None:
        return X, y, None
    given = as_list(sample_weight, "sample_weight")
    same_length("sample_weight", given, "X", X)
    same_length("y", y, "X", X)
    weights = [within(f"sample_weight[{i}]", w, least=0.0) for i, w in enumerate(given)]
    largest = max(weights)
    if not largest:
        raise SettingError(
            f"all {len(weights)} entries of sample_weight are zero, so no sample counts.",
            fix="pass weights above 0, for example sample_weight=[1.0] * len(X).",
        )
    kept = [i for i, weight in enumerate(weights) if weight / largest]
    X, y, weights = [X[i] for i in kept], [y[i] for i in kept], [weights[i] for i in kept]
    equal = min(weights) == largest
    return X, y, None if equal else [weight / largest for weight in weights]


def check_finite(name: str, data: Any) -> None:
    """Raise OperandError if a number in the data, at any depth, is nan or infinite: says where."""
    try:
        if all(map(isfinite, data)):
            return
    except (TypeError, OverflowError):  # rows, or what is not made of numbers at all
        pass
    for i, x in enumerate(data):
        if isinstance(x, Iterable) and not isinstance(x, str | bytes | Mapping):
            check_finite(f"{name}[{i}]", x)
        elif isinstance(x, Real) and not isfinite(real(x)):
            raise OperandError(
                f"{name}[{i}] is {float(x)}.",
                expected="finite numbers",
                fix="leave such samples out, or replace the number, for example by a mean.",
            )


def check_no_names(y: Sequence[Any], loss: Loss) -> None:
    """Raise SettingError if a target is text, which the losses of nn don't take."""
    texts = [i for i, target in enumerate(y) if isinstance(target, str)]
    if texts and getattr(loss, "__module__", "").startswith("tinygrad_edu."):
        raise SettingError(
            f"y[{texts[0]}] is {y[texts[0]]!r:.60}.",
            expected="the index of a class, or other numbers",
            fix="number the classes: names = sorted(set(y)); y = [names.index(t) for t in y].",
        )


def _rows(X: Sequence[Any]) -> Rows:
    """Return the samples as lists of finite floats, all of one length."""
    rows = rows_of_numbers(X)
    check_finite("X", rows)
    for i, row in enumerate(rows):
        if len(row) != len(rows[0]):
            raise LengthError(
                f"X[{i}] has {len(row)} features, X[0] has {len(rows[0])}.",
                expected=f"{len(rows[0])} features in each sample, as in the first",
                fix=f"check X[{i}]: each sample needs the same features in the same order.",
            )
    return rows


def _standardized(column: tuple[float, ...], training: int) -> list[float]:
    """Return (x - mean) / deviation, both of the first entries, which are the training part.

    Dividing by a power of two first costs no digit, and keeps squares and sums of very large and
    very small numbers within the range of floats.
    """
    largest = max(map(abs, column[:training]))
    unit = ldexp(1.0, frexp(largest)[1] - 1) if largest else 1.0
    known = [x / unit for x in column[:training]]
    if min(known) == max(known):  # not deviation == 0: the mean is rounded
        return [x - column[0] for x in column]
    mean = fsum(known) / training
    deviation = sqrt(fsum((x - mean) ** 2 for x in known) / training)
    return [(x / unit - mean) / deviation for x in column]


def one_hot(y: Sequence[int], classes: int | None = None) -> Rows:
    """Write each class as a list with 1.0 in its place and 0.0 elsewhere.

    ``nn.cross_entropy`` takes such rows as targets, and the indices of classes as well.

    Parameters
    ----------
    y : sequence of int, the indices of the classes, from 0
    classes : int, how many there are; by default one more than the largest in y

    Returns
    -------
    list of list of float, shape (n_samples, classes)

    Raises
    ------
    SettingError
        If an entry of y is not the index of a class: says which.

    Examples
    --------
    >>> from tinygrad_edu.train import one_hot
    >>> one_hot([2, 0])
    [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    """
    numbers = [_class(f"y[{i}]", target) for i, target in enumerate(as_list(y, "y"))]
    width = max(numbers, default=0) + 1 if classes is None else whole("classes", classes)
    for i, number in enumerate(numbers):
        if number >= width:
            raise SettingError(
                f"y[{i}] is {number}, but there are {width} classes.",
                expected=f"the index of a class, from 0 to {width - 1}",
                fix=f"number the classes from 0, or pass classes={number + 1}.",
            )
    return [[float(k == number) for k in range(width)] for number in numbers]


def _class(name: str, target: Any) -> int:
    number = class_index(target)
    return whole(name, target if number is None else number, least=0)
