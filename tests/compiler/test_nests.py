"""Loops as nested ``for`` loops: their order, sums in place, repeated places, tables, numbers."""

import math
import re

import pytest

from tinygrad_edu.compiler.loops import Loop, Ref, apply
from tinygrad_edu.compiler.nests import Nests
from tinygrad_edu.engine.ops import EXP, MUL
from tinygrad_edu.engine.symbols import Expression, variable


class Written(Nests):
    """A language without words of its own."""

    counter, number = "long", "double"
    functions = {"power": "pow"}  # noqa: RUF012
    infinite = "INFINITY", "NAN"
    apart = "APART "


def written(loop, columns=2):
    """The lines of a loop."""
    return Written(columns).lines(loop)


def docstring_after():
    """The picture in the docstring."""
    text = Nests.lines.__doc__.partition("in C::\n\n")[2]
    lines = text.rstrip().splitlines()
    indent = len(lines[0]) - len(lines[0].lstrip())
    return [line[indent:] for line in lines]


def test_the_picture_of_the_docstring():
    """A layer: of each row of data the sum over its inputs."""
    reads = [Ref("u", ("r", "k"), 0, (2, 1)), Ref("i", ("k",), 0, (1,))]
    loop = apply({"r": 3, "k": 2}, Ref("b", ("r",), 0, (1,)), reads, MUL)

    assert f"{loop}" in Nests.lines.__doc__
    assert written(loop) == docstring_after()


def heads(lines):
    """The axes of the loops, from outside, as they are written."""
    return [match[1] for line in lines if (match := re.search(r"for \(long (\w+)", line))]


def copy(axes, out, read):
    """The loop that copies numbers."""
    return apply(axes, out, [read])


@pytest.mark.parametrize(
    ("steps", "order"),
    [
        (((5, 1), (5, 1)), ["r", "k"]),
        (((1, 9), (1, 9)), ["k", "r"]),
        (((5, 1), (1, 9)), ["k", "r"]),  # one is near either way, and there are more of r
    ],
)
def test_the_axis_along_which_numbers_lie_side_by_side_is_inside(steps, order):
    """Whatever the order in the loop is; of two that are as near the longer one."""
    axes = ("r", "k")
    out, read = Ref("u", axes, 0, steps[0]), Ref("u", axes, 100, steps[1])

    for lengths in ({"r": 9, "k": 4}, {"k": 4, "r": 9}):
        assert heads(written(copy(lengths, out, read))) == order


def test_rows_of_data_lie_side_by_side_but_for_inputs():
    """So they are inside where batched numbers are read, and outside where inputs are."""
    axes = ("j",)
    batched = copy({"j": 4}, Ref("b", axes, 0, (1,)), Ref("b", axes, 4, (1,)))
    inputs = copy({"j": 4}, Ref("u", axes, 0, (1,)), Ref("i", axes, 0, (1,)))

    assert heads(written(batched)) == ["j", "row"]
    assert heads(written(inputs, 9)) == ["j", "row", "j"]  # the first one begins the sums


def test_several_sums_are_added_up_side_by_side():
    """Where numbers lie side by side along an axis of the sums; a first line begins each."""
    loop = copy({"k": 3, "j": 4}, Ref("u", ("j",), 0, (1,)), Ref("u", ("k", "j"), 4, (4, 1)))

    assert written(loop) == [
        "APART for (long j = 0; j < 4; j++)",
        "    u[j] = 0.0;",
        "for (long k = 0; k < 3; k++)",
        "    APART for (long j = 0; j < 4; j++)",
        "        u[j] += u[4 + 4 * k + j];",
    ]


@pytest.mark.parametrize("accumulate", [False, True])
def test_a_sum_of_neighbours_has_a_total(accumulate):
    """It is written once, or added once."""
    loop = apply({"k": 3}, Ref("u"), [Ref("u", ("k",), 1, (1,))], accumulate=accumulate)

    assert written(loop) == [
        "{",
        "    double total = 0.0;",
        "    for (long k = 0; k < 3; k++)",
        "        total += u[1 + k];",
        f"    u[0] {'+=' if accumulate else '='} total;",
        "}",
    ]


@pytest.mark.parametrize(
    ("over", "begin", "term", "end"),
    [
        ("max", "-INFINITY", "total = maximum(total, u[1 + k])", "total"),
        ("logsumexp", "0.0", "total += exp(u[1 + k])", "log(total)"),
    ],
)
def test_a_maximum_and_a_log_of_a_sum(over, begin, term, end):
    """The largest of none is minus infinity; a logarithm is taken at the end."""
    loop = apply({"k": 3}, Ref("u"), [Ref("u", ("k",), 1, (1,))], over=over)

    lines = [line.strip(" ;") for line in written(loop)]

    assert f"double total = {begin}" in lines
    assert term in lines
    assert f"u[0] = {end}" in lines


