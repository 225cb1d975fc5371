"""The gradient as loops: which there are, in which order, and who assigns first."""

from tests.tapes import NETWORK, picture, planned
from tinygrad_edu.compiler.adjoint import gradient


def test_the_gradient_is_as_pictured():
    """Last to first, and no gradient of the inputs."""
    before, after = picture(gradient)
    plan = planned(NETWORK)

    assert str(plan) == before
    assert "\n".join(map(str, gradient(plan))) == after


def test_below_a_stop_nothing_is_differentiated():
    """Neither the stopped maximum nor what it is made from alone, whose gradient is 0."""
    text = (
        "%0 = parameter\n%1 = parameter\n%2 = parameter\n%3 = maximum %0 %1\n"
        "%4 = maximum %3 %2\n%5 = stop_gradient %4\n%6 = sub %0 %5\nreturn %6"
    )

    lines = [str(it) for it in gradient(planned(text))]

    assert lines == ["du[0] = du[4]", "du[1 + j] = 0  # j < 2"]


def test_a_gradient_that_is_written_in_part_first_is_set_to_zero():
    """sin gives %0 alone a gradient, exp adds to those of %0 and %1: that of %1 starts at 0."""
    text = (
        "%0 = parameter\n%1 = parameter\n%2 = exp %0\n%3 = exp %1\n%4 = mul %2 %3\n"
        "%5 = sin %0\n%6 = mul %4 %5\nreturn %6"
    )

    lines = [str(it) for it in gradient(planned(text))]

    assert lines[-2:] == ["du[1] = 0", "du[j] += du[2 + j] · u[2 + j]  # j < 2"]
