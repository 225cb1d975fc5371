"""Saturation is read off the rows of the table, a user's own as well."""

from dataclasses import replace

import pytest

from tests.networks import Bare, X, Y
from tinygrad_edu import Value, as_function, nn, ops, primitive
from tinygrad_edu.diagnose.flow import gradient_flow
from tinygrad_edu.diagnose.saturation import saturated
from tinygrad_edu.engine.ops import TABLE


@pytest.fixture
def softsign():
    """A row that a user adds: x / (1 + |x|), which flattens slowly on both sides."""
    yield primitive(
        "softsign",
        r"\frac{x}{1 + |x|}",
        forward=lambda xp, x: x / (1.0 + xp.abs(x)),
        partials=lambda xp, out, x: ((1.0 + xp.abs(x)) ** -2,),
    )
    del TABLE["softsign"]


@pytest.mark.parametrize("x", [40.0, -40.0, 700.0, -800.0, 4.5])
def test_a_sigmoid_far_out_is_saturated(x):
    """Also where out * (1 - out) would round to 0: at 40 the row gives 4.2e-18."""
    assert saturated(Value(x).sigmoid()) is True


def test_the_limit_is_a_twentieth_of_the_steepest_slope():
    """A tanh has the steepest slope 1, and the slope 0.05 where out^2 is 0.95."""
    outs = [Value(x / 100.0).tanh() for x in range(-400, 401)]

    assert [saturated(out) for out in outs] == [out.data**2 > 0.95 for out in outs]


@pytest.mark.parametrize("name", sorted({*TABLE} - {"sigmoid", "tanh"}))
def test_no_other_row_of_the_package_saturates(name):
    """The others go on rising on one side at least, or swing, or have two inputs."""
    node = as_function(TABLE[name])(*[Value(0.5) for _ in TABLE[name].domain])

    assert saturated(node) is None


def test_a_leaf_does_not_saturate():
    """It has no row."""
    assert saturated(Value(40.0)) is None


def test_a_row_that_a_user_adds_is_judged_by_its_partials(softsign):
    """Softsign has a twentieth of its steepest slope at |x| = sqrt(20) - 1 = 3.47."""
    own = as_function(softsign)

    found = [saturated(own(Value(x))) for x in (-1e6, -3.5, -3.4, 0.0, 3.4, 3.5)]

    assert found == [True, True, False, False, False, True]


@pytest.mark.parametrize("scale", [0.02, 1.0, 50.0])
def test_the_scale_of_a_row_does_not_matter(scale):
    """A narrow and a wide tanh saturate at the same outputs, where out^2 is above 0.95."""
    row = replace(
        ops.TANH,
        forward=lambda xp, x: xp.tanh(x / scale),
        partials=lambda xp, out, x: (1.0 / xp.cosh(x / scale) ** 2 / scale,),
    )
    tanh = as_function(row)

    assert [saturated(tanh(Value(x * scale))) for x in (-3.0, 2.0, 2.2)] == [True, False, True]


def test_a_row_that_can_t_be_computed_far_out_does_not_saturate():
    """At 1000 the power overflows, which plain Python refuses."""
    row = replace(
        ops.TANH, forward=lambda xp, x: x**400, partials=lambda xp, out, x: (400.0 * x**399,)
    )

    assert saturated(as_function(row)(Value(0.5))) is None


def test_saturated_units_of_a_user_s_row_are_found(softsign):
    """The verdict names the layer whose activation is a row of the user's own."""
    own = as_function(softsign)

    flow = gradient_flow(Bare(activation=lambda total: own(30.0 * total)), nn.mse, X, Y)

    assert flow.faults == ["saturation"]
    assert "in inner" in flow.verdict


@pytest.mark.parametrize("slope", [1.0, 1e-3, 0.0])
@pytest.mark.parametrize("row", [ops.TANH, ops.SIGMOID], ids=lambda row: row.name)
def test_the_partials_of_a_row_alone_decide(row, slope):
    """With a constant slope a row of the same name and outputs does not saturate."""
    changed = replace(row, partials=lambda xp, out, x: (slope,))

    assert saturated(as_function(row)(Value(40.0))) is True
    assert saturated(as_function(changed)(Value(40.0))) is None
