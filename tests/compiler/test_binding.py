"""Numbers come and go between Values and a program: every constant counts, or is named."""

import math

import pytest

from tinygrad_edu import Value, exp
from tinygrad_edu.compiler import compile_graph
from tinygrad_edu.engine.context import here
from tinygrad_edu.engine.errors import StaleGraphError


def constant(number):
    """A Value that is not learned."""
    return Value(number).detach()


FOLDED = {  # of a parameter and two constants; each is built again for the value by hand
    "a quotient": lambda w, c, d: w * (1.0 / c),
    "a chain": lambda w, c, d: w * exp(c * d - 1.0 / d),
    "two that share": lambda w, c, d: (w * (c + d)) * (w + (c + d) * c),
    "a sum that stays": lambda w, c, d: w * c + d,
    "in one term alone": lambda w, c, d: (w + c * c) * (w + c * d) + w * 2.0,
    "an output alone": lambda w, c, d: w * d,
    "a base": lambda w, c, d: (c * d + 1.0) ** w,
}


@pytest.mark.parametrize("name", FOLDED)
@pytest.mark.parametrize("rows", [False, True])
def test_pull_takes_what_was_computed_from_constants(anywhere, name, rows):
    """Anew from the numbers that the constants have now; so does compiling the graph later."""
    w, c, d, x = Value(3.0), constant(2.0), constant(0.5), Value(1.0)
    build = FOLDED[name]
    loss, asked = build(w, c, d) * x, c * c + d
    inputs, data = ([x], [[1.5], [2.5]]) if rows else (None, None)
    program = compile_graph(loss, inputs, target=anywhere, outputs=[asked])

    w.data, c.data, d.data = 0.7, 4.0, 1.25
    program.pull()
    later = compile_graph(loss, inputs, target=anywhere, outputs=[asked])

    v = Value(0.7)
    by_hand = build(v, 4.0, 1.25) * (2.0 if rows else x)
    by_hand.backward()
    for one in (program, later):
        assert one.backward(data) == pytest.approx(by_hand.data, rel=1e-13)
        assert one.gradient[one.parameters.index(w)] == pytest.approx(v.grad, rel=1e-13)
        assert one.outputs().tolist() == [[17.25]] * (2 if rows else 1)


def test_pull_names_an_exponent_that_has_changed(target):
    """Since a square is compiled as a product; the program keeps all its numbers."""
    w, c, two = Value(3.0), constant(5.0), constant(2.0)
    root = w ** (two * 1.0) * c
    program = compile_graph(root, target=target)
    program.pull()

    two.data, c.data, w.data = 3.0, 6.0, 4.0
    with pytest.raises(StaleGraphError, match=r"a constant is 3 now, and was 2 when"):
        program.pull()

    assert program.forward() == 45.0
    assert compile_graph(root, target=target).forward() == 384.0
    two.data = 2.0
    program.pull()
    assert program.forward() == 96.0


def test_pull_names_a_zero_with_which_a_sum_begins(target):
    """Since nothing is added to it, it is not there any more."""
    w, zero = Value(3.0), constant(0.0)
    program = compile_graph((zero + w) * w, target=target)

    zero.data = 1.0
    with pytest.raises(StaleGraphError, match="a constant is 1 now, and was 0 when"):
        program.pull()
    with pytest.raises(StaleGraphError, match="has a different structure"):
        program.rebind((constant(1.0) + w) * w)

    assert program.forward() == 9.0
    assert compile_graph((zero + w) * w, target=target).forward() == 12.0


@pytest.mark.parametrize("exponent", [math.nan, 0.0, -0.0, math.inf])
def test_an_exponent_is_the_same_when_its_bits_are(anywhere, exponent):
    """nan is, though it is not equal to itself; -0.0 is not 0.0."""
    w, c = Value(3.0), constant(exponent)
    program = compile_graph(w**c, target=anywhere)

    program.pull()
    program.rebind(w**c)
    c.data = -exponent

    if exponent == exponent and not here().fault:  # a graph is no code
        with pytest.raises(StaleGraphError, match="a constant is"):
            program.pull()


def test_rebind_takes_the_constants_of_the_other_graph(anywhere):
    """Also those computed from constants; and later changes of them, at the next pull."""
    w = Value(3.0)

    def loss(c):
        return w * (1.0 / c) + c

    program = compile_graph(loss(constant(2.0)), target=anywhere)
    other = constant(4.0)
    program.rebind(loss(other))
    assert program.forward() == 4.75
    other.data = 8.0
    program.pull()

    assert program.forward() == 8.375


def test_rebind_knows_inputs_and_outputs(anywhere):
    """Outputs inside the graph need not be passed; other ones are refused, as are other inputs."""

    def sample():
        w, v, x, t = Value(2.0), Value(3.0), Value(1.0), Value(0.0)
        inside, beside = w * x, v * x
        return (inside - t) ** 2, [x, t], [inside], [beside], v

    loss, inputs, inside, _, _ = sample()
    program = compile_graph(loss, inputs, target=anywhere, outputs=inside)
    loss, inputs, inside, _, _ = sample()
    program.rebind(loss, inputs)
    program.rebind(loss, inputs, inside)
    for wrong in ((inputs[::-1], ()), (inputs, [loss]), (inputs, [*inside, loss]), ([], ())):
        with pytest.raises(StaleGraphError, match="has a different structure"):
            program.rebind(loss, *wrong)

    both = compile_graph(loss, inputs, target=anywhere, outputs=sample()[2])
    loss, inputs, inside, beside, v = sample()
    both = compile_graph(loss, inputs, target=anywhere, outputs=[*inside, *beside])
    loss, inputs, inside, beside, v = sample()
    with pytest.raises(StaleGraphError, match="other inputs and outputs"):
        both.rebind(loss, inputs)
    both.rebind(loss, inputs, [*inside, *beside])
    v.data = 7.0
    both.pull()
    both.forward([[1.0, 0.0]])

    assert both.outputs().tolist() == [[2.0, 7.0]]


def test_rebind_takes_the_names_of_the_other_graph(target):
    """In its equations and matrices, as in its parameters."""

    def loss(name):
        w = [Value(0.5 * i, f"{name}{i}") for i in range(1, 3)]
        return (w[0] * 2.0 + w[1] * 3.0).tanh() * w[0]

    program = compile_graph(loss("v"), target=target)
    before = [*program.matrices]
    program.rebind(loss("q"))

    assert "".join(before).replace("v", "q") == "".join(program.matrices)
    assert "v" in "".join(before)


def test_single_precision_is_what_push_brings_back():
    """0.1 has become the nearest number of single precision."""
    w = Value(0.1)
    program = compile_graph(w * w, dtype="float32")

    program.push()

    assert w.data == pytest.approx(0.10000000149, abs=1e-12)
