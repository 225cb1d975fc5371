"""Loops in C: products and sums of matrices are calls, and long programs are cut."""

import re

import pytest

from tests.tapes import NETWORK, planned, read
from tinygrad_edu.compiler.adjoint import gradient
from tinygrad_edu.compiler.c_writer import LONGEST, CWriter, c_array, c_list, c_source, padded
from tinygrad_edu.compiler.loops import Ref, apply
from tinygrad_edu.engine.ops import MUL


def lines(loop, columns=8):
    """The lines of a loop."""
    return CWriter(columns).lines(loop)


def product(sizes, out, left, right, **settings):
    """The loop of a product over axes named r, c and k."""
    return apply(dict(zip("rck", sizes, strict=True)), out, [left, right], MUL, **settings)


U = {"r": 16, "c": 24, "k": 10}
LEFT = Ref("u", ("r", "k"), 1000, (10, 1))
RIGHT = Ref("u", ("k", "c"), 2000, (24, 1))
OUT = Ref("u", ("r", "c"), 3000, (24, 1))


@pytest.mark.parametrize(
    ("sign", "accumulate", "end"),
    [(1, False, "1.0, 0"), (-1, False, "-1.0, 0"), (1, True, "1.0, 1"), (-1, True, "-1.0, 1")],
)
@pytest.mark.parametrize("turned", [False, True])
def test_a_product_of_matrices_is_one_call(sign, accumulate, end, turned):
    """Of two the one whose columns lie side by side is on the right, as in the result."""
    factors = [RIGHT, LEFT] if turned else [LEFT, RIGHT]
    loop = apply(U, OUT, factors, MUL, sign=sign, accumulate=accumulate)

    assert lines(loop) == [
        f"product(16, 24, 10, &u[1000], 10, 1, &u[2000], 1, 24, &u[3000], 24, 1, {end});"
    ]


def test_rows_of_data_are_columns_or_terms():
    """A layer and the gradient of its weights."""
    weights = Ref("u", ("r", "k"), 0, (8, 1))
    inputs, batched = Ref("i", ("k",), 0, (1,)), Ref("b", ("r",), 2, (1,))
    forward = apply({"r": 16, "k": 8}, batched, [weights, inputs], MUL)
    backward = apply({"r": 16, "k": 8}, weights.gradient, [batched.gradient, inputs], MUL)

    (first,), (second,) = lines(forward), lines(backward)

    assert first == "product(16, rows, 8, &u[0], 8, 1, &i[0], 8, 1, &b[2 * rows], " + (
        "rows, 1, 1.0, 0);"
    )
    assert second.startswith("product(16, 8, rows, &db[2 * rows], rows, 1, &i[0], 1, 8, &du")


def test_further_axes_are_counted_around_the_call():
    """A stack of products: one call for each."""
    axes = {"m": 3, **U}
    refs = [
        Ref("u", ("m", *ref.axes), ref.offset, (9999, *ref.steps)) for ref in (LEFT, RIGHT, OUT)
    ]
    loop = apply(axes, refs[2], refs[:2], MUL)

    assert lines(loop) == [
        "for (long m = 0; m < 3; m++)",
        "    product(16, 24, 10, &u[1000 + 9999 * m], 10, 1, &u[2000 + 9999 * m], 1, 24, "
        "&u[3000 + 9999 * m], 24, 1, 1.0, 0);",
    ]


def test_of_several_summed_axes_one_is_counted_outside():
    """Then what each call computes is added; at the start it is 0."""
    axes = {"j": 2, **U}
    refs = [Ref("u", ("j", *ref.axes), ref.offset, (9999, *ref.steps)) for ref in (LEFT, RIGHT)]
    loop = apply(axes, OUT, refs, MUL)

    found = lines(loop)

    assert [line for line in found if "= 0.0;" in line]
    assert found[-2] == "for (long j = 0; j < 2; j++)"
    assert found[-1].endswith("&u[3000], 24, 1, 1.0, 1);")


@pytest.mark.parametrize(
    "loop",
    [
        apply({"r": 3, "c": 3, "k": 3}, OUT, [LEFT, RIGHT], MUL),  # too small for a call
        apply(U, OUT, [LEFT._replace(steps=(None, 1), table=(*range(16),)), RIGHT], MUL),
        apply(U, OUT._replace(steps=(None, 1), table=(*range(15), 0)), [LEFT, RIGHT], MUL),
        apply(
            {"j": 99},
            Ref("u", ("j",), 0, (1,)),
            [Ref("u", ("j",), at, (1,)) for at in (99, 198)],
            MUL,
        ),
        apply(U, OUT, [LEFT, Ref("u", ("c",), 0, (1,))], MUL),  # a sum of the left times the right
        apply(U, OUT, [LEFT, RIGHT], MUL, over="max"),
    ],
    ids=["small", "table", "repeated", "no sum", "not both", "maximum"],
)
def test_other_loops_are_not_products(loop):
    """What is small or scattered, or where nothing is added up."""
    assert not [line for line in lines(loop) if "product(" in line]


