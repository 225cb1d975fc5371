"""What loops become for a reader: whole arrays where there are any, else tables of positions."""

import re

from tests.models import moons
from tinygrad_edu import Value, exp
from tinygrad_edu.compiler import compile_graph
from tinygrad_edu.engine.functions import stop_gradient


def test_equations_are_those_of_das_and_varma():
    """A layer reads A = X Wᵀ + b, its gradient Δᵀ X; the penalty of a weight is added to it."""
    equations = compile_graph(moons()).equations

    assert equations.forward[:3] == (
        "A1 = X W1ᵀ + b1",
        "Z1 = max(A1, 0)",
        "A2 = Z1 W2ᵀ + b2",
    )
    assert equations.forward[-1] == "L = s1 / 12 + 0.0001 s2"
    assert "ΔA1 = ΔZ1 ⊙ [A1 > 0]" in equations.backward
    assert "∂L/∂W1 = 0.0002 W1 + ΔA1ᵀ X" in equations.backward


def test_numbers_with_labels_of_their_own_are_no_vector():
    """Each product of a short sum is written, under the names that the learner gave."""
    w, v, x, y = (Value(2.0, label) for label in ("w", "v", "x", "y"))

    equations = compile_graph(exp(-(w * x) - v * y) * 3.0).equations

    assert equations.forward == ("Z1 = −w ⊙ x − v ⊙ y", "Z2 = exp(Z1)", "L = 3 Z2")
    assert equations.backward == (
        "ΔZ1 = 3 Z2",
        "∂L/∂w = −ΔZ1 ⊙ x",
        "∂L/∂v = −ΔZ1 ⊙ y",
        "∂L/∂x = −ΔZ1 ⊙ w",
        "∂L/∂y = −ΔZ1 ⊙ v",
    )


def test_what_is_stopped_keeps_its_name_and_has_no_gradient():
    """The shift of a softmax is the same numbers under the same name."""
    w, x = Value(2.0, "w"), Value(3.0, "x")

    equations = compile_graph(stop_gradient(exp(w)) * x + w * x, [x]).equations

    assert equations.forward == (
        "Z1 = exp(w)",
        "Z2 = w ⊙ x",
        "Z3 = Z1 ⊙ x",
        "Z4 = Z3 + Z2",
        "L = Σ Z4 / n",
    )
    assert equations.backward == ("∂L/∂w = Σ x / n",)


def test_what_no_arrangement_describes_is_collected_by_a_table():
    """Which is printed, too."""
    w = [Value(float(i), f"w{i}") for i in range(5)]

    terms = [(w[i] * w[j]).exp() for i, j in ((0, 1), (3, 1), (4, 0), (2, 3), (0, 2))]
    text = compile_graph(sum(terms[1:], terms[0])).equations.text

    assert "Z2 = w[p2] ⊙ w[p3]" in text
    assert re.search(r"p2 = \d \d \d\n", text), text
