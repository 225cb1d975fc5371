"""A user's rows give the same numbers as floats, in graphs, in programs and in derivatives."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.interpreter import interpreted
from tests.targets import HERE
from tinygrad_edu import Value, as_function, grad, topological_order
from tinygrad_edu.compiler import compile_graph
from tinygrad_edu.engine import ieee, operand
from tinygrad_edu.engine.ops import REAL, Primitive

POINTS = (1.5, 0.5, -0.5, 0.0, 1.0, 2.0, -3.0)


def newton(xp, x, steps):
    """Compute the root of 1 + x² in steps, each of which uses the one before twice."""
    y = 1.0 + x * x
    for _ in range(steps):
        y = 0.5 * (y + xp.divide(1.0 + x * x, y))
    return y


ROWS = {  # what a row computes; its partial is the same expression unless a pair is given
    "sums of conditions": lambda xp, x: 1.0 * (x > 0.0) + 1.0 * (x > 1.0),
    "bare sums of conditions": lambda xp, x: (x > 0.0) + (x > 1.0) + (x >= 2.0),
    "differences of conditions": lambda xp, x: (x > 0.0) - (x > 1.0),
    "products of conditions": lambda xp, x: (x > 0.0) * (x < 1.0),
    "a condition over a number": lambda xp, x: xp.divide(x < 1.0, 2.0) + (x > 0.0) / 4,
    "a number over a condition": lambda xp, x: xp.divide(x, 1 + (x > 0.0)),
    "minus a condition": lambda xp, x: -(x > 0.0) * x,
    "plus a condition": lambda xp, x: +(x > 0.0) + x,
    "plus": lambda xp, x: +x,
    "a power of a condition": lambda xp, x: (x > 0.0) ** 2,
    "a condition as exponent": lambda xp, x: xp.power(x, x > 1.0),
    "a condition as base": lambda xp, x: xp.power(x > 1.0, x),
    "the size of a condition": lambda xp, x: abs(x > 1.0) + xp.abs(x < 0.0),
    "functions of conditions": lambda xp, x: xp.exp(x > 0.0) * xp.maximum(x > 1.0, 0.5),
    "conditions joined": lambda xp, x: xp.where((x > 0.0) & (x < 1.0) | (x < -1.0), x, 2.0),
    "conditions joined, as numbers": lambda xp, x: ((x > 0.0) & (x < 1.0)) + ((x > 1.0) | (x < 0)),
    "either of two conditions": lambda xp, x: (x > 0.0) ^ (x > 1.0),
    "comparisons of comparisons": lambda xp, x: ((x > 0.0) > (x > 1.0)) + ((x > 1.0) <= (x < 0.0)),
    "equal comparisons": lambda xp, x: xp.equal(x > 0.0, x > 1.0) + xp.equal(x, 1.0),
    "not equal": lambda xp, x: xp.where(xp.not_equal(x, 1.0), x, 7.0),
    "a condition": lambda xp, x: x > 0.0,
    "a bare equality": lambda xp, x: xp.equal(x, 1.0),
    "conditions in branches": lambda xp, x: xp.where(x > 0.0, x > 1.0, x < -1.0) + x,
    "a choice of conditions": lambda xp, x: xp.where(xp.where(x > 0, x > 1, x < -1), 2.0, x),
    "a choice joined": lambda xp, x: xp.where(xp.where(x > 0, x > 1, True) & (x < 2.0), 2.0, x),
    "a condition and a number": lambda xp, x: xp.where(x > 0.0, x > 1.0, 0.5),
    "a number as condition": lambda xp, x: xp.where(x, 2.0, 3.0) + xp.where(x - 1.0, x, 5.0),
    "choices in choices": lambda xp, x: xp.where(
        x > 0, xp.where(x > 1, x, 2), xp.where(x < -1, 3, x)
    ),
    "a choice by what is known": lambda xp, x: xp.where(True, x, 1.0) + xp.where(2 > 3, x, 1.0),
    "joined with what is known": lambda xp, x: xp.where((x > 0) & True, 1, 2) + ((x > 0) | False),
    "decided by what is known": lambda xp, x: xp.where((x > 0) & False, 1, 2) + ((x > 0) | True),
    "a float": lambda xp, x: 2.5,
    "an int": lambda xp, x: 3,
    "a bool": lambda xp, x: True,
    "infinity": lambda xp, x: math.inf,
    "the input": lambda xp, x: x,
    "whole numbers": lambda xp, x: 3 * x + 2 - x * 10**20 + x**2,
    "NumPy's numbers": lambda xp, x: np.float64(2.0) * x + np.float64(1.0) / (1 + abs(x)),
    "NumPy's functions": lambda xp, x: np.tanh(x) + np.maximum(x, 0.5) + np.abs(x),
    "a short loop": lambda xp, x: newton(xp, x, 6),
    "a long chain": lambda xp, x: sum((x for _ in range(48)), x) / 10.0,
    "a sum that could be 0": lambda xp, x: xp.divide(1.0, x + 4.0) + 1.0 / (x * x + 1.0),
}


def own(forward, *partials):
    """A row whose partials need not be its derivatives, only the same for all readers."""
    every = lambda xp, out, *xs: tuple(partial(xp, *xs) for partial in partials)  # noqa: E731
    return Primitive("own", "f", forward=forward, partials=every, domain=(REAL,) * len(partials))


def differing(op, points):
    """Name the readers of a row that find other numbers than Python does on floats."""
    found = {}
    outs = [float(op.forward(ieee, *point)) for point in points]
    slopes = [
        float(slope)
        for out, point in zip(outs, points, strict=True)
        for slope in op.partials(ieee, out, *point)
    ]

    def compare(reader, some, others):
        if not np.allclose(some, others, rtol=1e-9, atol=1e-9, equal_nan=True):
            found[reader] = some, others

    f = as_function(op)
    compare("floats", [f(*point) for point in points], outs)
    leaves = [[Value(x) for x in point] for point in points]
    nodes = [f(*inputs) for inputs in leaves]
    every, total = [leaf for inputs in leaves for leaf in inputs], sum(nodes)
    total.backward()
    compare("graph", [node.data for node in nodes], outs)
    compare("gradient of a graph", [leaf.grad for leaf in every], slopes)
    for single in (True, False):
        _, of = interpreted(total, single=single)
        compare("interpreter", [of[leaf] for leaf in every], slopes)
    pairs = [grad(f, tuple(range(op.arity)))(*inputs) for inputs in leaves]
    derivatives = [v for pair in pairs for v in pair]
    compare("grad", [getattr(v, "data", v) for v in derivatives], slopes)
    written = [v for v in derivatives if {*every}.intersection(topological_order(operand(v)))]
    for target in HERE:
        program = compile_graph(total, target=target, outputs=nodes)
        program.backward()
        of = dict(zip(program.parameters, program.gradient, strict=True))
        compare(f"program, {target}", program.outputs()[0], outs)
        compare(f"its gradient, {target}", [of[leaf] for leaf in every], slopes)
        if written:
            program = compile_graph(sum(written), target=target, outputs=written)
            program.forward()
            compare(f"program of grad, {target}", program.outputs()[0], [v.data for v in written])
        w, data = Value(1.0), [Value(x) for x in points[0]]
        node = f(*(w * x for x in data))
        program = compile_graph(node, data, reduce="sum", target=target, outputs=[node])
        program.backward(points)
        compare(f"rows, {target}", program.outputs()[:, 0], outs)
        wanted = sum(slope * x for slope, x in zip(slopes, sum(points, ()), strict=True))
        compare(f"their gradient, {target}", program.gradient, [wanted])
    return found


@pytest.mark.parametrize("name", ROWS)
def test_a_row_gives_the_same_numbers_everywhere(name):
    """As value and as slope, at one point and at many."""
    op = own(ROWS[name], ROWS[name])

    for points in (POINTS, POINTS[:1]):
        assert differing(op, [(x,) for x in points]) == {}


BENDS = {  # with its second derivative
    "arithmetic on conditions": (
        lambda xp, x: (x > 0.0) * x**3 - (x <= 0.0) * x**2,
        lambda xp, x: 3 * (x > 0.0) * x * x - 2 * x * (x <= 0.0),
        lambda x: 6.0 * x if x > 0.0 else -2.0,
    ),
    "conditions joined": (
        lambda xp, x: xp.where((x > -1.0) & (x < 1.0) ^ (x > 5.0), x * x * x, 3 * x),
        lambda xp, x: 3 + (3 * x * x - 3) * ((x > -1.0) & (x < 1.0)),
        lambda x: 6.0 * x if -1.0 < x < 1.0 else 0.0,
    ),
    "a partial that is a condition": (
        lambda xp, x: xp.maximum(x, 0.0),
        lambda xp, x: x > 0.0,
        lambda x: 0.0,
    ),
    "a partial that is a choice of conditions": (
        lambda xp, x: abs(x),
        lambda xp, x: xp.where(x > 0.0, True, -(x < 0.0)),
        lambda x: 0.0,
    ),
    "a partial over a condition": (
        lambda xp, x: x * x * x / (1 + (x > 0.0)),
        lambda xp, x: 3 * xp.divide(x * x, 1 + (x > 0.0)),
        lambda x: 3.0 * x if x > 0.0 else 6.0 * x,
    ),
}


@pytest.mark.parametrize("x", [1.5, 0.5, -0.5, -3.0])
@pytest.mark.parametrize("name", BENDS)
def test_derivatives_of_derivatives_see_the_same_conditions(target, name, x):
    """As numbers, as a graph, and compiled at one point and run at another."""
    forward, partial, second = BENDS[name]
    f = as_function(own(forward, partial))

    assert grad(grad(f))(x) == pytest.approx(second(x), rel=1e-12)

    leaf, w = Value(2.5), Value(1.0)
    slope = operand(grad(f)(leaf * w))
    if w in topological_order(slope):
        program = compile_graph(slope, [leaf], target=target)
        assert program.backward([[x]]) == pytest.approx(float(partial(ieee, x)), rel=1e-12)
        assert program.gradient[0] == pytest.approx(second(x) * x, rel=1e-12)


def texts():
    """Rows as Python, of all operators and functions that symbols allow."""
    numbers = st.sampled_from(("x", "y", "0.5", "2", "-1.5", "1", "3.0", "0.0", "True"))
    return st.recursive(numbers, lambda inner: larger(inner, conditions(inner)), max_leaves=8)


def conditions(inner):
    """Comparisons, and what joins them."""
    compare = st.sampled_from(("({} > {})", "({} < {})", "({} >= {})", "({} <= {})"))
    compare |= st.sampled_from(("xp.equal({}, {})", "xp.not_equal({}, {})"))
    compared = filled(compare, inner, inner)
    join = st.sampled_from(("({} & {})", "({} | {})", "({} ^ {})", "xp.where(True, {}, {})"))
    joined = filled(join, compared, compared)
    return compared | joined | filled(st.just("xp.where({}, {}, {})"), compared, joined, compared)


def larger(inner, condition):
    """Expressions of numbers and conditions, which count as 0 or 1."""
    some = inner | condition
    one = "-({}) +({}) abs({}) (({})**2) xp.abs({}) xp.exp(xp.minimum({},3.0)) xp.tanh({})"
    one += " xp.sin({}) xp.cos({}) xp.cosh(xp.tanh({})) xp.log({}) xp.log1p({}) xp.sqrt({})"
    one += " (1/(1+xp.exp({})))"
    two = "({}+{}) ({}-{}) ({}*{}) xp.divide({},{}+0.25) xp.power({}+0.125,{}) xp.maximum({},{})"
    two += " xp.minimum({},{}) (({})/(1.0+abs({})))"
    choice = filled(st.just("xp.where({}, {}, {})"), some, some, some)
    return (
        filled(st.sampled_from(one.split()), some)
        | filled(st.sampled_from(two.split()), some, some)
        | choice
        | condition
    )


def filled(forms, *parts):
    """A form with texts in its places."""
    return st.builds(lambda form, *texts: form.format(*texts), forms, *parts)


@pytest.mark.slow
@settings(max_examples=60)
@given(texts(), st.lists(texts(), min_size=2, max_size=2))
def test_random_rows_give_the_same_numbers_everywhere(forward, partials):
    """Made of all operators and functions that a row may use, conditions in arithmetic included."""
    rows = [eval(f"lambda xp, x, y: {text}") for text in (forward, *partials)]
    points = [(1.5, 0.5), (-0.5, 2.0), (0.0, 1.0), (2.0, 2.0), (-3.0, -0.25)]

    assert differing(own(*rows), points) == {}