def test_sums_use_all_of_a_register():
    """Of numbers by ``sum``, of products by ``dot``, with the steps between them."""
    one, other = (Ref("u", ("k",), at, (step,)) for at, step in ((100, 1), (500, 3)))
    plain = apply({"k": 50}, Ref("u"), [one])
    pairs = apply({"k": 50}, Ref("u"), [one, other], MUL, sign=-1, accumulate=True)

    assert [line.strip() for line in lines(plain)] == [
        "{",
        "double total = 0.0;",
        "total += sum(50, &u[100], 1);",
        "u[0] = total;",
        "}",
    ]
    assert "    total -= dot(50, &u[100], 1, &u[500], 3);" in lines(pairs)
    assert lines(pairs)[-2] == "    u[0] += total;"


def test_scattered_numbers_are_added_up_one_by_one():
    """And so are those that are more than a product."""
    scattered = Ref("u", ("k",), 0, (None,), (5, 3, 9))
    whole = lines(apply({"k": 3}, Ref("u"), [scattered]))
    pairs = lines(apply({"k": 3}, Ref("u"), [Ref("u", ("k",), 7, (1,)), scattered], MUL))

    assert "        total += u[t0[k]];" in whole
    assert "        total += u[7 + k] * u[t0[k]];" in pairs


def test_rows_are_added_up_by_sum():
    """The gradient of a bias."""
    loop = apply(
        {"r": 4}, Ref("du", ("r",), 7, (1,)), [Ref("db", ("r",), 2, (1,))], accumulate=True
    )

    assert "    total += sum(rows, &db[(2 + r) * rows], 1);" in lines(loop)


def test_rows_of_data_begin_where_registers_do():
    """They are padded to a multiple of the widest."""
    assert [*map(padded, (0, 1, 8, 9, 784))] == [0, 8, 8, 16, 784]


def source(text, **settings):
    """The C of a printed tape."""
    plan = planned(text)
    return c_source(read(text), plan, gradient(plan), settings.get("reduce", "mean"), 8)


def test_a_function_has_the_stores_that_it_uses():
    """Under names that no other leads to; the one that calls them promises nothing."""
    text = source(NETWORK)
    functions = dict(re.findall(r"^(\w[^\n]*)\n\{\n(.*?)^\}", text, re.S | re.M))
    forward = next(body for head, body in functions.items() if " forward(" in head)
    run = next(body for head, body in functions.items() if "double run" in head)

    assert "double *restrict u = s->u;" in forward
    assert "s->du" not in forward
    assert "restrict" not in run
    for body in functions.values():
        for store in re.findall(r"\b([ud]?[ub]|i|out)\[", body):
            assert f"{store} = s->{store};" in body


def test_long_programs_are_cut_into_functions():
    """Since compilers are slow with long ones; one function calls them in order."""
    chain = ["%0 = parameter", "%1 = tanh %0"]
    chain += [f"%{n} = {'exp' if n % 2 else 'tanh'} %{n - 1}" for n in range(2, 3 * LONGEST)]
    text = source("\n".join([*chain, f"return %{3 * LONGEST - 1}"]))

    for name in ("forward", "backward"):
        parts = re.findall(rf"static void {name}_(\d+)\(const struct space \*s\)\n", text)
        assert len(parts) >= 3
        calls = "\n".join(f"    {name}_{part}(s);" for part in parts)
        assert f"static void {name}(const struct space *s)\n{{\n{calls}\n}}\n" in text


def test_numbers_are_written_in_full():
    """In lines of a few."""
    numbers = [0.1, -1e300, float("inf"), float("-inf"), float("nan"), -0.0]

    assert c_list(numbers) == "0.1, -1e+300, INFINITY, -INFINITY, NAN, -0.0"
    assert c_array("int", "t0", range(3)) == "static const int t0[] = {\n    0, 1, 2};\n"
    long = c_array("double", "x", [1 / 3] * 100)
    assert max(map(len, long.splitlines())) <= 100
    assert long.count(repr(1 / 3)) == 100
