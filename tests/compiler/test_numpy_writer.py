"""The NumPy that is written for loops."""

import pytest

from tests.tapes import NETWORK, planned
from tinygrad_edu.compiler.adjoint import gradient
from tinygrad_edu.compiler.numpy_writer import code_of, numpy_call, runs
from tinygrad_edu.engine.symbols import Expression, variable

X, Y = variable("x"), variable("y")


def code(text):
    """The code of both passes of a tape that is printed so."""
    plan = planned(text)
    return code_of(plan.forward, gradient(plan))


def test_the_numpy_code_of_a_layer():
    """Written in place, the gradient of the weights by one product; names are made in it."""
    assert (
        code(NETWORK).source
        == """\
def bind(u, du, b, db, i):
    rows = b.shape[1]
    v0 = b[0:2]
    v1 = u[0:4].reshape((2, 2))
    v2 = i[0:2]
    v3 = b[2:4]
    v4 = b[4:5].reshape((rows,))
    v5 = b[2:3].reshape((rows,))
    v6 = b[3:4].reshape((rows,))
    d7 = db[2:3].reshape((rows,))
    d8 = db[4:5].reshape((rows,))
    d9 = db[3:4].reshape((rows,))
    d10 = db[0:2]
    t11 = empty((2, rows), bool)
    d12 = db[2:4]
    d13 = du[0:4].reshape((2, 2))
    v14 = i[0:2].T

    def forward():
        matmul(v1, v2, out=v0)
        maximum(v0, 0.0, out=v3)
        multiply(v5, v6, out=v4)

    def backward():
        multiply(d8, v6, out=d7)
        multiply(d8, v5, out=d9)
        greater(v0, 0.0, out=t11)
        gate(t11, d12, out=d10)
        matmul(d10, v14, out=d13)

    return forward, backward
"""
    )


def test_scattered_numbers_are_collected_and_their_gradients_scattered():
    """exp of %0, %1, %2 gives them places 0 to 2; their products in another order need a table."""
    leaves = [f"%{i} = parameter" for i in range(3)]
    exps = [f"%{i + 3} = exp %{i}" for i in range(3)]
    products = ["%6 = mul %3 %4", "%7 = mul %4 %3", "%8 = mul %5 %4"]
    text = [*leaves, *exps, *products, "%9 = mul %6 %7", "%10 = mul %8 %9", "return %10"]

    source = code("\n".join(text)).source

    assert "take(u, n" in source
    assert "reduceat(" in source.partition("def backward")[2]


def test_gradients_of_neighbours_are_collected_in_the_order_they_are_summed_in():
    """Neither copied along the axis of the terms first, nor sorted once they are collected."""
    lines = [f"%{i} = parameter" for i in range(4)] + [f"%{i + 4} = exp %{i}" for i in range(4)]
    for a, b, c in ((4, 6, 5), (7, 4, 6), (5, 7, 4)):
        slot = len(lines)
        lines += [f"%{slot} = add %{a} %{b}", f"%{slot + 1} = add %{slot} %{c}"]
        lines += [f"%{slot + 2} = exp %{slot + 1}"]
    lines += ["%17 = mul %10 %13", "%18 = mul %17 %16", "return %18"]

    backward = code("\n".join(lines)).source.partition("def backward")[2]

    (taken,) = [at for at, line in enumerate(backward.splitlines()) if "take(" in line]
    assert "reduceat(t" in backward.splitlines()[taken + 1]


@pytest.mark.parametrize(
    ("pieces", "length", "few"), [(1, 20, True), (8, 20, True), (9, 20, False), (4, 10, False)]
)
def test_a_few_long_slices_take_the_place_of_a_table(pieces, length, few):
    """Up to eight, of about sixteen numbers at least."""
    places = [100 * i + k for i in range(pieces) for k in range(length)]

    slices = [(length * i, length * i + length, 100 * i) for i in range(pieces)]
    assert runs(places) == (slices if few else [])


def test_squares_and_conditions_have_faster_calls():
    """x ** 2 is a square, and a factor of 1 or 0 by a condition is the condition itself."""
    positive = Expression("greater", (X, 0.0))
    relu_slope = Expression("where", (positive, 1.0, 0.0))
    other = Expression("where", (positive, 2.0, 0.0))

    assert numpy_call(Expression("power", (X, 2.0))) == ("square", (X,))
    assert numpy_call(Expression("multiply", (Y, relu_slope)))[1][1] is positive
    assert numpy_call(Expression("multiply", (Y, other)))[1][1] is other


def test_the_exponentials_of_a_softmax_are_taken_once():
    """Its probabilities, and the gradient of its logarithm, are quotients of what is there."""
    leaves = [f"%{i} = parameter" for i in range(3)]
    total = ["%3 = exp %0", "%4 = exp %1", "%5 = exp %2", "%6 = add %3 %4", "%7 = add %6 %5"]
    log = ["%8 = log %7", "%9 = sub %0 %8", "%10 = sub %1 %8", "%11 = sub %2 %8"]
    shares = ["%12 = exp %9", "%13 = exp %10", "%14 = exp %11"]
    entropy = ["%15 = mul %12 %9", "%16 = mul %13 %10", "%17 = mul %14 %11", "%18 = add %15 %16"]
    text = "\n".join([*leaves, *total, *log, *shares, *entropy, "%19 = add %17 %18", "return %19"])

    source = code(text).source

    assert source.count("exp(") == 1
    assert source.count("divide(") == 2
