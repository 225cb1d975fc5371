"""Which instructions are differentiated, and by what."""

from tests.tapes import NETWORK, picture, planned
from tinygrad_edu.compiler.adjoint import adjoints
from tinygrad_edu.compiler.sums import gather_maxima


def shown(plan):
    """One line for each instruction, with the operands whose gradients it adds to."""
    return [f"{it}  -> {' '.join(map(str, targets))}" for it, targets in adjoints(plan)]


def test_the_backward_order_is_as_pictured():
    """Last to first, and no gradient of the inputs."""
    before, after = picture(adjoints)
    plan = planned(NETWORK.replace("mul %12 %13", "add %12 %13"))

    assert str(plan).splitlines()[:2] == before.splitlines()[:2]
    assert shown(plan)[1:] == after.splitlines()[1:]


def test_below_a_stop_nothing_is_differentiated():
    """Neither the stopped maximum nor what it is made from alone."""
    before, _ = picture(gather_maxima)

    assert shown(planned(before)) == ["u[5] = sub u[0] u[4]  -> u[0]"]
