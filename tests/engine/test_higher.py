"""What flows back as a graph of Values: choices as operations, rows composed of others."""

import copy
import math
import pickle

import pytest

from tests.oracles import mp
from tests.targets import HERE, on_every_target
from tinygrad_edu import (
    Value,
    as_function,
    exp,
    grad,
    maximum,
    minimum,
    ops,
    primitive,
    topological_order,
)
from tinygrad_edu.compiler import compile_graph
from tinygrad_edu.engine import ieee
from tinygrad_edu.engine.errors import SettingError
from tinygrad_edu.engine.functions import stop_gradient
from tinygrad_edu.engine.ops import NOTHING
from tinygrad_edu.gradcheck import check_rule

INNER = tuple(ops.INNER.values())
each_inner_row = pytest.mark.parametrize("row", INNER, ids=lambda row: row.name)
SPECIAL = (0.0, -0.0, 1.0, -2.5, 5e-324, 1e300, math.inf, -math.inf, math.nan)


@pytest.fixture
def row(monkeypatch):
    """A function that makes a row of one's own, for the length of a test."""
    monkeypatch.setattr(ops, "TABLE", dict(ops.TABLE))
    return lambda **fields: as_function(primitive("own", "own", **fields))


@pytest.mark.parametrize("x", SPECIAL)
def test_nothing_times_anything_is_nothing(x):
    """On either side, where a 0 would make nan of infinity; beside that it is the number 0."""
    assert (NOTHING * x, x * NOTHING) == (0.0, 0.0)
    assert (NOTHING + 1.0, -NOTHING, f"{NOTHING:g}", NOTHING == 0.0) == (1.0, 0.0, "0", True)


@pytest.mark.parametrize("row", INNER[:-1], ids=lambda row: row.name)  # stop_gradient has none
@pytest.mark.parametrize("point", [(0.7, -1.3), (-1.9, 0.4), (2.5, 3.0)])
def test_rows_inside_the_engine_are_right(row, point):
    """The checker of the others passes them."""
    assert check_rule(row, *point[: row.arity]).error <= 1e-13


@each_inner_row
def test_rows_inside_the_engine_can_be_pickled(row):
    """A row comes back as itself; the graph of a softmax, which holds one, as it was."""
    assert pickle.loads(pickle.dumps(row)) is copy.deepcopy(row) is row

    out = as_function(row)(*[Value(0.5)] * row.arity)
    assert pickle.loads(pickle.dumps(out)).data == out.data


# --- the branch that a choice did not take ---

CHOICES = {
    "relu": lambda x: x.relu(),
    "maximum, left": lambda x: x.maximum(0.0),
    "maximum, right": lambda x: maximum(0.0, x),
    "minimum, left": lambda x: -(-x).minimum(0.0),
    "minimum, right": lambda x: -minimum(0.0, -x),
    "stop_gradient": lambda x: stop_gradient(x) + 1.0,
}
ARRIVING_INF = {
    "sqrt": lambda y: y.sqrt(),
    "log": lambda y: y.log(),
    "inverse": lambda y: 1.0 / y,
    "inf": lambda y: y * math.inf,
    "nan": lambda y: y * math.nan,
}


@pytest.mark.parametrize("after", ARRIVING_INF.values(), ids=ARRIVING_INF)
@pytest.mark.parametrize("choice", CHOICES.values(), ids=CHOICES)
def test_nothing_flows_through_the_branch_not_taken(choice, after):
    """At x = -1 the slope is 0 whatever arrives, as in PyTorch and JAX; compiled, too."""
    x, w = Value(-1.0), Value(-1.0)

    after(choice(x)).backward()

    assert x.grad == 0.0
    assert grad(lambda x: after(choice(x)))(-1.0) == 0.0
    assert grad(lambda x: after(choice(x)))(Value(-1.0)).data == 0.0
    assert grad(grad(lambda x: after(choice(x))))(-1.0) == 0.0
    for target in HERE:
        program = compile_graph(after(choice(w)) + 0.0 * w, target=target)
        program.backward()
        assert list(program.gradient) == [0.0]


def test_a_slope_that_happens_to_be_zero_multiplies():
    """x y at y = 0, |x| at 0 are not choices: 0 times infinity is nan there, as in PyTorch."""
    for f in (lambda x: (x * 0.0).sqrt(), lambda x: abs(x).sqrt()):
        assert math.isnan(grad(f)(0.0))


def test_a_choice_of_a_learner_s_own_row(row):
    """hardtanh says by NOTHING which slopes are choices; a 0.0 is a number like others."""
    own = row(
        forward=lambda xp, x: xp.maximum(xp.minimum(x, 1.0), -1.0),
        partials=lambda xp, out, x: (xp.where(x > 1.0, NOTHING, xp.where(x > -1.0, 1.0, NOTHING)),),
        kinks=(-1.0, 1.0),
    )
    f = lambda x: (own(x) + 1.0).sqrt()  # noqa: E731

    assert grad(f)(-2.0) == 0.0 == grad(grad(f))(-2.0)
    assert grad(f)(0.0) == 0.5
    assert grad(grad(f))(0.0) == -0.25


