"""The target "javascript": numbers that arrive there, and come back, as they are."""

from math import inf, nan

import numpy as np
import pytest

from tests.targets import NODE
from tinygrad_edu import Value, compile_graph
from tinygrad_edu.engine.errors import SettingError

pytestmark = NODE


def test_single_precision_is_refused():
    """Numbers of JavaScript are float64."""
    with pytest.raises(SettingError, match='the target "javascript" has no float32'):
        compile_graph(Value(3.0) * 2.0, target="javascript", dtype="float32")


@pytest.mark.parametrize("kind", ["lists", "float64", "float32", "int64", "bool", "transposed"])
def test_rows_of_every_kind_arrive_as_they_are(kind):
    """Lists, and arrays of any type and order in memory."""
    w, x, y = Value(2.0), Value(0.0), Value(0.0)
    program = compile_graph(w * x + y, [x, y], target="javascript", outputs=[x, y])
    rows = [[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]
    X = rows if kind == "lists" else np.array(rows, kind if kind != "transposed" else float)
    X = np.asfortranarray(X) if kind == "transposed" else X

    assert program.backward(X) == pytest.approx(2.0)
    assert program.outputs().tolist() == rows


def test_numbers_arrive_in_full():
    """Every bit of a parameter, a constant and a row, infinities and zeros with a sign too."""
    odd = [0.1, -0.0, 5e-324, 1.7976931348623157e308, inf, -inf]
    x = [Value(0.0) for _ in odd]
    w = [Value(number) for number in odd]
    c = [Value(number).detach() for number in [*odd, nan]]
    program = compile_graph(w[0] * x[0], x, target="javascript", outputs=[*x, *w, *c])

    program.forward([odd])

    shown = program.outputs().tolist()[0]
    assert list(map(repr, shown)) == list(map(repr, [*odd, *odd, *odd, nan]))


def test_what_an_earlier_run_left_behind_does_not_count():
    """Fewer rows use the same buffers, where no gradient arrives at the second of two numbers."""
    w, v, x = Value(0.5), Value(0.7), Value(1.0)
    hidden = [(w * x).tanh(), (v * x).tanh()]
    program = compile_graph(hidden[0], [x], target="javascript", outputs=hidden)

    for count in (4, 2, 3, 4):
        program.backward([[1.0 + i] for i in range(count)])

        found = dict(zip(program.parameters, program.gradient, strict=True))
        assert (found[w] > 0.0, found[v]) == (True, 0.0)
