"""Arrays: the names and shapes of numbers, and how the axes of a loop lie along them."""

from tinygrad_edu.compiler.arrays import ROWS, Array, Arrays

W = Array("W1", "u", tuple(range(10, 16)), (3, 2))


def test_a_pattern_tells_the_axis_of_each_dimension():
    """The array itself, its transpose, and nothing for a part of it or another order."""
    lengths = {"r": 3, "k": 2}

    assert W.pattern(["r", "k"], lengths, [0, 1, 2, 3, 4, 5]) == ["r", "k"]
    assert W.pattern(["k", "r"], lengths, [0, 2, 4, 1, 3, 5]) == ["r", "k"]
    assert W.pattern(["r"], lengths, [0, 2, 4]) == []
    assert W.pattern(["r", "k"], lengths, [1, 0, 2, 3, 4, 5]) == []
    assert W.pattern(["r", "k"], lengths, [0, 0, 2, 2, 4, 4]) == []


def test_rows_of_data_are_the_first_dimension():
    """Of what each row has for itself; a length of 1 lies along no axis."""
    loss = Array("s1", "b", (7,), (1,))

    assert loss.pattern([], {}, [0]) == [ROWS, None]
    assert loss.size == "n×1"
    assert Array("b1", "u", (0, 1), (1, 2)).size == "2"


def test_no_two_arrays_have_one_name():
    """A letter of ours is numbered, a label stays unless it is taken."""
    arrays = Arrays()

    names = [
        arrays.define(name, "u", [at], (1, 1)).name
        for at, name in enumerate(("W#", "W#", "gain", "gain", "b2", "b2", "L", "W1"))
    ]

    assert names == ["W1", "W2", "gain", "gain1", "b2", "b2_1", "L1", "W1_1"]
