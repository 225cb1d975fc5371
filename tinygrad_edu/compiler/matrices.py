"""Formulas of matrices, as text and as LaTeX: products, transposes, and sums over an axis."""

from __future__ import annotations

import re
from typing import ClassVar
from unicodedata import normalize

from tinygrad_edu.compiler.algebra import OVER, axes_of
from tinygrad_edu.engine import formulas
from tinygrad_edu.engine.formulas import CHOICE, POWER, PRODUCT, WHOLE
from tinygrad_edu.engine.symbols import Atom, Expression

MATMUL = POWER - 1  # as tightly as a product
AXES = {(): "", (-1,): "cols", (-2,): "rows"}  # what a sum runs over


class _Matrices(formulas.Text):
    """Writes formulas of matrices as text."""

    forms: ClassVar = formulas.Text.forms | {
        "matmul": ("%s %s", (POWER, POWER), MATMUL),
        "transpose": ("%sᵀ", (WHOLE,), WHOLE),
        "bracketed": ("(%s)", (CHOICE,), WHOLE),
    }
    over = "%s_%s "
    collected = "%s[%s]"
    logarithm = "log "
    signs: ClassVar = {"sum": "Σ", "total": "Σ"}

    def write(self, atom: Atom) -> tuple[str, int]:
        """Write an expression; return the text, and how tightly it binds."""
        if not isinstance(atom, Expression) or not atom.arguments:
            return super().write(atom)
        first, *others = atom.arguments
        if atom.function in OVER:
            sign = self.signs.get(atom.function) or self.function(atom.function)
            numbers = axes_of(tuple(others)) if atom.function != "total" else []
            axes = AXES.get(tuple(numbers), " ".join(map(str, numbers)))
            sign = self.over % (sign, axes) if axes else sign + " "
            return sign + self.at(PRODUCT, first), PRODUCT
        if atom.function == "multiply" and isinstance(first, Expression) and first.function in OVER:
            return super().write(
                Expression("multiply", (Expression("bracketed", (first,)), *others))
            )
        if atom.function == "weighted_log":
            logarithm = Expression("log_softmax", tuple(others))
            return self.write(Expression("multiply", (first, logarithm)))
        if atom.function == "log_softmax":
            return self.logarithm + self.at(WHOLE, others[0]), POWER
        if atom.function == "softmax":
            axes = AXES[tuple(axes_of(tuple(others)))].replace("cols", "")
            name = self.function("softmax")
            sign = (self.over % (name, axes)).rstrip() if axes else name
            return sign + self.in_brackets(self.at(CHOICE, first)), WHOLE
        if atom.function == "collect":
            names = ", ".join(self.at(CHOICE, x) for x in others)
            names = self.in_brackets(names) if len(others) > 1 else names
            return self.collected % (names, self.at(CHOICE, first)), WHOLE
        return super().write(atom)


class _MatricesInLatex(_Matrices, formulas.Latex):
    """Writes them as LaTeX."""

    forms: ClassVar = formulas.Latex.forms | {
        "matmul": (r"%s \, %s", (POWER, POWER), MATMUL),
        "transpose": (r"%s^{\top}", (WHOLE,), POWER),
        "bracketed": ("(%s)", (CHOICE,), WHOLE),
    }
    over = r"%s_{\text{%s}} "
    collected = r"{%s}_{[%s]}"
    logarithm = r"\log "
    signs: ClassVar = dict.fromkeys(("sum", "total"), r"\textstyle\sum")


def as_text(atom: Atom) -> str:
    """Write a formula as text.

    Examples
    --------
    >>> from tinygrad_edu.compiler.matrices import as_text
    >>> from tinygrad_edu.engine.symbols import Expression, variable
    >>> product = Expression("matmul", (variable("X"), Expression("transpose", (variable("W1"),))))
    >>> as_text(product)
    'X W1ᵀ'
    """
    return _Matrices(_SameName(), "⊙").at(CHOICE, atom)


def as_latex(atom: Atom) -> str:
    """Write a formula as LaTeX."""
    return _MatricesInLatex(_LatexName(), r"\odot").at(CHOICE, atom)


def latex_name(name: str) -> str:
    r"""Write a name as LaTeX, its number as an index.

    Examples
    --------
    >>> from tinygrad_edu.compiler.matrices import latex_name
    >>> print(latex_name("ΔA1"), latex_name("∂L/∂b12"), latex_name("gain"))
    \Delta_{A_{1}} \frac{\partial L}{\partial b_{12}} \mathrm{gain}
    """
    if name.startswith("∂L/∂"):
        return rf"\frac{{\partial L}}{{\partial {latex_name(name[4:])}}}"
    if name.startswith("Δ") and len(name) > 1:
        return rf"\Delta_{{{latex_name(name[1:])}}}"
    digits = re.search(r"\d*$", name)
    number = digits[0] if digits else ""
    stem = name.removesuffix(number).removesuffix("_")
    stem = re.sub(r"[^\w\s']", "", normalize("NFC", stem)).replace("_", r"\_") or "v"
    letter = stem if len(stem) == 1 else rf"\mathrm{{{stem}}}"
    if not stem.isascii() and not "α" <= stem <= "ω":  # KaTeX knows Greek letters
        letter = rf"\text{{{stem}}}"
    return f"{letter}_{{{number}}}" if number else letter


class _SameName(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return name


class _LatexName(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return latex_name(name)
