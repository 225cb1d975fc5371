"""Expressions as formulas: the text means what the expression computes, and TeX can set it."""

import math
import re

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import interpreter
from tests.expressions import NAMES, evaluate_latex, evaluate_text, expressions, parts
from tests.latex import errors_of, needs_katex
from tinygrad_edu.engine import ops
from tinygrad_edu.engine.formulas import as_latex, as_math, plain
from tinygrad_edu.engine.symbols import (
    SYMBOLS,
    Expression,
    forward_of,
    inputs_of,
    partials_of,
    variable,
)

X, Y = variable("x0"), variable("x1")
FORMULAS = [
    (X - (Y - 1.0), "x − (y − 1)", "x - (y - 1)"),
    (X - Y - 1.0, "x − y − 1", "x - y - 1"),
    (X / (Y / 2.0), "x / (y / 2)", r"\frac{x}{\frac{y}{2}}"),
    (Expression("true_divide", (X, Y)) ** 2.0, "(x / y)^2", r"\left(\frac{x}{y}\right)^{2}"),
    (X * Y / 2.0, "x ⊙ y / 2", r"\frac{x \odot y}{2}"),
    (2.0 * X, "2 x", "2 x"),
    (-2.0 * X, "−2 x", "-2 x"),
    (2.0 * Expression("power", (3.0, X)), "2 ⊙ 3^x", r"2 \odot 3^{x}"),
    (2.0 * (X + Y), "2 (x + y)", "2 (x + y)"),
    (2.0 * (X / Y), "2 (x / y)", r"2 \odot \frac{x}{y}"),
    (X * -2.0, "x ⊙ (−2)", r"x \odot (-2)"),
    (X + -2.0, "x + (−2)", "x + (-2)"),
    (-X * Y, "−x ⊙ y", r"-x \odot y"),
    (X * -Y, "x ⊙ (−y)", r"x \odot (-y)"),
    (-(X**2.0), "−x^2", "-x^{2}"),
    ((-X) ** 2.0, "(−x)^2", "(-x)^{2}"),
    (Expression("negative", (-X,)), "−(−x)", "-(-x)"),
    (-(X + Y), "−(x + y)", "-(x + y)"),
    (X**-0.5, "x^(−0.5)", "x^{-0.5}"),
    (X ** (Y**2.0), "x^(y^2)", "x^{y^{2}}"),
    ((X**Y) ** 2.0, "(x^y)^2", "(x^{y})^{2}"),
    (X * 1e-07, "x ⊙ 1e−7", r"x \odot 10^{-7}"),
    (1.5e-07 * X, "1.5e−7 x", r"1.5 \cdot 10^{-7} x"),
    (X * 1.5e-07, "x ⊙ 1.5e−7", r"x \odot (1.5 \cdot 10^{-7})"),
    (SYMBOLS.maximum(X, -math.inf), "max(x, −∞)", r"\max(x, -\infty)"),
    (X * math.nan, "x ⊙ nan", r"x \odot \mathrm{nan}"),
    (SYMBOLS.log1p(abs(X)), "log(1 + abs(x))", r"\log(1 + \left\lvert x \right\rvert)"),
    (SYMBOLS.sqrt(X + Y) ** 2.0, "sqrt(x + y)^2", r"\sqrt{x + y}^{2}"),
    (SYMBOLS.where(X > 0.0, 1.0, 0.0), "[x > 0]", r"\left[x > 0\right]"),
    (SYMBOLS.where(X > 0.0, -1.0, 0.0), "−[x > 0]", r"-\left[x > 0\right]"),
    (SYMBOLS.where(X > 0.0, X + Y, 0.0), "(x + y) ⊙ [x > 0]", r"(x + y) \odot \left[x > 0\right]"),
    (
        SYMBOLS.where(X > 0.0, 1.0, SYMBOLS.where(Y >= 0.0, 2.0, 3.0)),
        "1 if x > 0 else 2 if y ≥ 0 else 3",
        r"\begin{cases} 1 & \text{if } x > 0 \\ 2 & \text{if } y \ge 0 \\ "
        r"3 & \text{otherwise} \end{cases}",
    ),
    (
        1.0 - SYMBOLS.where(X > 0.0, X, 2.0),
        "1 − (x if x > 0 else 2)",
        r"1 - \left(\begin{cases} x & \text{if } x > 0 \\ 2 & \text{otherwise} \end{cases}\right)",
    ),
    (
        SYMBOLS.where(X > 0.0, SYMBOLS.where(Y > 0.0, X, Y), 2.0),
        "(x if y > 0 else y) if x > 0 else 2",
        r"\begin{cases} \left(\begin{cases} x & \text{if } y > 0 \\ y & \text{otherwise} "
        r"\end{cases}\right) & \text{if } x > 0 \\ 2 & \text{otherwise} \end{cases}",
    ),
    (
        SYMBOLS.where(((X > 0.0) | (Y > 0.0)) & (X < Y), 1.0, 0.0),
        "[(x > 0 ∨ y > 0) ∧ x < y]",
        r"\left[(x > 0 \lor y > 0) \land x < y\right]",
    ),
    (X + -2.0 * Y, "x + (−2 y)", "x + (-2 y)"),
    (Expression("power", (1e-7, X)), "1e−7^x", "(10^{-7})^{x}"),
    (Expression("sigmoid", (X - Y,)), "sigmoid(x − y)", r"\operatorname{sigmoid}(x - y)"),
    (Expression("tanh_slope", (X,)), "tanh_slope(x)", r"\operatorname{tanh\_slope}(x)"),
]


