"""Data by position: every container gives the same rows, or says in words why it can't."""

import array
import types
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from tinygrad_edu import Value
from tinygrad_edu.engine.errors import OperandError
from tinygrad_edu.shared.samples import as_list, by_position, in_rows, rows_of_numbers

ROWS = [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]
A = np.array(ROWS)
TABLES = {
    "list": ROWS,
    "tuple": tuple(map(tuple, ROWS)),
    "list of ranges": [range(2), range(2, 4), range(4, 6)],
    "list of generators": lambda: [(x for x in row) for row in ROWS],
    "generator": lambda: (row for row in ROWS),
    "zip": lambda: zip(*A.T.tolist(), strict=True),
    "array": A,
    "Fortran order": np.asfortranarray(A),
    "int8": A.astype(np.int8),
    "float16": A.astype(np.float16),
    "longdouble": A.astype(np.longdouble),
    "object": A.astype(object),
    "masked, nothing hidden": np.ma.array(A),
    "matrix": A.view(np.matrix),
    "sparse": sparse.csr_array(A),
    "list of arrays": list(A),
    "list of numbers of arrays": [[*row] for row in A],
    "list of arrays without dimensions": [[np.array(x) for x in row] for row in ROWS],
    "table": pd.DataFrame(A),
    "table with shuffled labels": pd.DataFrame(A, index=[2, 0, 1]),
    "table with equal labels": pd.DataFrame(A, index=[7, 7, 7]),
    "table with broken labels": pd.DataFrame(A, index=[10, 3, 99]),
    "table with days": pd.DataFrame(A, index=pd.date_range("2020-01-01", periods=3)),
    "table with numbers for names": pd.DataFrame(A, columns=["12", "34"]),
    "table with equal names": pd.DataFrame(A, columns=["a", "a"]),
    "table of Int64": pd.DataFrame(A).astype("Int64"),
    "table of Float64": pd.DataFrame(A).astype("Float64"),
    "table of categories": pd.DataFrame(A).astype("category"),
    "table of two kinds": pd.DataFrame({"a": A[:, 0].astype(int), "b": A[:, 1]}),
    "sparse table": pd.DataFrame(A).astype("Sparse[float]"),
    "list of columns' rows": [row for _, row in pd.DataFrame(A, columns=[1, 0]).iterrows()],
}
COLUMNS = {
    "list": [1, 0, 2],
    "range": range(3),
    "values of a dict": {"a": 1, "b": 0, "c": 2}.values(),
    "bytes": bytes([1, 0, 2]),
    "array.array": array.array("i", [1, 0, 2]),
    "uint8": np.array([1, 0, 2], np.uint8),
    "shuffled": pd.Series([1, 0, 2], index=[2, 0, 1]),
    "labels of text": pd.Series([1, 0, 2], index=list("abc")),
    "Int64": pd.Series([1, 0, 2], dtype="Int64", index=[2, 0, 1]),
    "category": pd.Series([1, 0, 2], dtype="category", index=[2, 0, 1]),
    "index": pd.Index([1, 0, 2]),
    "pandas' array": pd.array([1, 0, 2]),
}


@pytest.mark.parametrize("name", TABLES)
def test_rows_are_read_by_position(name):
    """Whatever holds them, and whatever labels and names stand beside them."""
    table = TABLES[name]
    table = table() if isinstance(table, types.FunctionType) else table

    rows = rows_of_numbers(table)

    assert rows == ROWS
    assert {type(number) for row in rows for number in row} == {float}


@pytest.mark.parametrize("name", COLUMNS)
def test_columns_are_read_by_position(name):
    """As plain integers, which may be the indices of classes."""
    column = by_position(COLUMNS[name], "y")

    assert column == ([0, 1, 2] if name == "range" else [1, 0, 2])
    assert {type(number) for number in column} == {int}


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pd.Series([True, False], dtype="boolean", index=[1, 0]), [True, False]),
        (pd.Series(["b", "a"], index=[1, 0]), ["b", "a"]),
        (pd.Series(["b", "a"], dtype="string", index=[1, 0]), ["b", "a"]),
        (pd.Series(["b", "a"], dtype="category"), ["b", "a"]),
        (np.array(["b", "a"]), ["b", "a"]),
        (np.array([np.True_, np.False_]), [True, False]),
        (pd.get_dummies(pd.Series(["b", "a"])), [[False, True], [True, False]]),
        (pd.DataFrame({"y": [1, 0]}, index=[1, 0]), [[1], [0]]),
        ([Decimal("1.5"), np.float32(2.0)], [1.5, 2.0]),
    ],
)
def test_labels_of_any_kind_are_kept(column, expected):
    """Names, booleans, one-hot rows, columns of shape (n, 1)."""
    assert by_position(column, "y") == expected


