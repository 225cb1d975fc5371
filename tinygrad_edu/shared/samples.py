"""Data by position: samples and targets from any container become lists, row by row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from decimal import Decimal
from numbers import Real
from operator import is_
from typing import Any

from tinygrad_edu.engine.errors import OperandError, SettingError
from tinygrad_edu.engine.guards import real, scalar

# pandas, polars and Arrow; SciPy's sparse matrices; NumPy, PyTorch and JAX; all else of that kind
CONVERSIONS = ("to_numpy", "toarray", "tolist", "__array__")
MISSING = ("NoneType", "NAType", "NaTType")
PLAIN = (int, bool, str)


def by_position(data: Any, name: str = "X") -> list[Any]:
    """Return the samples or targets in a container as a list, in which ``[i]`` is the i-th of them.

    Lists, tuples, ranges, generators, arrays, tensors, tables and their columns are read row by
    row: labels of rows and names of columns do not count. What stands in an array or in a table
    becomes plain Python: floats, ints, booleans, strings, and lists of these.

    Parameters
    ----------
    data : the container
    name : str, what messages call it

    Raises
    ------
    OperandError
        If the container has no order, as a set, or is iterated by its keys, as a dict; if it holds
        dates; or if an entry is missing (None, nan, pandas.NA, masked): says which.

    Examples
    --------
    >>> from tinygrad_edu.shared.samples import by_position
    >>> by_position(range(3)), by_position(x / 2 for x in (1, 2))
    ([0, 1, 2], [0.5, 1.0])
    """
    return [_plain(entry, name, i) for i, entry in enumerate(as_list(data, name))]


def rows_of_numbers(X: Any, name: str = "X") -> list[list[Any]]:
    """Return samples as lists of floats; lists inside them stay lists.

    Raises
    ------
    OperandError
        If an entry is not a sequence of real numbers, or one of them is missing: says which.
    """
    return [_numbers(sample, name, i) for i, sample in enumerate(as_list(X, name))]


def is_array(X: Any) -> bool:
    """Check for an array of NumPy of real numbers that float64 has room for, without a mask."""
    return type(X).__name__ == "ndarray" and X.dtype.kind in "fiub" and X.dtype.itemsize <= 8


def in_rows(X: Any) -> Any:
    """Return an array of numbers, or a list of lists, as it is; all else as a list of lists."""
    if type(X).__name__ == "ndarray":
        return X if is_array(X) else by_position(X)
    lists = isinstance(X, list | tuple) and all(isinstance(row, list | tuple) for row in X)
    return X if lists else [as_list(row, f"X[{i}]") for i, row in enumerate(by_position(X))]


def floats_in_rows(X: Any) -> list[list[float]]:
    """Return rows of real numbers as lists of floats; nan is one of them.

    Raises
    ------
    SettingError
        If an entry is not a real number: says in which row.
    """
    rows: list[list[float]] = []
    for row in X.tolist() if is_array(X) else X:
        try:
            rows.append([*row] if _is_row_of_floats(row) else [*map(real, row)])
        except OperandError as error:
            raise SettingError(
                f"X[{len(rows)}] can't be read as numbers: {str(error).splitlines()[0]}",
                expected="rows of real numbers, none of them missing",
                fix="convert text to numbers, and fill or drop the rows with missing numbers.",
            ) from None
    return rows


def is_single(x: Any) -> bool:
    """Tell a number, a name, or an array or tensor without dimensions from a container."""
    return not isinstance(x, Iterable) or isinstance(x, str) or getattr(x, "shape", None) == ()


def as_list(data: Any, name: str = "X") -> list[Any]:
    """Return the entries of a container as a list, without looking at them."""
    if type(data) is list:  # each layer asks
        return data[:]
    entries = _unpacked(data, name)
    if isinstance(entries, Mapping | Set | str) or not isinstance(entries, Iterable):
        raise OperandError(
            f"{name} is {data!r:.60}, of type {type(data).__name__}.",
            expected="a container whose entries stand in an order, such as a list or an array",
            fix="pass a list, also for a single entry: [x].",
        )
    return list(entries)


def _unpacked(data: Any, name: str) -> Any:
    """Return what a library's container holds as a list, or as a number; all else as it is."""
    method = next((method for method in CONVERSIONS if hasattr(data, method)), None)
    if method is None:
        return data
    if getattr(getattr(data, "dtype", None), "kind", "") in ("M", "m"):  # would become integers
        raise OperandError(
            f"{name} holds dates or spans of time: its dtype is {data.dtype}.",
            expected="numbers, or the names of classes",
            fix="compute numbers first, for example the days since the first date.",
        )
    if hasattr(data, "requires_grad"):  # PyTorch warns where its gradient is left behind
        data = data.detach()
    entries = getattr(data, method)()
    return entries if method == "tolist" else _unpacked(entries, name)


def _plain(entry: Any, name: str, i: int) -> Any:
    """Return a sample or target, or a part of one, as plain Python; refuse what is missing."""
    kind = type(entry)
    if kind in PLAIN or (kind is float and entry == entry):
        return entry
    if kind is list and _is_row_of_floats(entry):
        return entry
    number = isinstance(entry, Real | Decimal)
    if number and entry == entry:
        return _as_plain(entry)
    if number or kind.__name__ in MISSING:
        raise OperandError(
            f"{name}[{i}] has a missing number: {entry!r:.60}.",
            expected="samples and targets without missing numbers",
            fix="drop or fill these rows first, for example table = table.dropna().",
        )
    if isinstance(entry, list | tuple):
        parts = [_plain(part, f"{name}[{i}]", j) for j, part in enumerate(entry)]
        return entry if all(map(is_, parts, entry)) else parts
    if isinstance(entry, Iterator):
        return _plain(list(entry), name, i)
    unpacked = _unpacked(entry, f"{name}[{i}]")
    return entry if unpacked is entry else _plain(unpacked, name, i)


def _is_row_of_floats(row: Sequence[Any]) -> bool:
    """Recognize the common row, floats without a nan, and call nothing for each number."""
    if {*map(type, row)} != {float}:
        return False
    total = sum(row)
    return bool(total == total)


def _as_plain(number: Any) -> Any:
    """Return a number as an int or a float: NumPy's small integers go round, as 100 - 200 does."""
    x = scalar(number)
    return x if type(x) in (int, bool) else real(x)


def _numbers(sample: Any, name: str, i: int) -> Any:
    if type(sample) is list and _is_row_of_floats(sample):
        return sample[:]
    sample = _plain(sample, name, i)
    try:
        return [_number(feature) for feature in as_list(sample)]
    except TypeError:  # an OperandError is one
        raise OperandError(
            f"{name}[{i}] is {sample!r:.60}.",
            expected="a sequence of numbers, the features of one sample",
            fix="convert text to numbers; write a single feature as [x], not x.",
        ) from None


def _number(feature: Any) -> Any:
    return [*map(_number, feature)] if isinstance(feature, list | tuple) else real(feature)
