"""Formulas in fewer words have the same shape and the same numbers."""

from random import Random

import numpy as np
import pytest

from tinygrad_edu.compiler.algebra import shape_of, substituted, tidy
from tinygrad_edu.compiler.equations import value_of
from tinygrad_edu.compiler.matrices import as_text
from tinygrad_edu.engine.symbols import Expression, variable

RNG = np.random.default_rng(0)
ARRAYS = {"A": RNG.normal(size=(3, 4)), "B": RNG.normal(size=(3, 4)), "s": RNG.normal(size=(1, 1))}
NUMBERS = (1.0, -1.0, 0.0, 2.0, -0.5, 1.0 / 12.0, 3.0)
ELEMENTWISE = ("add", "subtract", "multiply", "true_divide")


def make(function, *arguments):
    """An expression; a text stands for a variable."""
    return Expression(function, tuple(variable(x) if isinstance(x, str) else x for x in arguments))


def formula(rng, depth):
    """A formula of three rows and four columns, or of a single number."""
    if depth == 0:
        return variable(rng.choice("ABs")) if rng.random() < 0.8 else rng.choice(NUMBERS)
    kind = rng.choice(("negative", "sum", "transpose", "matmul", "where", *ELEMENTWISE * 2))
    inner = [formula(rng, depth - 1) for _ in range(2)]
    if kind in ELEMENTWISE:
        return make(kind, *inner)
    if kind == "where":
        return make("where", make("greater", "A", 0.0), rng.choice(NUMBERS), 0.0)
    if kind == "negative":
        return make("negative", inner[0])
    full = make("add", inner[0], "A")  # of the shape 3×4
    if kind == "transpose":
        return make("transpose", make("transpose", full))
    if kind == "matmul":
        return make("matmul", full, make("matmul", make("transpose", make("negative", "B")), "B"))
    return make("sum", full, *rng.choice(((), (-1.0,), (-2.0,))))


def test_a_tidy_formula_has_the_same_numbers():
    """A thousand formulas, deeper and deeper."""
    with np.errstate(all="ignore"):
        for seed in range(1000):
            rng = Random(seed)
            long = formula(rng, 1 + seed % 4)
            short = tidy(long)

            right, found = value_of(np, long, ARRAYS), value_of(np, short, ARRAYS)

            where = np.isfinite(right)
            both = np.broadcast_arrays(found, right)
            np.testing.assert_allclose(both[0][where], both[1][where], rtol=1e-9, atol=1e-12)


def test_a_shape_is_that_of_the_numbers():
    """The same formulas."""
    shapes = {name: array.shape for name, array in ARRAYS.items()}
    for seed in range(300):
        some = formula(Random(seed), 1 + seed % 4)

        with np.errstate(all="ignore"):
            assert shape_of(some, shapes) == np.shape(value_of(np, some, ARRAYS)), as_text(some)


@pytest.mark.parametrize(
    ("long", "short"),
    [
        (make("multiply", 1.0, "A"), "A"),
        (make("multiply", "A", -2.0), "−2 A"),
        (make("multiply", 0.5, make("multiply", 0.5, "A")), "0.25 A"),
        (make("multiply", 1.0 / 12.0, "A"), "A / 12"),
        (make("multiply", 1e-310, "A"), "1e−310 A"),  # 1 / 1e-310 is infinite
        (make("add", "A", make("negative", "B")), "A − B"),
        (make("add", make("negative", "A"), "B"), "B − A"),
        (make("add", "A", "A"), "2 A"),
        (make("add", 0.0, "A"), "A"),
        (make("negative", make("subtract", "A", "B")), "B − A"),
        (make("sum", make("transpose", "A")), "Σ A"),
        (make("sum", make("negative", "A"), -1.0), "−Σ_cols A"),
        (make("sum", make("sum", "A", -2.0)), "Σ A"),
        (make("matmul", make("negative", "A"), "B"), "−A B"),
        (
            make("subtract", make("true_divide", "A", "s"), make("true_divide", "B", "s")),
            "(A − B) / s",
        ),
    ],
)
def test_signs_and_factors_stand_where_people_put_them(long, short):
    """And what changes nothing is left out."""
    assert as_text(tidy(long)) == short


def test_formulas_take_the_place_of_names():
    """At any depth; other names stay."""
    some = make("add", make("exp", "A"), "B")

    assert as_text(substituted(some, {"A": make("transpose", "C")})) == "exp(Cᵀ) + B"
