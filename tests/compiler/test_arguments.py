"""What is passed to the compiler: any table of numbers is read, and all else refused in words."""

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

from tests.compiler.test_program import line
from tinygrad_edu import Value
from tinygrad_edu.compiler import compile_graph
from tinygrad_edu.engine.errors import LengthError, OperandError, SettingError


@pytest.mark.promise(name="shapes")
@pytest.mark.parametrize(
    ("X", "error", "said"),
    [
        ([[1.0]], LengthError, r"shape \(1, 1\)"),
        ([], LengthError, r"shape \(0,\)"),
        (None, LengthError, "no X was passed, but the program was compiled for 2 inputs"),
        ([1.0, 2.0], LengthError, r"shape \(2,\)"),
        ([[1.0, math.nan]], SettingError, r"X\[0\] holds a nan"),
        ([[1.0, 2.0], [3.0]], LengthError, r"X has the shape \(2, 'ragged'\)"),
        ([["a", 1.0]], SettingError, r"X\[0\] can't be read as numbers: .* got str: 'a'"),
        ([["1.5", 1.0]], SettingError, r"X\[0\] can't be read as numbers: .* got str: '1.5'"),
        ([[2.0, 1.0], [None, 1.0]], SettingError, r"X\[1\] can't be read as numbers"),
        ([[1j, 1.0]], SettingError, r"X\[0\] can't be read as numbers"),
        ([[10**400, 1.0]], SettingError, r"X\[0\] can't be read as numbers: .* it overflows"),
        ([[Value(1.0), 1.0]], SettingError, r"X\[0\] can't be read as numbers: .* got Value"),
        ([[[1.0], [2.0]]], SettingError, r"X\[0\] can't be read as numbers: .* got list"),
        ([[np.ma.masked, 1.0]], SettingError, r"X\[0\]"),
        (np.ma.array([[1.0, 2.0]], mask=[[True, False]]), SettingError, "got NoneType"),
        (np.array([[np.longdouble("1e400"), 1.0]]), SettingError, "it overflows"),
        (np.array([[1.0, 2.0]], str), SettingError, "got str: '1.0'"),
        (np.array([[1.0, 2.0]], complex), SettingError, "got complex"),
        (np.array([["2026-01-01"] * 2], "datetime64[D]"), OperandError, "dates or spans of time"),
        (np.zeros((0, 2)), LengthError, r"shape \(0, 2\)"),
        (np.zeros((2, 0)), LengthError, r"shape \(2, 0\)"),
        (np.zeros(2), LengthError, r"shape \(2,\)"),
        (np.zeros(()), LengthError, r"shape \(\)"),
        (np.zeros((1, 2, 2)), LengthError, r"shape \(1, 2, 2\)"),
        ({"a": 1}, OperandError, "X is {'a': 1}"),
        ({(1.0, 2.0)}, OperandError, "of type set"),
        (3.0, OperandError, "X is 3.0"),
        ("12", OperandError, "X is '12'"),
    ],
)
def test_data_that_is_not_a_table_of_numbers_is_refused(anywhere, X, error, said):
    """Wrong width, empty, missing, nan, ragged, or not numbers at all: on all targets alike."""
    loss, _, inputs = line()

    with pytest.raises(error, match=said):
        compile_graph(loss, inputs, target=anywhere).backward(X)


TABLE = np.array([[1.0, 2.0], [3.0, 4.0]])
TABLES = {  # the same numbers, in every container that people have them in
    "lists of ints": lambda: [[1, 2], [3, 4]],
    "tuples": lambda: ((1.0, 2.0), (3.0, 4.0)),
    "rows of a generator": lambda: (list(row) for row in TABLE),
    "generators of a generator": lambda: (iter(row) for row in TABLE),
    "ranges": lambda: [range(1, 3), range(3, 5)],
    "Fractions and Decimals": lambda: [[Fraction(1), Decimal(2)], [Fraction(6, 2), 4]],
    "scalars of NumPy": lambda: [[np.float32(1), np.int8(2)], [np.array(3), np.uint64(4)]],
    "Fortran's order": lambda: np.asfortranarray(TABLE),
    "every second": lambda: np.repeat(np.repeat(TABLE, 2, 0), 2, 1)[::2, ::2],
    "backwards": lambda: TABLE[::-1, ::-1].copy()[::-1, ::-1],
    "read-only": lambda: np.frombuffer(TABLE.tobytes()).reshape(2, 2),
    "bytes in another order": lambda: TABLE.astype(">f8"),
    "half precision": lambda: TABLE.astype(np.float16),
    "long doubles": lambda: TABLE.astype(np.longdouble),
    "unsigned": lambda: TABLE.astype(np.uint8),
    "objects": lambda: TABLE.astype(object),
    "a mask of nothing": lambda: np.ma.array(TABLE),
    "named fields": lambda: np.array([(1, 2), (3, 4)], [("a", int), ("b", float)]),
    "arrays in a list": lambda: [*TABLE],
    "a table with columns 12 and 34": lambda: pd.DataFrame(TABLE, columns=["12", "34"]),
    "a table of ints and floats": lambda: pd.DataFrame({"a": [1, 3], "b": [2.0, 4.0]}, [7, 3]),
    "a table of nullable ints": lambda: pd.DataFrame(TABLE).astype("Int64"),
    "a table of objects": lambda: pd.DataFrame(TABLE, dtype=object),
    "columns in a list": lambda: [pd.Series([1.0, 2.0], [5, 3]), pd.Series([3.0, 4.0], [9, 1])],
}
TENSORS = {
    "a tensor": lambda torch: torch.tensor(TABLE),
    "single precision": lambda torch: torch.tensor(TABLE, dtype=torch.float32),
    "with gradients": lambda torch: torch.tensor(TABLE, requires_grad=True),
    "in a list": lambda torch: [*torch.tensor(TABLE, requires_grad=True)],
    "in lists": lambda torch: [[*row] for row in torch.tensor(TABLE, requires_grad=True)],
}