def test_what_needs_no_reading_is_left_as_it_is():
    """Rows, Values, and samples of the reader's own are the same objects."""
    samples = [[1.0, 2], (3, "a"), Value(1.0), object(), {"a": 1}, range(3)]

    assert all(map(lambda a, b: a is b, by_position(samples), samples))
    assert in_rows(A) is A
    assert in_rows(ROWS) is ROWS


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("abc", "X is 'abc', of type str"),
        ({1, 2}, r"X is \{1, 2\}, of type set"),
        ({0: 1.0}, "of type dict"),
        (5, "X is 5, of type int"),
        (None, "X is None"),
        (np.array(3.0), r"X is array\(3.\), of type ndarray"),
        (np.array(["2020-01-01"], "M8[ns]"), "X holds dates"),
        (pd.Series(pd.date_range("2020", periods=2)), "X holds dates"),
        (
            pd.DataFrame({"d": pd.date_range("2020", periods=2), "x": [1, 2]}),
            r"X\[0\](\[0\])? holds dates",
        ),
        (np.array([1], "m8[s]"), "X holds dates or spans of time"),
        ([1, None], r"X\[1\](\[0\])? has a missing number: None"),
        ([[1.0], [float("nan")]], r"X\[1\](\[0\])? has a missing number: nan"),
        ([[1.0], [np.float32("nan")]], r"X\[1\](\[0\])? has a missing number"),
        ([Decimal("nan")], r"X\[0\](\[0\])? has a missing number"),
        (np.array([[1.0], [np.nan]]), r"X\[1\](\[0\])? has a missing number: nan"),
        (np.ma.array([1, 2], mask=[False, True]), r"X\[1\](\[0\])? has a missing number"),
        (pd.Series([1, None], dtype="Int64", index=[1, 0]), r"X\[1\](\[0\])? has a missing number"),
        (
            pd.DataFrame({"a": [1, None], "b": "x"}).astype({"a": "Int64"}),
            r"X\[1\](\[0\])? has a missing",
        ),
        (pd.Series([True, None], dtype="boolean"), r"X\[1\](\[0\])? has a missing number"),
        (pd.Series(["a", None]), r"X\[1\](\[0\])? has a missing number"),
        ([pd.NaT], r"X\[0\](\[0\])? has a missing number"),
    ],
)
def test_what_has_no_order_or_lacks_a_number_is_refused(data, message):
    """In words, with the number of the row."""
    with pytest.raises(OperandError, match=message):
        by_position(data)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([1.0, 2.0], r"X\[0\] is 1.0"),
        (["12", "34"], r"X\[0\] is '12'"),
        ([["12", "34"]], r"X\[0\] is \['12', '34'\]"),
        ([[1.0], {0: 1.0}], r"X\[1\] is \{0: 1.0\}"),
        ([[1.0], {2.0}], r"X\[1\] is \{2.0\}"),
        (np.array([["1", "2"]]), r"X\[0\] is \['1', '2'\]"),
        ([[1j]], r"X\[0\] is \[1j\]"),
        ([[Value(1.0)]], r"X\[0\] is \[Value"),
        (pd.DataFrame({"a": ["x"], "b": [1.0]}), r"X\[0\] is \['x', 1.0\]"),
    ],
)
def test_features_that_are_not_numbers_are_refused(X, message):
    """Text is not read as a number here, since a Value would not be made of it either."""
    with pytest.raises(OperandError, match=message):
        rows_of_numbers(X)


def test_nested_rows_stay_nested():
    """As samples of a model of the reader's own."""
    assert rows_of_numbers(np.ones((1, 2, 2), np.float32)) == [[[1.0, 1.0], [1.0, 1.0]]]
    assert as_list(np.ones((1, 2))) == [[1.0, 1.0]]