@pytest.mark.parametrize(("atom", "text", "latex"), FORMULAS, ids=[text for _, text, _ in FORMULAS])
def test_a_formula_has_the_brackets_that_it_needs_and_no_others(atom, text, latex):
    """By the rules of precedence that a reader knows."""
    assert as_math(atom, NAMES) == text
    assert as_latex(atom, NAMES) == latex


@pytest.mark.parametrize(
    ("write", "evaluate"), [(as_math, evaluate_text), (as_latex, evaluate_latex)]
)
@given(expressions(), st.tuples(*[st.sampled_from((0.3, -0.7, 1.0, 2.5, -3.0, 0.0))] * 3))
def test_what_is_written_computes_the_same(write, evaluate, atom, numbers):
    """Wherever it is finite: read by Python's parser, each formula gives the expression's value."""
    of = dict(zip(NAMES, numbers, strict=True))
    values = [interpreter.value(part, of) for part in parts(atom)]
    hypothesis.assume(all(map(math.isfinite, values)))

    written = write(atom, NAMES)

    assert evaluate(written, dict(zip("xyz", numbers, strict=True))) == pytest.approx(
        values[0], rel=1e-9, abs=1e-12
    ), written


def test_the_sign_of_a_product_is_chosen():
    """A point where all are single numbers."""
    assert as_math(X * Y * X, NAMES, times="·") == "x · y · x"
    assert as_latex(X * Y * X, NAMES, times=r"\cdot") == r"x \cdot y \cdot x"


def test_a_name_with_an_exponent_keeps_it():
    """TeX refuses a second exponent after the first."""
    assert as_latex(X**2.0, {"x0": r"W_{1}^{\top}"}) == r"{W_{1}^{\top}}^{2}"


@pytest.mark.parametrize("x", [0.1 + 0.2, 1 / 3, 1e-7, 1e22, 5e-324, 1e15, 123456789.0, -0.5])
def test_numbers_keep_all_their_digits(x):
    """They are read back as the same float, with the minus sign of mathematics."""
    assert float(plain(x).replace("−", "-")) == x
    assert "-" not in plain(x)


def of_table():
    """All rows and their partials, as expressions."""
    for op in [*ops.TABLE.values(), *ops.INNER.values()]:
        inputs = inputs_of(op.arity, None)
        yield from (forward_of(op, *inputs), *partials_of(op, variable("out"), *inputs))


@needs_katex
def test_katex_renders_every_row_of_the_table():
    """And every partial, with the names that equations have; and what a row says itself."""
    names = {"x0": r"W_{1}^{\top}", "x1": r"\Delta_{A_1}", "out": "x'"}
    calls = [as_latex(Expression(name, (X, Y)), names) for name in ("größe", "tanh_slope", "max")]

    assert errors_of([*calls, *(as_latex(atom, names) for atom in of_table())]) == []
    assert errors_of(op.formula for op in [*ops.TABLE.values(), *ops.INNER.values()]) == []


@needs_katex
@hypothesis.settings(max_examples=3)
@given(st.lists(expressions(), min_size=100, max_size=100))
def test_katex_renders_random_expressions(atoms):
    """A hundred at a time."""
    lines = " \\\\\n".join(f"L &= {as_latex(atom, NAMES)}" for atom in atoms)

    assert errors_of([*(as_latex(atom, NAMES) for atom in atoms)]) == []
    assert errors_of([f"\\begin{{aligned}}{lines}\\end{{aligned}}"]) == []


@needs_katex
def test_katex_refuses_what_is_wrong():
    """A second exponent, a second mark to align at, and an unknown command."""
    wrong = [r"Z^2^3", r"\begin{aligned} a &= b &= c", r"\foo", "größe"]

    errors = errors_of(["x^{2}", *wrong])

    assert [formula for formula in wrong if not any(formula in e for e in errors)] == []
    assert len(errors) == len(wrong)
    assert re.match("KaTeX parse error: Double superscript", errors[0])
