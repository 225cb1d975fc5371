"""Chains of additions become sums of products, rounds of maxima one maximum."""

from functools import reduce
from operator import add, mul
from random import Random

import pytest

from tests.tapes import picture, read
from tests.targets import on_every_target
from tinygrad_edu import Value, maximum
from tinygrad_edu.compiler import compile_graph
from tinygrad_edu.compiler.sums import gather_softmax, gather_sums, inputs_of
from tinygrad_edu.engine.functions import stop_gradient

LEAVES = "%0 = parameter\n%1 = parameter\n%2 = input\n%3 = input\n"


@pytest.mark.parametrize("stage", [gather_sums, gather_softmax])
def test_gathering_is_as_pictured(stage):
    """Sums of products, and maxima of many."""
    before, after = picture(stage)

    nodes, _ = gather_sums(read(before))

    assert "\n".join(map(str, nodes)) == after


def test_a_product_is_the_same_whichever_operand_comes_first():
    """The weight is put on the left, so that both products are found in one sum."""
    tape = read(LEAVES + "%4 = mul %0 %2\n%5 = mul %3 %1\n%6 = add %4 %5\nreturn %6")

    nodes, _ = gather_sums(tape)

    assert [str(node) for node in nodes] == ["%6 = %0·%2 + %1·%3"]


def test_products_of_parameters_leave_a_sum_that_each_row_has():
    """They become a sum of their own, with one number for all rows."""
    tape = read(
        LEAVES + "%4 = mul %0 %2\n%5 = mul %0 %0\n%6 = mul %1 %1\n%7 = add %5 %6\n"
        "%8 = add %4 %7\n%9 = exp %8\nreturn %9"
    )

    nodes, kinds = gather_sums(tape)

    assert [str(node) for node in nodes] == [
        "%4 = mul %0 %2",
        "%10 = %0·%0 + %1·%1",
        "%8 = %4 + %10",
        "%9 = exp %8",
    ]
    assert not kinds[10].per_row


def test_an_exponent_is_part_of_the_code_only_if_it_is_a_constant():
    """Of a learned exponent nothing is known."""
    tape = read(
        "%0 = parameter\n%1 = constant 3\n%2 = pow %0 %1\n%3 = pow %2 %0\n%4 = mul %0 %1\nreturn %3"
    )

    assert [inputs_of(tape, slot) for slot in (2, 3, 4)] == [
        ((0,), 3.0),
        ((2, 0), None),
        ((0, 1), None),
    ]


@on_every_target
@pytest.mark.parametrize(
    "total",
    [
        lambda v: v + v - v,
        lambda v: v - 2.0 - v - v,
        lambda v: (v - v) + (v - v) + v + 1.0,
        lambda v: v * 2.0 - v - v + v,
    ],
)
def test_a_product_that_one_sum_has_with_both_signs_counts_each_time(total, target):
    """It is one Value used several times; the terms of one sign must not take the others along."""
    w, x = Value(2.0), Value(3.0)
    eager = total(w * x)
    eager.backward()

    program = compile_graph(eager, [x], target=target)

    assert program.backward([[3.0]]) == eager.data
    assert list(program.gradient) == [w.grad]


def test_two_sums_of_products_whose_difference_is_taken_stay_apart():
    """They are rows of one product; in one sum their signs would make it two."""
    tape = read(
        LEAVES + "%4 = mul %0 %2\n%5 = mul %1 %3\n%6 = add %4 %5\n%7 = mul %0 %3\n"
        "%8 = mul %1 %2\n%9 = add %7 %8\n%10 = sub %6 %9\nreturn %10"
    )

    nodes, _ = gather_sums(tape)

    assert [str(node) for node in nodes] == [
        "%6 = %0·%2 + %1·%3",
        "%9 = %0·%3 + %1·%2",
        "%10 = %6 − %9",
    ]


def any_sum(rng):
    """A sum of products of one to three of a few Values, with signs, some products used twice."""
    pool, inputs = [Value(rng.uniform(-1.0, 1.0)) for _ in range(6)], [Value(0.5), Value(-0.75)]
    made = []
    total = Value(0.0).detach()
    for _ in range(rng.randint(2, 14)):
        term = rng.choice(pool)
        for _ in range(rng.randint(0, 2)):
            term = term * rng.choice(pool + inputs)
        made.append(rng.choice([term, *made]))
        total = total + made[-1] if rng.random() < 0.7 else total - made[-1]
    return total.tanh() + 0.0 * sum(inputs, pool[0]), inputs


@on_every_target
def test_random_sums_of_products_are_what_was_written(target):
    """Factors taken out, both signs, products in several places: the value and slopes of eager."""
    for seed in range(300):
        loss, inputs = any_sum(Random(seed))
        program = compile_graph(loss, inputs, target=target)
        for leaf in program.parameters:
            leaf.grad = 0.0
        loss.backward()

        assert program.backward([[v.data for v in inputs]]) == pytest.approx(loss.data, abs=1e-12)
        slopes = [leaf.grad for leaf in program.parameters]
        assert list(program.gradient) == pytest.approx(slopes, abs=1e-11), seed


@pytest.mark.parametrize("plains", range(7))
def test_one_factor_of_two_products_is_left_where_it_is(plains):
    """Taken out, it would leave a product that is in no sum of products: nothing computed it."""
    values = [Value(0.1 * i + 0.3) for i in range(5 + plains)]
    a, b, c, d, y, *rest = values
    loss = sum(rest, a * b * y + c * d * y).tanh()
    loss.backward()

    program = compile_graph(loss)

    assert program.backward() == pytest.approx(loss.data, rel=1e-14)
    assert list(program.gradient) == pytest.approx([v.grad for v in program.parameters], rel=1e-13)


def test_a_maximum_that_is_used_elsewhere_too_stays():
    """Sums written twice are one sum, and so are their maxima, which then have two uses."""
    w, x = (
        [[Value(0.1 * i + 0.2 * j) for j in range(3)] for i in range(4)],
        [Value(0.7 - 0.2 * j) for j in range(3)],
    )
    first, again = ([reduce(add, map(mul, row, x)) for row in w] for _ in range(2))
    top = stop_gradient(maximum(maximum(first[0], first[1]), maximum(first[2], first[3])))
    loss = sum((v - top).exp() for v in first) + maximum(again[0], again[1]) * x[0]
    loss.backward()

    program = compile_graph(loss)

    assert program.backward() == pytest.approx(loss.data, rel=1e-14)
    assert list(program.gradient) == pytest.approx([v.grad for v in program.parameters], rel=1e-13)
