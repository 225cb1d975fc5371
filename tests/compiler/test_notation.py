"""The equations of a plan: names for its parts, gradients, and what is left out of them."""

from tests.models import moons
from tinygrad_edu import Value, exp
from tinygrad_edu.compiler import compile_graph
from tinygrad_edu.engine.functions import stop_gradient


def test_equations_are_those_of_das_and_varma():
    """A layer reads A = X Wᵀ + b, its gradient Δᵀ X."""
    equations = compile_graph(moons()).equations

    assert str(equations).splitlines()[:3] == [
        "A1 = X1 W1ᵀ + b1",
        "Z1 = max(A1, 0)",
        "A2 = Z1 W2ᵀ + b2",
    ]
    assert "∂L/∂W1 += ΔA1ᵀ X1" in equations.backward
    assert "ΔA1 = ΔZ1 ⊙ [A1 > 0]" in equations.backward


def test_a_short_sum_of_products_is_written_out():
    """With the numbers of constants, and the minus signs as they are meant."""
    w, v, x, y = (Value(2.0) for _ in range(4))

    equations = compile_graph(exp(-(w * x) - v * y) * 3.0).equations

    assert equations.forward == ("s1 = −v1 v2 − v3 v4", "Z1 = exp(s1)", "L = Z1 ⊙ 3")
    assert equations.backward == (
        "ΔZ1 = ΔL ⊙ 3",
        "Δs1 = ΔZ1 ⊙ Z1",
        "∂L/∂v1 = −v2 Δs1",
        "∂L/∂v3 = −v4 Δs1",
        "∂L/∂v2 = −v1 Δs1",
        "∂L/∂v4 = −v3 Δs1",
    )


def test_what_is_stopped_keeps_its_name_and_has_no_gradient():
    """The shift of a softmax is the same numbers under the same name."""
    w, x = Value(2.0), Value(3.0)

    equations = compile_graph(stop_gradient(exp(w)) * x + w * x, [x]).equations

    assert equations.forward == ("Z1 = exp(v1)", "Z2 = v1 ⊙ v2", "Z3 = Z1 ⊙ v2", "L = Z3 + Z2")
    assert equations.backward == ("ΔZ2 = ΔL", "∂L/∂v1 = ΔZ2 ⊙ v2")
