"""The matrix equations that were found, as text and as LaTeX."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Equations:
    """Forward equations, then gradients; ``str`` of it is text, ``latex`` the same in LaTeX.

    Rows of a matrix are samples, so a layer reads ``A1 = X W1ᵀ + b1``. Das and Varma, whose columns
    are samples, write A = WZ + B for it. ``ΔA1`` is dL/dA1.
    """

    forward: tuple[str, ...] = ()
    backward: tuple[str, ...] = ()

    @property
    def latex(self) -> str:
        """Return an ``aligned`` environment with one line per equation."""
        lines = [_latex(line) for line in (*self.forward, *self.backward)]
        return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"

    def beside_the_book(self) -> list[tuple[str, str]]:
        """Pair each equation with that of Das and Varma for the same step, "" where there is none.

        References
        ----------
        Das and Varma, Deep Learning, The Backprop Algorithm. Samples are columns there, so their
        matrices are the transposes of these.
        """
        lines = [*self.forward, *self.backward]
        return [
            (line, next((book for found, book in _BOOK if re.match(found, line)), ""))
            for line in lines
        ]

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex}$" if self.forward else ""

    def __str__(self) -> str:
        return "\n".join([*self.forward, *self.backward])


_BOOK = (
    (r"A\d+ = \S+ W\d+ᵀ", "A = WZ + B"),
    (r"Z\d+ = (?!rowmax)[a-z]+\(A\d+(, 0)?\)$", "Z = f(A)"),
    (r"ΔA\d+ = ΔZ\d+ ⊙", "Δ = f′(A) ⊙ WᵀΔ"),
    (r"ΔZ\d+ = ΔA\d+ W\d+", "WᵀΔ"),
    (r"ΔA\d+ = ", "Δ = Y − T"),
    (r"∂L/∂W\d+ \+?= ΔA\d+ᵀ", "∂L/∂W = ΔZᵀ"),
    (r"∂L/∂b\d+ \+?= ", "∂L/∂B = Δ"),
)


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
    """Translate an equation to LaTeX, with the place to align it at."""
    for pattern, replacement in _LATEX:
        line = re.sub(pattern, replacement, line)
    return line.replace(r" \mathrel{=} ", " &= ").replace(r" \mathrel{+=} ", r" &\mathrel{+}= ")
