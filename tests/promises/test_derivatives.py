"""Derivatives of derivatives: as mpmath says, and the same from a compiled program.

The slopes of each row are typed by hand here, in mpmath's numbers; a test of their own shows that
they are slopes.
"""

import math
from itertools import product
from random import Random

import pytest

from tests.oracles import mp, relative_error
from tests.programs import OPERATORS, Engine, random_program
from tests.targets import on_every_target
from tinygrad_edu import Value, as_function, grad, ops
from tinygrad_edu.compiler import compile_graph

m = mp.context
SIZES = (5e-324, 1e-310, 1e-300, 1e-200, 1e-155, 1e-100, 1e-20, 1e-10, 1e-8, 1e-5, 1e-3, 0.02, 0.3)
SIZES += (1.0, 1.7, 5.0, 20.0, 37.0, 120.0, 350.0, 500.0, 709.0, 745.0, 800.0, 1e5, 1e20, 1e100)
SIZES += (1e155, 1e200, 1e300, math.inf)
POINTS = (0.0, *SIZES, *(-size for size in SIZES))
# of rows with two inputs the slopes are products, whose factors must not leave the floats
MILD = (0.02, 0.3, 1.0, 1.7, 5.0, 37.0, 1e-10, 1e10, 1e-20, 1e20)


def s(x):
    """The sigmoid."""
    return 1 / (1 + m.exp(-x))


def p(x):
    """Its slope."""
    return s(x) * s(-x)


def q(x):
    """The slope of tanh."""
    return m.sech(x) ** 2


SLOPES = {
    "neg": (lambda x: -1, lambda x: 0, lambda x: 0),
    "exp": (m.exp, m.exp, m.exp),
    "log": (lambda x: 1 / x, lambda x: -1 / x**2, lambda x: 2 / x**3),
    "sqrt": (lambda x: x**-0.5 / 2, lambda x: -(x**-1.5) / 4, lambda x: 3 * x**-2.5 / 8),
    "sin": (m.cos, lambda x: -m.sin(x), lambda x: -m.cos(x)),
    "cos": (lambda x: -m.sin(x), lambda x: -m.cos(x), m.sin),
    "tanh": (
        q,
        lambda x: -2 * m.tanh(x) * q(x),
        lambda x: q(x) * (4 * m.tanh(x) ** 2 - 2 * q(x)),
    ),
    "sigmoid": (
        p,
        lambda x: -p(x) * m.tanh(x / 2),
        lambda x: p(x) * (m.tanh(x / 2) ** 2 - 2 * p(x)),
    ),
    "softplus": (s, p, lambda x: -p(x) * m.tanh(x / 2)),
    "relu": (lambda x: int(x > 0), lambda x: 0, lambda x: 0),
    "abs": (m.sign, lambda x: 0, lambda x: 0),
}
ORDERS = tuple((a, b) for a, b in product(range(4), repeat=2) if 1 <= a + b <= 3)


def zero(x, y, a, b):
    """The slopes above the first of what is piecewise linear."""
    return 0


def power(x, y, a, b):
    """d^a/dx^a d^b/dy^b of x^y, by Leibniz: (y)_a x^(y - a), with x^y = e^(y ln x)."""
    total = 0
    for k in range(b + 1):
        falling = m.diff(lambda t: m.fprod(t - i for i in range(a)), y, k)
        total += m.binomial(b, k) * falling * m.power(x, y - a) * m.log(x) ** (b - k)
    return total


SLOPES_OF_TWO = {
    "add": lambda x, y, a, b: int(a + b == 1),
    "sub": lambda x, y, a, b: {(1, 0): 1, (0, 1): -1}.get((a, b), 0),
    "mul": lambda x, y, a, b: {(1, 0): y, (0, 1): x, (1, 1): 1}.get((a, b), 0),
    "div": lambda x, y, a, b: (x, 1, 0, 0)[a] * (-1) ** b * math.factorial(b) / y ** (b + 1),
    "pow": power,
    "maximum": lambda x, y, a, b: {(1, 0): int(x > y), (0, 1): int(y > x)}.get((a, b), 0),
    "minimum": lambda x, y, a, b: {(1, 0): int(x < y), (0, 1): int(y < x)}.get((a, b), 0),
}


def higher(f, *argnums):
    """The derivative by one argument after the other."""
    for i in argnums:
        f = grad(f, i)
    return f


def exact(slope, *point):
    """A slope as mpmath has it: at a pole next to a domain the infinity from inside."""
    try:
        return mp.number(slope(*map(mp.number, point)))
    except ZeroDivisionError:
        return None


def right(got, expected):
    """Equal to 1e-10; infinite where no float is large enough."""
    if math.isinf(got):
        return abs(expected) > 1.79e308 and (got > 0) == (expected > 0)
    return relative_error(got, expected) <= 1e-10


def test_every_row_is_here():
    """A new row needs its slopes typed, too."""
    assert SLOPES.keys() | SLOPES_OF_TWO.keys() == ops.TABLE.keys()


@pytest.mark.parametrize(("name", "order"), [*product(SLOPES, (1, 2, 3))])
def test_what_is_typed_by_hand_are_slopes(name, order):
    """Each is the one before it, differentiated by mpmath's quotients."""
    row = ops.TABLE[name]
    before = SLOPES[name][order - 2] if order > 1 else lambda x: row.forward(mp, x)

    assert SLOPES[name][order - 1](mp.number(0.7)) == pytest.approx(m.diff(before, 0.7), rel=1e-12)