# --- choices as operations ---


@on_every_target
@pytest.mark.parametrize(
    ("f", "slope"),
    [
        (lambda z: z * abs(z), lambda z: 2.0 * abs(z)),
        (lambda z: z.relu() * z, lambda z: 2.0 * max(z, 0.0)),
        (lambda z: z.maximum(1.0) * z, lambda z: 2.0 * z if z > 1.0 else 1.0),
        (lambda z: z.minimum(-1.0) ** 2, lambda z: 2.0 * z if z < -1.0 else 0.0),
    ],
)
def test_a_derivative_recorded_on_one_side_is_right_on_the_other(f, slope, target):
    """The program of a gradient chooses anew for each row of data."""
    w, x = Value(2.0), Value(1.5)
    program = compile_graph(grad(lambda z: w * f(z))(x), [x], target=target)

    for z in (-3.0, -1.5, -0.5, 0.25, 1.5, 3.0):
        assert program.backward([[z]]) == 2.0 * slope(z)
        assert list(program.gradient) == [slope(z)]


def test_a_tie_inside_a_derivative():
    """At max(x, x) each side has half of the slope, at every order."""
    assert grad(lambda x: x.maximum(x * 1.0) * x)(3.0) == 6.0
    assert grad(grad(lambda x: x.maximum(x * 1.0) * x))(3.0) == 2.0


def test_conditions_between_constants_leave_no_operation():
    """x**2 has the slope 2 x in two operations, as anybody would write it."""
    out = grad(lambda x: x**2.0)(Value(3.0))

    assert {v.op.name for v in topological_order(out) if v.op} == {"mul", "pow", "sub"}


# --- rows of one's own ---


@pytest.mark.parametrize(
    ("forward", "partial"),
    [
        (lambda xp, x: xp.exp(x) + xp.exp(-x), lambda xp, x: xp.exp(x) - xp.exp(-x)),
        (lambda xp, x: xp.log(xp.cosh(x)), lambda xp, x: xp.tanh(x)),
        (
            lambda xp, x: xp.sin(x) / xp.cosh(x),
            lambda xp, x: (xp.cos(x) - xp.sin(x) * xp.tanh(x)) / xp.cosh(x),
        ),
        (
            lambda xp, x: x * xp.log1p(x * x),
            lambda xp, x: xp.log1p(x * x) + 2.0 * x * x / (1.0 + x * x),
        ),
        (
            lambda xp, x: xp.where((x > 0.0) & (x <= 2.0), x * x, 0.0),
            lambda xp, x: xp.where((x > 0.0) & (x <= 2.0), 2.0 * x, 0.0),
        ),
        (
            lambda xp, x: xp.where((x < -1.0) | (x >= 1.0), x * x, 1.0),
            lambda xp, x: xp.where((x < -1.0) | (x >= 1.0), 2.0 * x, 0.0),
        ),
    ],
)
@pytest.mark.parametrize("x", [-1.3, 0.4, 1.2])
def test_the_second_derivative_of_a_row_of_one_s_own(row, forward, partial, x):
    """From its partials, whatever functions and conditions they are written with."""
    own = row(forward=forward, partials=lambda xp, out, x: (partial(xp, x),))

    expected = mp.context.diff(lambda x: forward(mp, x), x, 2)

    assert grad(grad(own))(x) == pytest.approx(float(expected), rel=1e-12)


def test_a_row_may_name_the_row_of_its_slope(row):
    """Then the slope of the slope is that row's: here exp's."""
    own = row(forward=lambda xp, x: xp.exp(x), partials=lambda xp, out, x: (out,), slope="exp")

    graph = grad(own)(Value(0.5))

    assert graph.inputs[-1].op is ops.EXP
    assert graph.data == ieee.exp(0.5)


def test_a_row_that_branches_has_no_second_derivative(row):
    """It is refused in words, since the branch would be that of one point for good."""
    own = row(
        forward=lambda xp, x: x * x if x > 0.0 else 0.0 * x,
        partials=lambda xp, out, x: (2.0 * x if x > 0.0 else 0.0,),
    )

    assert grad(own)(1.5) == 3.0
    with pytest.raises(SettingError, match="branches on its input"):
        grad(grad(own))(1.5)


def test_a_weight_inside_the_slope_of_exp():
    """d/dw of (d/dz e^(wz))², which takes both partials of the product."""
    w = Value(0.5)

    (grad(lambda z: exp(w * z))(1.0) ** 2).backward()

    assert w.grad == pytest.approx(float(mp.context.diff(lambda w: (w * mp.exp(w)) ** 2, 0.5)))
