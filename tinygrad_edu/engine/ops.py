"""The table of primitives: every derivative of this package is written here, once.

A row says what a primitive computes (``forward``) and its local derivatives (``partials``: one for
each input; they may use the output). ``xp`` is the namespace that the mathematics comes from:
``ieee`` for floats, mpmath for many digits, or symbols, which make code for arrays, formulas, and
the graphs of higher derivatives. So a row never branches with ``if``: it uses ``xp.where`` and
``xp.maximum``, which all of them have. Conditions are joined by ``&``, ``|`` and ``^``, and count
as 0 or 1 in arithmetic.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

from tinygrad_edu.engine.errors import OperandError, SettingError

INF = float("inf")
Domain: TypeAlias = tuple[tuple[float, float], ...]  # open intervals
REAL: Domain = ((-INF, INF),)
POSITIVE: Domain = ((0.0, INF),)
NONZERO: Domain = ((-INF, 0.0), (0.0, INF))
TABLE: dict[str, "Primitive"] = {}  # the rules
INNER: dict[str, "Primitive"] = {}  # rows that the rules and the losses are made of, at the end


class _Nothing(float):
    """A slope of 0 that gives 0 times infinity, too: no gradient flows, whatever arrives."""

    __slots__ = ()

    def __mul__(self, other: Any) -> float:
        return 0.0

    __rmul__ = __mul__


NOTHING = _Nothing()  # the slope of the branch that a choice did not take


@dataclass(frozen=True, slots=True, eq=False)
class Primitive:
    """One row of the table; :func:`primitive` makes it and adds it."""

    name: str
    formula: str  # LaTeX, in x and y
    forward: Callable[..., Any]  # (xp, x) or (xp, x, y) -> out
    partials: Callable[..., tuple[Any, ...]]  # (xp, out, x) -> (d out/dx,)
    domain: tuple[Domain, ...] = (REAL,)  # of each input: where out has a slope, but for the kinks
    kinks: tuple[float, ...] = ()  # values of x (of x - y, with two inputs) where the slope jumps
    sign: str = ""  # how figures write it, where that is not its name
    slope: str = ""  # the row that is its slope, where partials can't be differentiated as written

    @property
    def arity(self) -> int:
        """Count the inputs."""
        return len(self.domain)

    def no_number(self, what: str, inputs: Iterable[float], error: Exception) -> OperandError:
        """Make the error for a row whose value or slopes Python can't compute."""
        return OperandError(
            f"the row {self.name} has no {what} at {', '.join(map(str, inputs))}: {error}.",
            fix="write xp.divide(x, y), xp.power(x, y) and xp.log(x), not x / y, x ** y and "
            "math.log(x): they give inf or nan there.",
        )

    def __reduce__(self) -> tuple[Callable[[str], "Primitive"], tuple[str]]:
        if lookup(self.name) is not self:
            raise SettingError(
                f"the row {self.name!r} can't be pickled: the table has another row of that name.",
                fix="add it to the table under a name of its own: primitive('my_row', ...).",
            )
        return lookup, (self.name,)


def primitive(name: str, formula: str, **fields: Any) -> Primitive:
    """Add a row to the table.

    Parameters
    ----------
    name : str, an identifier that no other row has
    formula : str, LaTeX in x and y
    fields : the other fields of :class:`Primitive`; ``forward`` and ``partials`` are required

    Raises
    ------
    SettingError
        If the name is already used or is not an identifier, or if the row has neither one nor two
        inputs.

    Notes
    -----
    Write rows with operators and the functions of ``xp``: abs, cos, cosh, divide, equal, exp, log,
    log1p, maximum, minimum, not_equal, power, sin, sqrt, tanh and where. Then the same row runs on
    Values, compiles to arrays, and has derivatives of any order. A row that uses ``math`` or ``if``
    runs on Values alone. In arithmetic, a condition such as ``x > 0.0`` is 1 or 0.

    Examples
    --------
    >>> from tinygrad_edu import Value, as_function, primitive
    >>> CUBE = primitive("cube", "x^3", forward=lambda xp, x: x * x * x,
    ...                  partials=lambda xp, out, x: (3.0 * x * x,))
    >>> as_function(CUBE)(2.0)
    8.0
    """
    row = Primitive(name, formula, **fields)
    if name in TABLE or not name.isidentifier() or row.arity not in (1, 2):
        raise SettingError(
            f"the row {name!r} of {row.arity} inputs can't be added to the table.",
            expected=f"1 or 2 inputs, and an identifier other than {', '.join(TABLE)}",
            fix="choose another name; write a function of more inputs with several rows.",
        )
    return TABLE.setdefault(name, row)


def lookup(name: str) -> Primitive:
    """Return the row of that name, for pickles."""
    if row := TABLE.get(name) or INNER.get(name):
        return row
    raise SettingError(
        f"the table has no row called {name!r}.",
        fix=f"import the module that calls primitive({name!r}, ...) before you load the file.",
    )