@pytest.mark.parametrize("name", TABLES)
def test_any_table_of_numbers_is_read_by_position(anywhere, name):
    """(1 w - 2)² and (3 w - 4)² at w = 2 have the mean 2, and the slope 6."""
    loss, _, inputs = line()
    program = compile_graph(loss, inputs, target=anywhere)

    assert program.backward(TABLES[name]()) == 2.0
    assert [*program.gradient] == [6.0]


@pytest.mark.parametrize("name", TENSORS)
def test_tensors_are_read_without_their_gradients(anywhere, name):
    """In any container."""
    torch = pytest.importorskip("torch")
    loss, _, inputs = line()

    assert compile_graph(loss, inputs, target=anywhere).forward(TENSORS[name](torch)) == 2.0


def test_infinities_and_large_integers_are_numbers(anywhere):
    """As they are for a Value; only a nan is refused."""
    w, x = Value(2.0), Value(0.0)
    program = compile_graph(w * x, [x], target=anywhere)

    assert program.forward([[math.inf], [1.0]]) == math.inf
    assert program.forward([[2**70]]) == 2.0**71


def test_a_table_of_booleans_and_ints_is_read_as_numbers(anywhere):
    """pandas has no common type for them but objects."""
    loss, _, inputs = line()
    table = pd.DataFrame({"a": [1, 3], "b": [True, False]})

    assert compile_graph(loss, inputs, target=anywhere).forward(table) == 18.5


W, X = Value(1.0), Value(2.0)


@pytest.mark.parametrize(
    ("loss", "inputs", "outputs", "said"),
    [
        (W * X, [W, X], (), "no parameters"),
        (W * X, [Value(1.0)], (), "does not depend on its input"),
        (W * X, [Value(1.0), Value(1.0)], (), "none of its 2 inputs"),
        (W * X, [W * 1.0], (), "is not a leaf"),
        (W * X, [X, X], (), "given as two inputs"),
        (W * X, [X], [3.0], "expects a Value, got float"),
        (3.0, [], (), r"expects a Value, got float: 3\.0"),
        (abs, [], (), r"expects a Value, got builtin_function"),
        (W * X, X, (), r"inputs is Value\(2.*of type Value"),
        (W * X, {X}, (), "inputs is .* of type set"),
        (W * X, {"x": X}, (), "inputs is .* of type dict"),
        (W * X, [X], W * X, r"outputs is Value\(2.*of type Value"),
        (W * X, [[X]], (), "is not a leaf"),
        (X * X, [X], (), "no parameters"),
    ],
)
def test_what_can_not_be_compiled_is_refused(target, loss, inputs, outputs, said):
    """Nothing to learn, no input that matters, and what is not a Value."""
    program = compile_graph(W * X, target=target)

    with pytest.raises((SettingError, OperandError), match=said):
        compile_graph(loss, inputs, target=target, outputs=outputs)
    if said not in ("no parameters", "does not depend on its input", "none of its 2 inputs"):
        with pytest.raises((SettingError, OperandError), match=said):
            program.rebind(loss, inputs, outputs)


def test_inputs_and_outputs_come_in_any_order_of_values(target):
    """Generators are read once, arrays of NumPy as lists; None is none of them."""
    w, x, t = Value(2.0), Value(0.0), Value(0.0)
    out = w * x

    for ways in (iter, list, tuple, lambda values: np.array([*values], object)):
        program = compile_graph(out - t, ways([x, t]), target=target, outputs=ways([out, t]))
        program.forward([[3.0, 1.0]])
        assert program.outputs().tolist() == [[6.0, 1.0]]
    assert compile_graph(out - t, None, target=target, outputs=None).forward() == 0.0