def test_what_comes_twice_is_added_up():
    """First the places are set to 0, then the numbers are added one by one, in their order."""
    out = Ref("u", ("j",), 0, (None,), (1, 0, 1))
    loop = copy({"j": 3}, out, Ref("u", ("j",), 5, (1,)))

    assert written(loop) == [
        "for (long j = 0; j < 3; j++)",
        "    u[t0[j]] = 0.0;",
        "for (long j = 0; j < 3; j++)",
        "    u[t0[j]] += u[5 + j];",
    ]


def test_places_that_come_once_are_said_to_be_apart():
    """Also those of a table, and of a slice; then a compiler may do several turns at once."""
    read = Ref("u", ("j",), 5, (1,))
    for table in ((2, 0, 1), (1, 0, 1)):
        lines = written(copy({"j": 3}, Ref("u", ("j",), 0, (None,), table), read))
        assert ("APART" in "".join(lines)) == (len({*table}) == 3)


def test_a_table_has_an_entry_for_each_of_its_axes():
    """Those with a step of their own are not among them; equal tables have one name."""
    writer = Written(2)
    ref = Ref("u", ("r", "k", "c"), 3, (None, 2, None), tuple(range(10, 22)))
    lengths = {"r": 3, "k": 5, "c": 4}
    out = Ref("u", ("r", "k", "c"), 100, (20, 4, 1))

    lines = writer.lines(copy(lengths, out, ref))
    writer.lines(copy(lengths, out._replace(offset=500), ref))

    assert "u[3 + t0[4 * r + c] + 2 * k]" in "".join(lines)
    assert [*writer.tables.values()] == ["t0"]


def test_a_batched_number_has_its_rows_side_by_side():
    """And inputs the columns of each row."""
    assert Written(3).at(Ref("b", (), 2), _loop()) == "b[2 * rows + row]"
    assert Written(3).at(Ref("b", ("j",), 2, (1,)), _loop()) == "b[(2 + j) * rows + row]"
    assert Written(3).at(Ref("b"), _loop()) == "b[row]"
    assert Written(3).at(Ref("i", ("j",), 2, (1,)), _loop()) == "i[3 * row + 2 + j]"
    assert Written(1).at(Ref("i"), _loop()) == "i[row]"
    assert Written(3).at(Ref("u"), _loop()) == "u[0]"
    assert Written(3).index(Ref("b", (), 2), _loop(), "") == "2 * rows"
    assert Written(3).index(Ref("i", (), 2), _loop(), "") == "2"


def _loop():
    return Loop({"j": 4}, Ref("u"), {"x": Ref("u"), "y": Ref("u", (), 1)}, 0.0)


def make(function, *arguments):
    """An expression; a text stands for a variable."""
    return Expression(function, tuple(variable(x) if isinstance(x, str) else x for x in arguments))


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (make("add", "x", make("multiply", "y", 2.0)), "u[0] + (u[1] * 2.0)"),
        (make("negative", "x"), "-u[0]"),
        (make("subtract", "x", make("negative", "y")), "u[0] - (-u[1])"),
        (make("multiply", "x", -2.0), "u[0] * (-2.0)"),
        (make("power", "x", 2.0), "square(u[0])"),
        (make("power", make("add", "x", "y"), 2.0), "square(u[0] + u[1])"),
        (make("power", "x", "y"), "pow(u[0], u[1])"),
        (make("exp", make("negative", "x")), "exp(-u[0])"),
        (make("where", make("greater", "x", 0.0), "y", 0.0), "(u[0] > 0.0) ? u[1] : 0.0"),
        (make("maximum", "x", -math.inf), "maximum(u[0], (-INFINITY))"),
        (make("add", "x", math.nan), "u[0] + NAN"),
        (make("multiply", "x", 1e300), "u[0] * 1e+300"),
        (make("true_divide", 1.0, make("cosh", "x")), "1.0 / cosh(u[0])"),
    ],
)
def test_an_expression(expression, text):
    """With brackets where there is a sign inside another."""
    assert Written(3).expression(expression, _loop()) == text


def test_rows_of_the_table_are_called_by_their_names():
    """In a loop over all its numbers."""
    loop = apply({"j": 3}, Ref("u", ("j",), 3, (1,)), [Ref("u", ("j",), 0, (1,))], EXP)

    assert written(loop) == ["APART for (long j = 0; j < 3; j++)", "    u[3 + j] = exp(u[j]);"]