@pytest.mark.parametrize(("name", "orders"), [*product(SLOPES_OF_TWO, ORDERS)])
def test_what_is_typed_by_hand_are_slopes_of_two(name, orders):
    """As mpmath's quotients in two numbers."""
    row = ops.TABLE[name]
    expected = m.diff(lambda x, y: row.forward(mp, x, y), (0.7, 1.9), orders)

    assert SLOPES_OF_TWO[name](mp.number(0.7), mp.number(1.9), *orders) == pytest.approx(
        expected, rel=1e-12, abs=1e-20
    )


@pytest.mark.promise(name="higher")
@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("name", SLOPES)
def test_slopes_of_slopes_everywhere(name, order, measured):
    """To 1e-10 from 0 to infinity on both sides, where the row is defined; never nan."""
    f = higher(as_function(ops.TABLE[name]), *[0] * order)
    points = [x for x in POINTS if x >= 0.0 or name not in ("log", "sqrt")]
    points = [x for x in points if not math.isinf(x) or name not in ("sin", "cos")]
    for x in points:
        expected = exact(SLOPES[name][order - 1], x)
        if expected is None:
            expected = (-1) ** (order - 1) * mp.number("inf")
        assert right(f(x), expected), (x, f(x), expected)
    measured(f"{len(points)} points of each order")


@pytest.mark.promise(name="higher")
@pytest.mark.parametrize("orders", ORDERS, ids=str)
@pytest.mark.parametrize("name", SLOPES_OF_TWO)
def test_mixed_slopes(name, orders):
    """To 1e-10 in every order of two inputs, off ties and where no factor leaves the floats."""
    f = higher(as_function(ops.TABLE[name]), *[1] * orders[1], *[0] * orders[0])
    signed = [*MILD, *(-x for x in MILD)]
    for x, y in product(MILD if name == "pow" else signed, signed):
        if x == y or (name == "pow" and abs(math.log(x) * y) > 600.0):
            continue
        expected = exact(lambda x, y: SLOPES_OF_TWO[name](x, y, *orders), x, y)
        assert right(f(x, y), expected), (x, y, f(x, y), expected)


@pytest.mark.promise(name="higher")
@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("n", [-3.0, -1.0, -0.5, 0.0, 0.3, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 10.0])
def test_slopes_of_a_power_of_x_everywhere(n, order):
    """n (n - 1) ... x^(n - k), whether the exponent is a constant or could be learned."""
    constant, learned = higher(lambda x: x**n, *[0] * order), higher(pow, *[0] * order)
    factor = math.prod(n - k for k in range(order))
    for x in [x for x in POINTS if x > 0.0 or (x != 0.0 and n == int(n))]:
        expected = factor * m.power(x, n - order) if n != order and factor else factor
        assert right(constant(x), expected), (x, constant(x), expected)
        assert right(learned(x, n), expected), (x, learned(x, n), expected)


@pytest.mark.promise(name="higher")
@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("base", [0.5, 2.0, 10.0, 1e-10, 1e10])
def test_slopes_of_a_power_of_a_constant_everywhere(base, order):
    """base^y (ln base)^k."""
    f = higher(lambda y: base**y, *[0] * order)
    for y in [y for y in POINTS if abs(y) < 1e3]:
        assert right(f(y), m.power(base, y) * m.log(base) ** order), (y, f(y))


# --- choices inside a derivative ---

CHOICES = ("abs", "maximum", "minimum", "relu")
SMOOTH = ("add", "sub", "mul", "neg", "div", "exp", "sin", "sqrt", "tanh", "sigmoid", "softplus")


def differentiated(program, z, weights):
    """The derivative of a random program by its first leaf, as a graph of the other leaves."""

    def apply(row, *operands):
        return (
            OPERATORS[row][0](*operands)
            if row in OPERATORS
            else as_function(ops.lookup(row))(*operands)
        )

    def f(z):
        numbers = iter([z, *weights])
        return program.run(Engine(lambda _: next(numbers), apply))[-1]

    return grad(f)(z) + 0.0 * sum([z, *weights])  # each takes part, used or not


@pytest.mark.promise(name="choices")
@on_every_target
def test_a_choice_inside_a_derivative_is_made_anew_for_each_row(target, cases, measured):
    """Recorded at one point and run at others, on both sides of each kink: equal to eager."""
    for case in range(cases):
        rng = Random(f"choices/{case}")
        program = random_program(
            rng, leaves=3, steps=rng.randint(1, 9), rows=[*CHOICES, *SMOOTH], margin=0.01
        )
        numbers = program.leaves[1:]
        weights, z = [Value(x) for x in numbers], Value(program.leaves[0])
        compiled = compile_graph(differentiated(program, z, weights), [z], target=target)
        for x in (rng.uniform(-3.0, 3.0), -program.leaves[0], 0.0, numbers[0], -numbers[1]):
            fresh = [Value(number) for number in numbers]
            eager = differentiated(program, Value(x), fresh)
            eager.backward()
            loss = compiled.backward([[x]])
            expected = [eager.data, *(fresh[weights.index(v)].grad for v in compiled.parameters)]
            found = [loss, *map(float, compiled.gradient)]
            where = f"at {x}, seed {case}:\n{program}"
            for got, wanted in zip(found, expected, strict=True):
                if math.isfinite(wanted):
                    assert got == pytest.approx(wanted, rel=1e-11, abs=1e-11), where
                else:  # NumPy decides on the sign of relu(-0.0), and so on that of 1 / relu(-0.0)
                    assert not math.isfinite(got), where
    measured(f"{cases:,} programs at 5 points on {target}")
