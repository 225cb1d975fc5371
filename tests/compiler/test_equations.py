"""Equations as LaTeX and beside those of Das and Varma."""

import pytest

from tinygrad_edu.compiler import Equations

LAYER = Equations(
    ("A1 = X1 W1ᵀ + b1", "Z1 = max(A1, 0)"),
    ("ΔA1 = ΔZ1 ⊙ [A1 ≥ 0]", "∂L/∂W1 += ΔA1ᵀ X1", "∂L/∂b1 = Σ ΔA1"),
)


def test_they_print_one_per_line():
    """Forward first."""
    assert str(LAYER).splitlines() == [*LAYER.forward, *LAYER.backward]


@pytest.mark.parametrize(
    "line",
    [
        r"A_{1} &= X_{1} W_{1}^{\top} + b_{1}",
        r"Z_{1} &= \max(A_{1}, 0)",
        r"\Delta_{A_{1}} &= \Delta_{Z_{1}} \odot [A_{1} \ge 0]",
        r"\frac{\partial L}{\partial W_{1}} &\mathrel{+}= \Delta_{A_{1}}^{\top} X_{1}",
        r"\frac{\partial L}{\partial b_{1}} &= \textstyle\sum \Delta_{A_{1}}",
    ],
)
def test_latex_is_aligned_at_the_equals_sign(line):
    """Indices below, transposes above, and signs by their names."""
    assert line in [text.removesuffix(r" \\") for text in LAYER.latex.splitlines()]


def test_each_stands_beside_the_one_of_das_and_varma():
    """Whose samples are columns."""
    assert [theirs for _, theirs in LAYER.beside_the_book()] == [
        "A = WZ + B",
        "Z = f(A)",
        "Δ = f′(A) ⊙ WᵀΔ",
        "∂L/∂W = ΔZᵀ",
        "∂L/∂B = Δ",
    ]


def test_a_notebook_shows_latex_if_there_is_any():
    """Straight-line programs have no equations."""
    assert LAYER._repr_latex_().startswith("$\\displaystyle \\begin{aligned}")
    assert Equations()._repr_latex_() == ""
