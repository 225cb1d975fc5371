"""Tables and vectors: what is done with arrays of NumPy is done with lists, too."""

import sys
from array import array

import numpy as np
import pytest

from tinygrad_edu.shared import vectors

ROWS = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
NUMBERS = array("d", [1.0, 2.0, 3.0, 4.0])


def changed(function, numbers, *given):
    """What a function makes of a copy of numbers."""
    mine = vectors.as_array([row[:] for row in numbers] if numbers is ROWS else numbers[:])
    function(mine, *given)
    return mine


WAYS = {
    "rows": lambda: vectors.chosen(vectors.as_array(ROWS), [1, 0, 1]),
    "places": lambda: vectors.chosen(vectors.as_array(NUMBERS), [3, 0]),
    "no places": lambda: vectors.chosen(vectors.as_array(NUMBERS), []),
    "put": lambda: changed(vectors.put, NUMBERS, [3, 0], [0.5, 0.25]),
    "fill": lambda: changed(vectors.fill, NUMBERS, [4.0, 3.0, 2.0, 1.0]),
    "a table anew": lambda: vectors.reshaped(vectors.as_array(ROWS), 2),
    "a vector anew": lambda: vectors.reshaped(vectors.as_array(NUMBERS), 4),
    "columns": lambda: vectors.columns(vectors.as_array(ROWS), 1, 3),
    "last column": lambda: changed(vectors.set_last_column, ROWS, [0.5, 0.25]),
    "side by side": lambda: vectors.side_by_side(vectors.as_array(ROWS), [[7.0], [8.0]]),
    "lists": lambda: vectors.as_lists(vectors.as_array(ROWS)),
}


@pytest.mark.parametrize("name", WAYS)
def test_lists_and_arrays_give_the_same_numbers(name, monkeypatch):
    """With NumPy arrays come back, and without it none."""
    expected = WAYS[name]()
    monkeypatch.setitem(sys.modules, "numpy", None)

    found = WAYS[name]()

    assert type(found) in (list, array)
    assert type(expected) is (list if name == "lists" else np.ndarray)
    assert [*found] == np.asarray(expected).tolist()


@pytest.mark.parametrize("hidden", [False, True])
def test_what_is_chosen_is_a_copy(hidden, monkeypatch):
    """Rows may be changed without a change of the data."""
    if hidden:
        monkeypatch.setitem(sys.modules, "numpy", None)
    table, vector = vectors.as_array([row[:] for row in ROWS]), vectors.as_array(NUMBERS[:])

    vectors.chosen(table, [0, 1])[0][0] = vectors.chosen(vector, range(4))[0] = 9.0

    assert vectors.as_lists(table) == ROWS
    assert vector[0] == 1.0