# The gradient-flow rules of Das and Varma, The Backprop Algorithm, "Gradient Flow Calculus": add,
# multiply (by a value, by a constant), max, sigmoid. The others: NIST Digital Library of
# Mathematical Functions (DLMF), sections 1.4(iii), 4.7, 4.20 and 4.34.

ADD = primitive(
    "add",
    "x + y",
    sign="+",
    domain=(REAL, REAL),
    forward=lambda xp, x, y: x + y,
    partials=lambda xp, out, x, y: (1.0, 1.0),
)
SUB = primitive(
    "sub",
    "x - y",
    sign="−",
    domain=(REAL, REAL),
    forward=lambda xp, x, y: x - y,
    partials=lambda xp, out, x, y: (1.0, -1.0),
)
NEG = primitive(
    "neg",
    "-x",
    sign="−",
    forward=lambda xp, x: -x,
    partials=lambda xp, out, x: (-1.0,),
)
MUL = primitive(
    "mul",
    r"x \, y",
    sign="×",
    domain=(REAL, REAL),
    forward=lambda xp, x, y: x * y,
    partials=lambda xp, out, x, y: (y, x),
)
DIV = primitive(
    "div",
    r"\frac{x}{y}",
    sign="÷",
    domain=(REAL, NONZERO),
    forward=lambda xp, x, y: xp.divide(x, y),
    partials=lambda xp, out, x, y: (xp.divide(1.0, y), -xp.divide(out, y)),
)
POW = primitive(
    "pow",
    "x^{y}",
    sign="^",
    domain=(POSITIVE, REAL),
    forward=lambda xp, x, y: xp.power(x, y),
    partials=lambda xp, out, x, y: (_power_slope(xp, x, y), _exponent_slope(xp, out, x, y)),
)

EXP = primitive(
    "exp",
    "e^{x}",
    forward=lambda xp, x: xp.exp(x),
    partials=lambda xp, out, x: (out,),
)
LOG = primitive(
    "log",
    r"\ln x",
    domain=(POSITIVE,),
    forward=lambda xp, x: xp.log(x),
    partials=lambda xp, out, x: (xp.divide(1.0, x),),
)
SQRT = primitive(
    "sqrt",
    r"\sqrt{x}",
    sign="√",
    domain=(POSITIVE,),
    forward=lambda xp, x: xp.sqrt(x),
    partials=lambda xp, out, x: (xp.divide(0.5, out),),
)
SIN = primitive(
    "sin",
    r"\sin x",
    forward=lambda xp, x: xp.sin(x),
    partials=lambda xp, out, x: (xp.cos(x),),
)
COS = primitive(
    "cos",
    r"\cos x",
    forward=lambda xp, x: xp.cos(x),
    partials=lambda xp, out, x: (-xp.sin(x),),
)

# tanh' is 1/cosh(x)^2 and sigmoid' is s(x) s(-x): the usual formulas, 1 - z^2 and z (1 - z), lose
# all digits where z rounds to 1. Their slopes are rows, too: see the end of the file
TANH = primitive(
    "tanh",
    r"\tanh x",
    slope="tanh_slope",
    forward=lambda xp, x: xp.tanh(x),
    partials=lambda xp, out, x: ((1.0 / xp.cosh(x)) ** 2,),
)
SIGMOID = primitive(
    "sigmoid",
    r"\frac{1}{1 + e^{-x}}",
    sign="σ",
    slope="sigmoid_slope",
    forward=lambda xp, x: 1.0 / (1.0 + xp.exp(-x)),
    partials=lambda xp, out, x: (out / (1.0 + xp.exp(x)),),
)
SOFTPLUS = primitive(  # Dugas et al., Incorporating second-order functional knowledge, 2001, sec. 3
    "softplus",
    r"\ln(1 + e^{x})",
    slope="sigmoid",
    forward=lambda xp, x: xp.maximum(x, 0.0) + xp.log1p(xp.exp(-xp.abs(x))),
    partials=lambda xp, out, x: (SIGMOID.forward(xp, x),),
)

# At a kink the slope chosen is 0, the convention PyTorch uses. Through the branch that a choice
# did not take NOTHING flows; the slope of |x| at 0 is a number like others.
RELU = primitive(
    "relu",
    r"\max(x, 0)",
    kinks=(0.0,),
    forward=lambda xp, x: xp.maximum(x, 0.0),
    partials=lambda xp, out, x: (xp.where(x > 0.0, 1.0, NOTHING),),
)
ABS = primitive(
    "abs",
    "|x|",
    sign="|·|",
    kinks=(0.0,),
    forward=lambda xp, x: xp.abs(x),
    partials=lambda xp, out, x: (xp.where(x > 0.0, 1.0, xp.where(x < 0.0, -1.0, 0.0)),),
)
MAXIMUM = primitive(
    "maximum",
    r"\max(x, y)",
    sign="max",
    domain=(REAL, REAL),
    kinks=(0.0,),
    forward=lambda xp, x, y: xp.maximum(x, y),
    partials=lambda xp, out, x, y: (_share(xp, x, y), _share(xp, y, x)),
)
MINIMUM = primitive(
    "minimum",
    r"\min(x, y)",
    sign="min",
    domain=(REAL, REAL),
    kinks=(0.0,),
    forward=lambda xp, x, y: xp.minimum(x, y),
    partials=lambda xp, out, x, y: (_share(xp, y, x), _share(xp, x, y)),
)


