"""The matrix equations that were found, as text and as LaTeX."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Equations:
    """Forward equations, then gradients; ``str`` of it is text, ``latex`` the same in LaTeX.

    Rows of a matrix are samples, so a layer reads ``A1 = X W1ᵀ + b1``; the book, whose columns
    are samples, writes A = WZ + B for it. ``ΔA1`` is dL/dA1.
    """

    forward: tuple[str, ...] = ()
    backward: tuple[str, ...] = ()

    @property
    def latex(self) -> str:
        """An ``aligned`` environment, a line an equation."""
        lines = [_latex(line) for line in (*self.forward, *self.backward)]
        return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"

    def __str__(self) -> str:
        return "\n".join([*self.forward, *self.backward])


_LATEX = (
    (r"∂L/∂(\w)(\d*)", r"\\frac{\\partial L}{\\partial \1_{\2}}"),
    (r"Δ(\w)(\d+)", r"\\Delta_{\1_{\2}}"),
    (r"Δ(\w)", r"\\Delta_{\1}"),
    (r"\b([A-Za-z])(\d+)", r"\1_{\2}"),
    ("ᵀ", r"^{\\top}"),
    ("⊙", r"\\odot"),
    ("Σ", r"\\textstyle\\sum"),
    ("·", r"\\cdot"),
    ("−", "-"),
    ("≥", r"\\ge"),
    ("≤", r"\\le"),
    (r"\b(max|min|exp|log|sin|cos|tanh|cosh)\(", r"\\\1("),
    (r" (\+?=) ", r" \\mathrel{\1} "),
)


def _latex(line: str) -> str:
    for pattern, replacement in _LATEX:
        line = re.sub(pattern, replacement, line)
    return line.replace(r" \mathrel{=} ", " &= ").replace(r" \mathrel{+=} ", r" &\mathrel{+}= ")
