"""Tables and vectors of numbers: arrays of NumPy where it is installed, else plain Python.

A table is then a list of lists of floats, and a vector what ``array`` or ``memoryview`` gives. Each
function takes either, so that what computes with programs is written once.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import chain
from typing import Any

from tinygrad_edu.shared.samples import is_array


def numpy_or_none() -> Any:
    """Return NumPy, or None where it is not installed."""
    try:
        import numpy
    except ImportError:
        return None
    return numpy


def as_array(numbers: Any) -> Any:
    """Return NumPy's view of an array, or NumPy's array of a list; without NumPy what it is.

    Examples
    --------
    >>> from tinygrad_edu.shared.vectors import as_array, chosen, columns, reshaped
    >>> table = as_array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    >>> chosen(table, [1]).tolist(), columns(table, 0, 2).tolist(), reshaped(table, 2).tolist()
    ([[4.0, 5.0, 6.0]], [[1.0, 2.0], [4.0, 5.0]], [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    """
    np = numpy_or_none()
    return numbers if np is None else np.asarray(numbers)


def as_lists(table: Any) -> list[list[float]]:
    """Return the rows of a table as lists."""
    rows: list[list[float]] = table.tolist() if is_array(table) else table
    return rows


def chosen(numbers: Any, places: Any) -> Any:
    """Return a copy of the rows of a table, or the numbers of a vector, at these places."""
    if is_array(numbers):
        import numpy

        return numbers[numpy.asarray(places, dtype=int)]
    if isinstance(numbers, list):
        return [numbers[place][:] for place in places]
    return array("d", [numbers[place] for place in places])


def put(vector: Any, places: Any, numbers: Any) -> None:
    """Write numbers to these places of a vector."""
    if is_array(vector):
        vector[places] = numbers
    else:
        for place, number in zip(places, numbers, strict=True):
            vector[place] = number


def fill(vector: Any, numbers: Any) -> None:
    """Copy numbers into a vector; in single precision large ones become infinite."""
    if is_array(vector):
        with overflows_allowed():
            vector[:] = numbers
    else:
        vector[:] = array("d", numbers)


def reshaped(numbers: Any, width: int) -> Any:
    """Return the numbers of a table or a vector, in their order, in rows of another width."""
    np = numpy_or_none()
    if np is not None:
        return np.asarray(numbers).reshape(-1, width)
    flat = [*chain.from_iterable(numbers)] if isinstance(numbers, list) else numbers.tolist()
    return [flat[at : at + width] for at in range(0, len(flat), width)]


def table_of(store: Any, rows: int, width: int) -> Any:
    """Return a copy of the numbers of a store as a table of so many rows, which may be empty."""
    np = numpy_or_none()
    if np is not None:
        return np.array(store).reshape(rows, width)
    flat = store.tolist()
    return [flat[at * width : (at + 1) * width] for at in range(rows)]


def columns(table: Any, start: int, end: int) -> Any:
    """Return some neighboring columns of a table."""
    return table[:, start:end] if is_array(table) else [row[start:end] for row in table]


def set_last_column(table: Any, numbers: Sequence[float]) -> None:
    """Write numbers to the last column of a table."""
    if is_array(table):
        table[:, -1] = numbers
    else:
        for row, number in zip(table, numbers, strict=True):
            row[-1] = number


def side_by_side(left: Any, right: Iterable[Sequence[float]]) -> Any:
    """Return a table whose rows are those of two, one after the other."""
    if is_array(left):
        import numpy

        return numpy.hstack([left, numpy.array(right)])
    return [[*a, *b] for a, b in zip(left, right, strict=True)]


def overflows_allowed() -> AbstractContextManager[Any]:
    """Compute through overflows, as Values do, whatever a user's ``np.seterr`` says."""
    np = numpy_or_none()
    return nullcontext() if np is None else np.errstate(all="ignore")
