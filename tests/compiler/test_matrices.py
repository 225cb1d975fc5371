"""Formulas of matrices as text and as LaTeX: brackets where their meaning asks for them."""

import pytest

from tests.compiler.test_algebra import make
from tinygrad_edu.compiler.matrices import as_latex, as_text, latex_name

PRODUCT = make("matmul", "X", make("transpose", "W1"))


@pytest.mark.parametrize(
    ("formula", "text", "latex"),
    [
        (make("add", PRODUCT, "b1"), "X W1ᵀ + b1", r"X \, W_{1}^{\top} + b_{1}"),
        (make("multiply", "D", PRODUCT), "D ⊙ (X W1ᵀ)", r"D \odot (X \, W_{1}^{\top})"),
        (make("matmul", make("add", "A", "B"), "C"), "(A + B) C", r"(A + B) \, C"),
        (make("matmul", make("matmul", "A", "B"), "C"), "(A B) C", r"(A \, B) \, C"),
        (make("transpose", make("add", "A", "B")), "(A + B)ᵀ", r"(A + B)^{\top}"),
        (make("sum", make("multiply", "T", "Y"), -1.0), "Σ_cols T ⊙ Y",
         r"\textstyle\sum_{\text{cols}} T \odot Y"),
        (make("sum", make("add", "A", "B")), "Σ (A + B)", r"\textstyle\sum (A + B)"),
        (make("multiply", make("sum", "A"), "B"), "(Σ A) ⊙ B", r"(\textstyle\sum A) \odot B"),
        (make("negative", make("sum", "A")), "−Σ A", r"-\textstyle\sum A"),
        (make("max", "A", -1.0), "max_cols A", r"\max_{\text{cols}} A"),
        (make("collect", "p1", "A", "B"), "(A, B)[p1]", r"{(A, B)}_{[p_{1}]}"),
    ],
)  # fmt: skip
def test_formulas_are_written_as_in_books(formula, text, latex):
    """A product of matrices side by side, a transpose above, a sum over rows, columns or all."""
    assert as_text(formula) == text
    assert as_latex(formula) == latex


@pytest.mark.parametrize(
    ("name", "latex"),
    [
        ("ΔA12", r"\Delta_{A_{12}}"),
        ("∂L/∂W1", r"\frac{\partial L}{\partial W_{1}}"),
        ("W1_2", r"\mathrm{W1}_{2}"),
        ("learning rate", r"\mathrm{learning rate}"),
        ("élan", r"\text{élan}"),
        ("\\$%", "v"),
    ],
)
def test_names_are_written_with_indices(name, latex):
    """Whatever a learner's label holds, TeX reads it."""
    assert latex_name(name) == latex
