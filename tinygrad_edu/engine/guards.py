"""What keeps a learner from getting it wrong: the base class of Value, and the engine's refusals.

Nothing here changes a number. Value itself, in ``value.py``, is short because this file holds what
compares, prints, copies, pickles and refuses.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from decimal import Decimal
from numbers import Complex, Real
from typing import Any, Final, Literal, NoReturn, TypeAlias

from tinygrad_edu.engine import copying, ieee
from tinygrad_edu.engine.context import here
from tinygrad_edu.engine.errors import LengthError, OperandError, SettingError, StaleGraphError

INF = float("inf")
Number: TypeAlias = float | Real | Decimal  # int, bool, Fraction and NumPy scalars are Real
FROZEN: Final = "frozen"  # what ``constant`` is of a parameter that its module has frozen
Kind: TypeAlias = Literal["operation", "constant", "leaf"]


def _comparison(
    compare: Callable[[float, float], bool], reflection: str
) -> Callable[[Guarded, Any], bool]:
    """Make a comparison of data; a watcher may refuse it, since Python code may branch on it."""

    def method(self: Guarded, other: Any) -> bool:
        if not isinstance(other, Guarded) and answers(other, reflection):
            return NotImplemented  # type: ignore[no-any-return]
        for watcher in here().watchers:
            watcher.compared(self)
        return compare(self._data, other._data if isinstance(other, Guarded) else real(other))

    return method


class Guarded:
    """The base class of Value: it compares, prints, copies, pickles and refuses."""

    __slots__ = ("_data", "_grad", "_label")  # assigned by the properties below, which check
    __array_ufunc__ = None  # so that NumPy leaves np.float64(2) * v to v

    _data: float
    _grad: float
    _label: str
    constant: bool | Literal["frozen"]
    op: Any

    @property
    def data(self) -> float:
        """Return the number; any real number may be assigned, and is kept as a float."""
        return self._data

    @data.setter
    def data(self, x: Number) -> None:
        self._data = real(x)

    @property
    def grad(self) -> float:
        """Return the gradient; any real number may be assigned, and is kept as a float."""
        return self._grad

    @grad.setter
    def grad(self, x: Number) -> None:
        self._grad = real(x)

    @property
    def label(self) -> str:
        """Return the name shown in figures and errors; only text may be assigned."""
        return self._label

    @label.setter
    def label(self, label: str) -> None:
        self._label = text(label)

    @property
    def kind(self) -> Kind:
        """Tell what the value is in its graph: "operation", "constant" or "leaf"."""
        return "operation" if self.op else "constant" if self.constant else "leaf"

    __lt__ = _comparison(operator.lt, "__gt__")
    __le__ = _comparison(operator.le, "__ge__")
    __gt__ = _comparison(operator.gt, "__lt__")
    __ge__ = _comparison(operator.ge, "__le__")

    def __pos__(self) -> Any:
        return self

    def _lost(self) -> NoReturn:
        """Refuse to turn a Value into a plain number behind the reader's back."""
        raise OperandError(
            f"{self!r} was used where Python wants a plain number.",
            where="float(v), int(v), bool(v), math.exp(v): each would lose the graph silently",
            fix="write v.data for the number; v.exp() and tinygrad_edu.exp(v) stay in the graph.",
        )

    __float__ = __int__ = __bool__ = __complex__ = _lost

    def __repr__(self) -> str:
        state = {True: ", constant", FROZEN: ", frozen"}.get(self.constant, "")
        kind = f", op={self.op.name}" if self.op else state
        label = f", label={self.label!r}" if self.label else ""
        return f"Value({self.data:.6g}, grad={self.grad:.6g}{kind}{label})"

    def item(self) -> float:
        """Return the number as a float, as in NumPy and PyTorch."""
        return self.data

    def __format__(self, spec: str) -> str:
        return format(self.data, spec) if spec else repr(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return copying.deepcopy(self, memo)

    def __reduce__(self) -> Any:
        return copying.reduce(self)


_FIXES = {
    "str": "convert the text first: Value(float(text)).",
    "NoneType": "look for a function that forgot to return its result.",
    "complex": "work with the real and the imaginary part as two Values.",
    "Value": "use the Value itself; .data is its number, .detach() a constant copy.",
    "MaskedConstant": "fill in what is masked, for example x.filled(0.0), or leave it out.",
    "datetime64": "subtract a date, and divide by a unit: (x - start) / np.timedelta64(1, 's').",
    "timedelta64": "divide by a unit of time: Value(x / np.timedelta64(1, 's')).",
}


def real(x: Any) -> float:
    """Return any real number as a float.

    It may be of any type that :func:`scalar` finds a number in; a Value is not a plain number.
    """
    if type(x) is float:
        return x
    number = scalar(x)
    name = type(number).__name__
    if isinstance(number, Real | Decimal) and name != "timedelta64":  # to NumPy a whole number
        try:
            result = float(number)
            if abs(result) != INF or number == result:
                return result
        except (OverflowError, ValueError):
            pass
        raise OperandError(
            f"{_shown(x)} cannot be stored as a float: it overflows, or it is a signaling NaN.",
            expected="a number up to 1.8e308, or inf or nan",
            fix="rescale it first, for example divide by the largest of your numbers.",
        )
    name = "complex" if isinstance(number, Complex) and name != "timedelta64" else name
    raise OperandError(
        f"expected a real number, got {type(x).__name__}: {_shown(x)}.",
        expected="int, float, bool, Fraction, Decimal, NumPy scalar, array or tensor without "
        "dimensions (or, in arithmetic, a Value)",
        fix=_FIXES.get(name, "make one Value of each number in it: [Value(x) for x in xs]."),
    )


def scalar(x: Any) -> Any:
    """Return the number of Python's in x: in a NumPy scalar, or an array or tensor of no dimension.

    Else in an object that says itself that it is one, by ``__index__`` or ``__float__``. What is
    not a real number is returned as it is.
    """
    if isinstance(x, int | float):
        return x
    try:
        if getattr(x, "shape", None) == ():
            dated = getattr(x.dtype, "kind", "") in ("M", "m")  # .item() of some dates is an int
            return x if dated or getattr(x, "mask", False) else x.item()
        if isinstance(x, Complex | Decimal | Guarded) or hasattr(x, "shape"):
            return x
        if hasattr(type(x), "__index__"):
            return operator.index(x)
        return float(x) if hasattr(type(x), "__float__") else x
    except Exception:  # such an object may refuse in any way: a tracer of JAX, a symbol of SymPy
        return x


def answers(x: Any, method: str) -> bool:
    """Check that Python should ask the object of another library: it has the reflected method."""
    kind = type(x)
    if kind.__module__ == "builtins" or getattr(kind, method, None) is getattr(
        object, method, None
    ):
        return False
    number = isinstance(x, Real | Decimal | Guarded) or getattr(x, "shape", None) == ()
    return not number and kind.__module__.partition(".")[0] != "numpy"


def text(label: Any) -> str:
    """Return a label as a string of Python's: NumPy's, and an enum of strings, are others."""
    if isinstance(label, str):
        return str.__str__(label)
    raise SettingError(
        f"label is {_shown(label)}.",
        expected="text",
        fix=f"pass text, for example label={str(label)[:20]!r}.",
    )


def no_leaves(root: Any) -> NoReturn:
    """Refuse a backward pass that would reach nothing."""
    raise LengthError(
        f"there is nothing to differentiate {describe(root)} = {root.data:.6g} by: "
        "it was computed from constants alone.",
        where="plain numbers in arithmetic, v.detach() and frozen parameters are constants",
        fix='make a Value of the number that may change: Value(2.0, "w").',
    )


def is_bool(x: object) -> bool:
    """Recognize Python's and NumPy's booleans; NumPy's are neither bool nor Real."""
    return type(x).__name__ in ("bool", "bool_")


def _shown(x: object) -> str:
    """Return the beginning of ``repr(x)``; Python refuses to print integers that are too long."""
    try:
        return f"{x!r:.60}"
    except ValueError:
        return f"this {type(x).__name__}"


def local_partials(node: Any) -> tuple[float, ...]:
    """Return the local derivatives of an operation at the recorded numbers, one per input."""
    partials: tuple[float, ...] = node.op.partials(ieee, node.data, *[v.data for v in node.inputs])
    return partials


def outdated(node: Any) -> float | None:
    """Recompute a node from its inputs; return the new value if it differs from the recorded one.

    Then data was changed after the graph was built: of an input, or of the node itself.
    """
    if node.op is None:
        return None
    again: float = node.op.forward(ieee, *[v.data for v in node.inputs])
    same = again == node.data or (again != again and node.data != node.data)
    return None if same else again


def stale(order: Sequence[Any]) -> NoReturn:
    """Name the first node whose recorded value is not what its inputs give now."""
    changed = ((v, now) for v in order if (now := outdated(v)) is not None)
    node, again = next(changed, (order[-1], order[-1].data))
    inputs = " and ".join(f"{describe(v)} = {v.data:.6g}" for v in node.inputs)
    raise StaleGraphError(
        f"{describe(node)} was {node.data:.6g} when this graph was built, "
        f"but its input{'s' * (len(node.inputs) > 1)} {inputs} now give {again:.6g}.",
        where="the data of one of them was changed after the forward pass",
        fix="compute the loss again after changing a value, then call backward().",
    )


def describe(node: Any) -> str:
    """Return the label of a node, else what it is."""
    return str(node.label or (node.op.name if node.op else node.kind))
