"""The table of primitives: each derivative of this package is written here, once.

A row says what a primitive computes (``forward``) and its local derivatives (``partials``, one for
each input; they may use the output). ``xp`` is where the mathematics comes from: ``ieee`` (floats),
``numpy`` (arrays), mpmath (40 digits), ``functions`` (Values, for higher derivatives) or symbols.
So a row never branches with ``if``: it uses ``xp.where`` and ``xp.maximum``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from tinygrad_edu.engine.errors import SettingError

INF = float("inf")
Domain: TypeAlias = tuple[tuple[float, float], ...]  # open intervals
REAL, POSITIVE, NONZERO = ((-INF, INF),), ((0.0, INF),), ((-INF, 0.0), (0.0, INF))
TABLE: dict[str, "Primitive"] = {}


@dataclass(frozen=True, slots=True)
class Primitive:
    """One row of the table; :func:`primitive` makes it and adds it."""

    name: str
    formula: str  # LaTeX, in x and y
    forward: Callable[..., Any]  # (xp, x) or (xp, x, y) -> out
    partials: Callable[..., tuple[Any, ...]]  # (xp, out, x) -> (d out/dx,)
    domain: tuple[Domain, ...] = (REAL,)  # of each input: where out has a slope, but for the kinks
    kinks: tuple[float, ...] = ()  # values of x (of x - y, with two inputs) where the slope jumps
    source: str = ""
    rules: tuple[int, ...] = ()  # the book's numbers of its gradient-flow rules

    def __reduce__(self) -> tuple[Callable[[str], "Primitive"], tuple[str]]:
        return lookup, (self.name,)


def primitive(name: str, formula: str, **facts: Any) -> Primitive:
    """Add a row to the table; ``facts`` are the other fields of :class:`Primitive`.

    SettingError if the name is taken or no identifier, or the domain not of one or two inputs.

    Examples
    --------
    >>> from tinygrad_edu import Value, as_function, primitive
    >>> CUBE = primitive("cube", "x^3", forward=lambda xp, x: x * x * x,
    ...                  partials=lambda xp, out, x: (3.0 * x * x,))
    >>> as_function(CUBE)(2.0)
    8.0
    """
    row = Primitive(name, formula, **facts)
    if name in TABLE or not name.isidentifier() or len(row.domain) not in (1, 2):
        raise SettingError(
            f"the row {name!r} of {len(row.domain)} inputs can't be added to the table.",
            expected=f"1 or 2 inputs, an identifier that is not one of {', '.join(TABLE)}",
            fix="choose another name; build functions of more inputs from these rows.",
        )
    return TABLE.setdefault(name, row)


def lookup(name: str) -> Primitive:
    """The row of that name, for pickles."""
    if name in TABLE:
        return TABLE[name]
    raise SettingError(f"no row is called {name!r}.", fix="import the module that adds it first.")


# fmt: off
BOOK = "Das and Varma, The Backprop Algorithm, Gradient Flow Calculus"
KINK = "slope 0 at the kink, as in PyTorch"

ADD = primitive("add", "x + y", domain=(REAL, REAL), source=BOOK, rules=(1,),
    forward=lambda xp, x, y: x + y, partials=lambda xp, out, x, y: (1.0, 1.0))
SUB = primitive("sub", "x - y", domain=(REAL, REAL), source="DLMF 1.4(iii)",
    forward=lambda xp, x, y: x - y, partials=lambda xp, out, x, y: (1.0, -1.0))
NEG = primitive("neg", "-x", source="DLMF 1.4(iii)",
    forward=lambda xp, x: -x, partials=lambda xp, out, x: (-1.0,))
MUL = primitive("mul", r"x \, y", domain=(REAL, REAL), source=BOOK, rules=(2, 3),
    forward=lambda xp, x, y: x * y, partials=lambda xp, out, x, y: (y, x))
DIV = primitive("div", r"\frac{x}{y}", domain=(REAL, NONZERO), source="DLMF 1.4(iii)",
    forward=lambda xp, x, y: xp.divide(x, y),
    partials=lambda xp, out, x, y: (xp.divide(1.0, y), -xp.divide(out, y)))

POW = primitive("pow", "x^{y}", domain=(POSITIVE, REAL), source="DLMF 4.7(ii)",
    forward=lambda xp, x, y: xp.power(x, y),
    partials=lambda xp, out, x, y: (_power_slope(xp, x, y),
        xp.where(xp.equal(x, 0.0) & (y >= 0.0), 0.0, out * xp.log(x))))
EXP = primitive("exp", "e^{x}", source="DLMF 4.7(ii)",
    forward=lambda xp, x: xp.exp(x), partials=lambda xp, out, x: (out,))
LOG = primitive("log", r"\ln x", domain=(POSITIVE,), source="DLMF 4.7(i)",
    forward=lambda xp, x: xp.log(x), partials=lambda xp, out, x: (xp.divide(1.0, x),))
SQRT = primitive("sqrt", r"\sqrt{x}", domain=(POSITIVE,), source="DLMF 4.7(ii)",
    forward=lambda xp, x: xp.sqrt(x), partials=lambda xp, out, x: (xp.divide(0.5, out),))
SIN = primitive("sin", r"\sin x", source="DLMF 4.20",
    forward=lambda xp, x: xp.sin(x), partials=lambda xp, out, x: (xp.cos(x),))
COS = primitive("cos", r"\cos x", source="DLMF 4.20",
    forward=lambda xp, x: xp.cos(x), partials=lambda xp, out, x: (-xp.sin(x),))

# 1/cosh(x)^2 and s(x) s(-x), since 1 - z^2 and z (1 - z) lose all digits where z rounds to 1
TANH = primitive("tanh", r"\tanh x", source="DLMF 4.34",
    forward=lambda xp, x: xp.tanh(x), partials=lambda xp, out, x: ((1.0 / xp.cosh(x)) ** 2,))
SIGMOID = primitive("sigmoid", r"\frac{1}{1 + e^{-x}}", source=BOOK, rules=(5,),
    forward=lambda xp, x: 1.0 / (1.0 + xp.exp(-x)),
    partials=lambda xp, out, x: (out / (1.0 + xp.exp(x)),))
SOFTPLUS = primitive("softplus", r"\ln(1 + e^{x})", source="Dugas et al. 2001, section 3",
    forward=lambda xp, x: xp.maximum(x, 0.0) + xp.log1p(xp.exp(-xp.abs(x))),
    partials=lambda xp, out, x: (1.0 / (1.0 + xp.exp(-x)),))

RELU = primitive("relu", r"\max(x, 0)", kinks=(0.0,), source=KINK,
    forward=lambda xp, x: xp.maximum(x, 0.0),
    partials=lambda xp, out, x: (xp.where(x > 0.0, 1.0, 0.0),))
ABS = primitive("abs", "|x|", kinks=(0.0,), source=KINK,
    forward=lambda xp, x: xp.abs(x),
    partials=lambda xp, out, x: (xp.where(x > 0.0, 1.0, xp.where(x < 0.0, -1.0, 0.0)),))
MAXIMUM = primitive("maximum", r"\max(x, y)", domain=(REAL, REAL), kinks=(0.0,), source=BOOK,
    forward=lambda xp, x, y: xp.maximum(x, y), rules=(4,),
    partials=lambda xp, out, x, y: (_share(xp, x, y), _share(xp, y, x)))
MINIMUM = primitive("minimum", r"\min(x, y)", domain=(REAL, REAL), kinks=(0.0,), source=BOOK,
    forward=lambda xp, x, y: xp.minimum(x, y),
    partials=lambda xp, out, x, y: (_share(xp, y, x), _share(xp, x, y)))
# fmt: on


def _share(xp: Any, mine: Any, other: Any) -> Any:
    """All to the larger; half each at a tie, so that max(a, a) hands a the whole gradient."""
    return xp.where(mine > other, 1.0, xp.where(mine < other, 0.0, 0.5))


def _power_slope(xp: Any, x: Any, y: Any) -> Any:
    """y x^(y - 1), and 0 where y is 0, even at x = 0, as in PyTorch."""
    slope = y * xp.power(x, y - 1.0)
    return xp.where(xp.equal(slope, slope), slope, xp.where(xp.equal(y, 0.0), 0.0, slope))