def _share(xp: Any, mine: Any, other: Any) -> Any:
    """Give all to the larger, and half to each at a tie: max(a, a) then hands a the whole."""
    return xp.where(mine > other, 1.0, xp.where(mine < other, NOTHING, 0.5))


def _power_slope(xp: Any, x: Any, y: Any) -> Any:
    """Compute y x^(y - 1), which is 0 where y is 0, even at x = 0, as in PyTorch.

    There x^(y - 1), or a derivative of it, may be infinite next to x = 0, so 1 takes its place.
    """
    harmless = xp.where(xp.abs(x) > 1e-100, x, 1.0)
    return y * xp.power(xp.where(xp.equal(y, 0.0), harmless, x), y - 1.0)


def _exponent_slope(xp: Any, out: Any, x: Any, y: Any) -> Any:
    """Compute x^y ln x, which is 0 at x = 0 for y >= 0, as in PyTorch."""
    return xp.where(xp.equal(x, 0.0) & (y >= 0.0), NOTHING, out * xp.log(x))


# Rows inside: they are found by their names, for pickles, but stand in no list of rules.


def _inner(name: str, formula: str, **fields: Any) -> Primitive:
    """Make such a row."""
    return INNER.setdefault(name, Primitive(name, formula, **fields))


# The slopes of tanh and sigmoid as rows of their own. Differentiated as it is written above, s(x)
# s(-x) would be 0 times inf far out, and the difference of two equal numbers near 0.

TANH_SLOPE = _inner(
    "tanh_slope",
    r"\tanh'(x)",
    forward=lambda xp, x: TANH.partials(xp, xp.tanh(x), x)[0],
    partials=lambda xp, out, x: (-2.0 * out * xp.tanh(x),),
)
SIGMOID_SLOPE = _inner(
    "sigmoid_slope",
    r"\sigma'(x)",
    forward=lambda xp, x: SIGMOID.partials(xp, SIGMOID.forward(xp, x), x)[0],
    partials=lambda xp, out, x: (-out * xp.tanh(0.5 * x),),
)

# A choice, as operations of a graph: conditions are 1 or 0, and a gate lets a number through or 0.

GREATER = _inner(
    "greater",
    "[x > y]",
    sign=">",
    domain=(REAL, REAL),
    kinks=(0.0,),
    forward=lambda xp, x, y: xp.where(x > y, 1.0, 0.0),
    partials=lambda xp, out, x, y: (NOTHING, NOTHING),
)
GREATER_EQUAL = _inner(
    "greater_equal",
    r"[x \ge y]",
    sign="≥",
    domain=(REAL, REAL),
    kinks=(0.0,),
    forward=lambda xp, x, y: xp.where(x >= y, 1.0, 0.0),
    partials=lambda xp, out, x, y: (NOTHING, NOTHING),
)
GATE = _inner(
    "gate",
    "[x > 0] y",
    sign="if",
    domain=(NONZERO, REAL),
    forward=lambda xp, x, y: xp.where(x > 0.0, y, 0.0),
    partials=lambda xp, out, x, y: (NOTHING, xp.where(x > 0.0, 1.0, NOTHING)),
)

# The logarithm of a sum of exponentials, and the share of each in the sum: the softmax of many.

SOFTMAX = _inner(
    "softmax",
    "e^{x - y}",
    domain=(REAL, REAL),
    forward=lambda xp, x, y: xp.exp(x - y),
    partials=lambda xp, out, x, y: (out, -out),
)
LOGADDEXP = _inner(
    "logaddexp",
    r"\ln(e^{x} + e^{y})",
    domain=(REAL, REAL),
    forward=lambda xp, x, y: xp.maximum(x, y) + xp.log1p(xp.exp(-xp.abs(x - y))),
    partials=lambda xp, out, x, y: (SOFTMAX.forward(xp, x, out), SOFTMAX.forward(xp, y, out)),
)

STOP_GRADIENT = _inner(  # it refuses a derivative, as JAX's lax.stop_gradient does
    "stop_gradient",
    "x",
    forward=lambda xp, x: x,
    partials=lambda xp, out, x: (NOTHING,),
)
BUILT_IN = frozenset((*TABLE.values(), *INNER.values()))  # on floats they give floats, always
