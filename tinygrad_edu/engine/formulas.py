"""Expressions as a reader's formulas, as text or as LaTeX: one walk, with two tables of forms."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import isfinite
from typing import ClassVar, TypeAlias

from tinygrad_edu.engine.symbols import Atom, Expression, is_number

# How tightly a form binds. What binds less tightly than its place asks for is put in brackets.
CHOICE, OR, AND, COMPARISON, SUM, NEGATIVE, PRODUCT, POWER, WHOLE = range(9)
Form: TypeAlias = tuple[str, tuple[int, ...], int]  # the text, what its places ask for, it itself

_INFIX = (  # in text, in LaTeX, what is asked for on the left and on the right, it itself
    ("logical_or", "∨", r"\lor", OR, AND, OR),
    ("logical_and", "∧", r"\land", AND, COMPARISON, AND),
    ("less", "<", "<", SUM, SUM, COMPARISON),
    ("less_equal", "≤", r"\le", SUM, SUM, COMPARISON),
    ("greater", ">", ">", SUM, SUM, COMPARISON),
    ("greater_equal", "≥", r"\ge", SUM, SUM, COMPARISON),
    ("equal", "=", "=", SUM, SUM, COMPARISON),
    ("not_equal", "≠", r"\ne", SUM, SUM, COMPARISON),
    ("add", "+", "+", SUM, PRODUCT, SUM),
    ("subtract", "−", "-", SUM, PRODUCT, SUM),
    ("multiply", "⊙", r"\odot", NEGATIVE, POWER, PRODUCT),
    ("divide", "/", "/", NEGATIVE, POWER, PRODUCT),
)
_TEXT: dict[str, Form] = {
    **{name: (f"%s {sign} %s", (left, right), it) for name, sign, _, left, right, it in _INFIX},
    "choice": ("%s if %s else %s", (OR, OR, CHOICE), CHOICE),
    "negative": ("−%s", (PRODUCT,), NEGATIVE),
    "power": ("%s^%s", (WHOLE, WHOLE), POWER),
    "holds": ("[%s]", (CHOICE,), WHOLE),
}
_LATEX: dict[str, Form] = {
    **{name: (f"%s {sign} %s", (left, right), it) for name, _, sign, left, right, it in _INFIX},
    "choice": (
        r"\begin{cases} %s & \text{if } %s \\ %s & \text{otherwise} \end{cases}",
        (OR, CHOICE, CHOICE),
        CHOICE,
    ),
    "negative": ("-%s", (PRODUCT,), NEGATIVE),
    "divide": (r"\frac{%s}{%s}", (CHOICE, CHOICE), POWER),
    "power": ("%s^{%s}", (WHOLE, CHOICE), POWER),
    "sqrt": (r"\sqrt{%s}", (CHOICE,), WHOLE),
    "abs": (r"\left\lvert %s \right\rvert", (CHOICE,), WHOLE),
    "holds": (r"\left[%s\right]", (CHOICE,), WHOLE),
}
_COMMANDS = ("exp", "log", "sin", "cos", "tanh", "cosh", "max", "min")  # LaTeX knows them


def as_math(atom: Atom, of: Mapping[str, str], *, times: str = "⊙") -> str:
    r"""Write an expression as text, in the signs of mathematics.

    Parameters
    ----------
    atom : Expression or number
    of : the names of its variables
    times : the sign of a product: "·" where all are single numbers

    Examples
    --------
    >>> from tinygrad_edu.engine.formulas import as_latex, as_math
    >>> from tinygrad_edu.engine.symbols import SYMBOLS as xp, variable
    >>> x = variable("x0")
    >>> square = (1.0 / (1.0 + xp.exp(-x))) ** 2.0
    >>> print(as_math(square, {"x0": "A1"}))
    (1 / (1 + exp(−A1)))^2
    >>> print(as_latex(square, {"x0": "A_{1}"}))
    \left(\frac{1}{1 + \exp(-A_{1})}\right)^{2}
    """
    return Text(of, times).at(CHOICE, atom)


def as_latex(atom: Atom, of: Mapping[str, str], *, times: str = r"\odot") -> str:
    r"""Write an expression as LaTeX, for a formula of TeX, KaTeX or MathJax.

    Parameters
    ----------
    atom : Expression or number
    of : the names of its variables, in LaTeX
    times : the sign of a product: ``\cdot`` where all are single numbers
    """
    return Latex(of, times).at(CHOICE, atom)


def plain(x: float) -> str:
    """Write a number as in mathematics, with all its digits and a real minus sign.

    Examples
    --------
    >>> from tinygrad_edu.engine.formulas import plain
    >>> [plain(x) for x in (2.0, -0.5, 1e-07, float("inf"))]
    ['2', '−0.5', '1e−7', '∞']
    """
    short = f"{x:g}"
    text = re.sub(r"e\+?(-?)0*", r"e\1", short if float(short) == x else repr(x))
    return text.replace("-", "−").replace("inf", "∞")


class Text:
    """Writes expressions as text, with no more brackets than their meaning asks for."""

    forms: ClassVar[dict[str, Form]] = _TEXT

    def __init__(self, of: Mapping[str, str], times: str) -> None:
        self.of, self.times = of, times

    def at(self, place: int, atom: Atom) -> str:
        """Write an expression, in brackets if its place asks for a tighter form."""
        text, level = self.write(atom)
        return text if level >= place else self.in_brackets(text)

    def write(self, atom: Atom) -> tuple[str, int]:
        """Write an expression; return the text, and how tightly it binds."""
        if not isinstance(atom, Expression):
            return self.number(plain(atom))
        if not atom.arguments:
            return self.variable(self.of[atom.function]), WHOLE
        atom = _spoken(atom)
        if atom.function not in self.forms:
            inner = ", ".join(self.at(CHOICE, argument) for argument in atom.arguments)
            return self.function(atom.function) + self.in_brackets(inner), WHOLE
        form, places, level = self.forms[atom.function]
        texts = [self.at(place, x) for place, x in zip(places, atom.arguments, strict=True)]
        if atom.function == "multiply":
            factor = None if isinstance(atom.arguments[0], Expression) else atom.arguments[0]
            beside = factor is not None and isfinite(factor) and _BESIDE.match(texts[1])
            form = "%s %s" if beside else f"%s {self.times} %s"
        text = form % tuple(texts)
        return text, min(level, NEGATIVE) if text[0] in "−-" else level

    def number(self, text: str) -> tuple[str, int]:
        """Write a number, and tell how tightly it binds."""
        return text, NEGATIVE if text[0] == "−" else WHOLE

    def variable(self, name: str) -> str:
        """Write a name."""
        return name

    def function(self, name: str) -> str:
        """Write the name of a function."""
        return name.removesuffix("imum")

    def in_brackets(self, text: str) -> str:
        """Write brackets around a text."""
        return f"({text})"


class Latex(Text):
    """Writes them as LaTeX."""

    forms: ClassVar[dict[str, Form]] = _LATEX

    def write(self, atom: Atom) -> tuple[str, int]:
        """Write a choice in a choice as more cases of one."""
        text, level = super().write(atom)
        text = text.replace(r"\\ \begin{cases}", r"\\")
        return text.replace(r"\end{cases} & \text{otherwise} \end", r"\end"), level

    def number(self, text: str) -> tuple[str, int]:
        """Write a number with its power of ten."""
        text = text.replace("−", "-").replace("∞", r"\infty").replace("nan", r"\mathrm{nan}")
        if "e" not in text:
            return text, NEGATIVE if text[0] == "-" else WHOLE
        digits, exponent = text.split("e")
        power = f"10^{{{exponent}}}"
        if digits.lstrip("-") == "1":
            return digits[:-1] + power, NEGATIVE if digits[0] == "-" else POWER
        return rf"{digits} \cdot {power}", NEGATIVE if digits[0] == "-" else PRODUCT

    def variable(self, name: str) -> str:
        """Keep a name with an exponent of its own together, as TeX asks for before another one."""
        return f"{{{name}}}" if "^" in name else name

    def function(self, name: str) -> str:
        """Write a name upright."""
        name = super().function(name)
        if name in _COMMANDS:
            return f"\\{name}"
        name = name if name.isascii() else rf"\text{{{name}}}"
        return rf"\operatorname{{{name}}}".replace("_", r"\_")

    def in_brackets(self, text: str) -> str:
        """Write brackets as tall as what is in them."""
        tall = r"\frac" in text or r"\begin" in text
        return rf"\left({text}\right)" if tall else f"({text})"


_BESIDE = re.compile(r"[^\W\d]|[({\[]|\\(?!frac|infty|mathrm)")  # what may follow a number


def _spoken(atom: Expression) -> Expression:
    """Say in the words of mathematics what only programs have a name for."""
    name, arguments = atom.function, atom.arguments
    if name == "log1p":
        return Expression("log", (Expression("add", (1.0, *arguments)),))
    if name == "true_divide":
        return Expression("divide", arguments)
    if name != "where":
        return atom
    condition, yes, no = arguments
    if not is_number(no, 0.0):
        return Expression("choice", (yes, condition, no))
    holds = Expression("holds", (condition,))  # Iverson's bracket: 1 where it holds, else 0
    if is_number(yes, 1.0):
        return holds
    if is_number(yes, -1.0):
        return Expression("negative", (holds,))
    return Expression("multiply", (yes, holds))
