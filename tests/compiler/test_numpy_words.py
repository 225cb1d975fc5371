"""NumPy's words: where a view or slices will do, and which call has the same bits faster."""

import numpy as np
import pytest

from tinygrad_edu.compiler.numpy_words import affine, numpy_call, runs, squeezed
from tinygrad_edu.engine.symbols import Expression, variable

X, Y = variable("x"), variable("y")
GRID = np.arange(12).reshape(3, 4)


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        (GRID, (0, (4, 1))),
        (GRID.T + 5, (5, (1, 4))),
        (GRID[:, ::2], (0, (4, 2))),
        (GRID[:, [0, 0, 0]], (0, (4, 0))),
        (GRID[:1, :1], (0, (0, 0))),
        (GRID[:, [0, 1, 3]], None),
        (GRID[[0, 2, 1]], None),
    ],
    ids=["whole", "transposed", "every second", "repeated", "one", "uneven", "another order"],
)
def test_evenly_spaced_places_have_an_offset_and_steps(places, expected):
    """They are a view; others have to be collected."""
    assert affine(places) == expected


@pytest.mark.parametrize(
    ("pieces", "length", "few"), [(1, 20, True), (8, 20, True), (9, 20, False), (4, 10, False)]
)
def test_a_few_long_slices_take_the_place_of_a_table(pieces, length, few):
    """Up to eight, of about sixteen numbers at least."""
    places = np.concatenate([np.arange(length) + 100 * i for i in range(pieces)])

    slices = [(length * i, length * i + length, 100 * i) for i in range(pieces)]
    assert runs(places) == (slices if few else [])


def test_axes_of_length_1_are_left_out_of_the_first_only():
    """So a layer is a matrix product, and not a stack of one."""
    assert squeezed(np.zeros((1, 5, 1), int), 2).shape == (5, 1)
    assert squeezed(np.zeros((1, 1, 1), int), 2).shape == (1,)


def test_squares_and_conditions_have_faster_calls():
    """x ** 2 is a square, and a factor of 1 or 0 by a condition is the condition itself."""
    positive = Expression("greater", (X, 0.0))
    relu_slope = Expression("where", (positive, 1.0, 0.0))
    other = Expression("where", (positive, 2.0, 0.0))

    assert numpy_call(Expression("power", (X, 2.0))) == ("square", (X,))
    assert numpy_call(Expression("multiply", (Y, relu_slope)))[1][1] is positive
    assert numpy_call(Expression("multiply", (Y, other)))[1][1] is other
