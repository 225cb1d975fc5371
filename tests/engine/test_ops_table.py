"""The table itself: what each row says, and how a reader adds a row."""

import dataclasses
import math
import pickle
import re

import pytest

from tests import oracles
from tinygrad_edu import Value, as_function, grad, primitive
from tinygrad_edu.engine import ops
from tinygrad_edu.engine.errors import GradientMismatch, SettingError
from tinygrad_edu.gradcheck import check_rule

ROWS = tuple(ops.TABLE.values())
rows = pytest.mark.parametrize("op", ROWS, ids=lambda op: op.name)


@rows
def test_a_row_is_complete(op):
    """A formula, and for each input open intervals in order, from low to high."""
    ends = [end for domain in op.domain for interval in domain for end in interval]

    assert op.formula.strip()
    assert all(len(interval) == 2 for domain in op.domain for interval in domain)
    assert all(d and list(sum(d, ())) == sorted(sum(d, ())) for d in op.domain)
    assert not any(map(math.isnan, ends))


@rows
def test_a_row_is_what_its_fields_say(op):
    """No field can be changed, and nothing else can be written on it."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        op.formula = "0"
    assert not hasattr(op, "__dict__")


@rows
def test_a_formula_uses_the_inputs_of_the_row(op):
    """x, and y where there are two inputs; no other letter stands for a number."""
    letters = set(re.findall("[a-zA-Z]", re.sub(r"\\[a-zA-Z]+", "", op.formula))) - {"e"}

    assert letters == set("xy"[: len(op.domain)])


@rows
def test_a_formula_is_latex(op):
    """matplotlib's parser of mathematics reads it."""
    mathtext = pytest.importorskip("matplotlib.mathtext")

    width = mathtext.MathTextParser("path").parse(f"${op.formula}$").width

    assert width > 0.0


def test_a_broken_formula_is_noticed():
    """The parser of the test above refuses what is not LaTeX."""
    mathtext = pytest.importorskip("matplotlib.mathtext")

    with pytest.raises(ValueError, match="Expected"):
        mathtext.MathTextParser("path").parse(r"$\frac{x}$")


def test_signs_are_those_of_mathematics():
    """A sign stands where figures do not write the row's name."""
    signs = "+ add, − sub, − neg, × mul, ÷ div, ^ pow, √ sqrt, |·| abs, σ sigmoid"

    found = {f"{op.sign} {op.name}" for op in ROWS if op.sign}

    assert found == {*signs.split(", "), "max maximum", "min minimum"}


@pytest.fixture
def table():
    """The table, restored after the test."""
    rows = dict(ops.TABLE)
    yield ops.TABLE
    ops.TABLE.clear()
    ops.TABLE.update(rows)


@pytest.fixture
def hypot(table):
    """The length of a vector: a row with two inputs, added as a reader would add it."""
    return primitive(
        "hypot",
        r"\sqrt{x^2 + y^2}",
        domain=(ops.REAL, ops.NONZERO),
        forward=lambda xp, x, y: xp.sqrt(x * x + y * y),
        partials=lambda xp, out, x, y: (xp.divide(x, out), xp.divide(y, out)),
    )


def test_a_row_of_ones_own_is_like_any_other(hypot):
    """It takes numbers and Values, walks back, has higher derivatives, and is checked."""
    length, x, y = as_function(hypot), Value(3.0), Value(4.0)

    length(x, y).backward()

    assert length(3.0, 4.0) == 5.0
    assert (x.grad, y.grad) == (0.6, 0.8)
    assert grad(grad(length))(3.0, 4.0) == pytest.approx(16.0 / 125.0, rel=1e-14)  # y²/length³
    assert check_rule(hypot, 3.0, 4.0).error <= 1e-15
    with pytest.raises(GradientMismatch, match=r"^hypot: partial 1 at x = 3\.0, y = 4\.0 is 0\.8"):
        check_rule(oracles.scaled(hypot, 1, 1.0 + 1e-10), 3.0, 4.0)


def test_a_row_of_ones_own_pickles(hypot):
    """A graph that uses it comes back with the row itself, as long as that is in the table."""
    x, y = Value(3.0), Value(4.0)
    pickled = pickle.dumps(as_function(hypot)(x, y))

    back = pickle.loads(pickled)
    back.backward()

    assert back.op is hypot
    assert [v.grad for v in back.inputs] == [0.6, 0.8]

    del ops.TABLE["hypot"]
    with pytest.raises(SettingError, match=r"^the table has no row called 'hypot'"):
        pickle.loads(pickled)


def add(name="fresh", **facts):
    """Add a row that is right, but for what is passed."""
    facts = {"forward": lambda xp, x: x, "partials": lambda xp, out, x: (1.0,)} | facts
    return primitive(name, "x", **facts)


@pytest.mark.parametrize("name", ["tanh", "", "two words", "1st", "a-b"])
def test_a_row_with_a_bad_name_is_refused(table, name):
    """A name is an identifier that no other row has; the table stays as it was."""
    before = dict(table)

    with pytest.raises(SettingError, match=f"^the row {name!r} of 1 inputs can't be added"):
        add(name)

    assert table == before
    assert add("a_good_name") is table["a_good_name"]


@pytest.mark.parametrize("count", [0, 3])
def test_a_row_with_too_few_or_too_many_inputs_is_refused(table, count):
    """A row has one input or two; the error says how many there were."""
    with pytest.raises(SettingError, match=f"^the row 'fresh' of {count} inputs can't") as caught:
        add(domain=(ops.REAL,) * count)

    assert "fresh" not in table
    assert str(caught.value).splitlines()[-1].startswith("  Fix      : ")
