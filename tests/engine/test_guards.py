"""What may be an operand, what is refused, and in which words."""

import datetime
import math
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from functools import partial

import numpy as np
import pytest

from tinygrad_edu import Value
from tinygrad_edu.engine.errors import LengthError, OperandError, SettingError

INF, NAN = math.inf, math.nan
REAL_NUMBERS = [
    *(2, -7, 0, 2.5, -0.0, INF, NAN, 5e-324, True, False, 2**1023, Fraction(1, 3), Decimal("0.1")),
    *(np.float64(0.1), np.float32(0.1), np.float16(0.1), np.longdouble(0.5), np.int8(-3)),
    *(np.uint64(2**63), np.bool_(True), np.array(3, np.uint8), np.array(0.1), np.array(True)),
]
# what no float can hold, and how the refusal shows it
UNSTORABLE = [
    *((10**400, "10000"), (-(10**400), "-10000"), (Fraction(10**400, 3), "10000")),
    *((Decimal("1e400"), "1E\\+400"), (Decimal("-1e400"), "-1E\\+400"), (Decimal("sNaN"), "sNaN")),
    (10**5000, "this int"),
]
if np.finfo(np.longdouble).maxexp > 1024:
    UNSTORABLE.append((np.longdouble("1e400"), "1e\\+400"))
# what each refused operand is, and a word of the advice given
REFUSED = [
    ("1.5", "str", "float(text)"),
    (None, "NoneType", "forgot to return"),
    (1 + 2j, "complex", "imaginary part"),
    (np.complex128(1 + 2j), "complex128", "imaginary part"),
    ([1.0, 2.0], "list", "for x in xs"),
    ((1.0,), "tuple", "for x in xs"),
    (np.array([1.0, 2.0]), "ndarray", "for x in xs"),
    (np.array([[1.0]]), "ndarray", "for x in xs"),
    (np.array(1j), "ndarray", "imaginary part"),
    (np.array("1"), "ndarray", "float(text)"),
    (np.array(None), "ndarray", "forgot to return"),
    (np.array(Value(2.0), dtype=object), "ndarray", "the Value itself"),
    (np.datetime64("2026-01-01", "ns"), "datetime64", "divide by a unit"),
    (np.datetime64("NaT", "D"), "datetime64", "divide by a unit"),
    (np.timedelta64(3, "ns"), "timedelta64", "divide by a unit"),
    (np.timedelta64(3, "s"), "timedelta64", "divide by a unit"),
    (object(), "object", "for x in xs"),
]
NOT_NUMBERS = pytest.mark.parametrize(("x", "kind", "advice"), REFUSED, ids=lambda p: repr(p)[:20])


class Colour(Enum):
    """Not text."""

    RED = 1


class Word(str, Enum):
    """Text of a kind."""

    W = "w"


class Whole:
    """Says of itself that it is a whole number."""

    def __index__(self):
        return 7

    def __repr__(self):
        return "seven"  # in the name of a test, the same in every process


class Measured:
    """Says of itself that it can be read as a float."""

    def __float__(self):
        return 0.1

    def __repr__(self):
        return "a tenth"


class Symbol(Measured):
    """Says so, and is not."""

    def __float__(self):
        raise ValueError("x has no number")


class Polite:
    """Knows what to do with a Value, on either side of it and in every comparison."""

    def answer(self, other):
        """Show that it was asked."""
        return "asked"

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = answer
    __truediv__ = __rtruediv__ = __pow__ = __rpow__ = __lt__ = __le__ = __gt__ = __ge__ = answer


def bits(x):
    """The exact number, its sign of zero, and whether it is nan."""
    assert type(x) is float
    return x.hex()


@pytest.mark.parametrize("x", REAL_NUMBERS, ids=repr)
def test_any_real_number_becomes_a_python_float(x):
    """Alone, or wrapped by arithmetic, the number is what float() makes of it."""
    expected = bits(float(x))

    assert bits(Value(x).data) == expected
    assert bits((Value(1.0) - x).inputs[1].data) == expected
    assert bits((x - Value(1.0)).inputs[0].data) == expected


@pytest.mark.parametrize("x", [*REAL_NUMBERS, Whole(), Measured()], ids=repr)
@pytest.mark.parametrize("attribute", ["data", "grad"])
def test_any_real_number_that_is_assigned_becomes_a_python_float(attribute, x):
    """Also when it comes later: NumPy's small integers would go round in what is computed next."""
    v = Value(0.0)

    setattr(v, attribute, x)

    assert bits(getattr(v, attribute)) == bits(Value(x).data)


def test_small_integers_that_are_assigned_do_not_go_round():
    """100 - 200 is 156 in eight bits."""
    a, b = Value(0.0), Value(0.0)

    a.data, b.data = np.array([100, 200], np.uint8)

    assert ((a - b) ** 2).data == 10_000.0


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float16", "float64", "bool"])
def test_a_tensor_without_dimensions_is_a_number(dtype):
    """PyTorch's, on either side; one that needs a gradient, too, without a warning."""
    torch = pytest.importorskip("torch")
    number = torch.tensor(1, dtype=getattr(torch, dtype))

    assert bits(Value(number).data) == bits(1.0)
    assert ((Value(1.0) + number).data, (number + Value(1.0)).data) == (2.0, 2.0)
    assert Value(torch.tensor(2.0, requires_grad=True)).data == 2.0


def test_an_item_is_the_number():
    """As in NumPy and PyTorch: a float, of a leaf and of a result."""
    v = Value(np.float32(0.5))

    assert (bits(v.item()), bits((v * 3).item())) == (bits(0.5), bits(1.5))


@pytest.mark.promise(name="operands")
@NOT_NUMBERS
def test_what_is_not_a_number_is_refused_at_construction(x, kind, advice):
    """A TypeError says what came, and the last line what to write instead."""
    v = Value(2.0)
    for take in (Value, partial(setattr, v, "data"), partial(setattr, v, "grad"), v.maximum, v.add):
        with pytest.raises(TypeError, match=f"^expected a real number, got {kind}: ") as caught:
            take(x)

        assert isinstance(caught.value, OperandError)
        last_line = str(caught.value).splitlines()[-1]
        assert last_line.lstrip().startswith("Fix ")
        assert advice in last_line
    assert (v.data, v.grad) == (2.0, 0.0)


@pytest.mark.parametrize("x", [np.ma.masked, np.ma.array(3.0, mask=True), Symbol(), b"1", {1: 2}])
def test_what_only_looks_like_a_number_is_refused(x):
    """NumPy makes nan or 0.0 of what is masked; an object may refuse to be read as a float."""
    for take in (Value, Value(2.0).mul):
        with pytest.raises(OperandError, match=r"^expected a real number"):
            take(x)


@pytest.mark.parametrize("sign", ["+", "-", "*", "/", "**", "<", "<=", ">", ">="])
def test_an_object_of_another_library_is_asked(sign):
    """Python asks the other operand's method where ours returns NotImplemented."""
    for text in (f"v {sign} x", f"x {sign} v"):
        assert eval(text, {"v": Value(2.0), "x": Polite()}) == "asked"


@pytest.mark.parametrize("method", ["add", "sub", "mul", "div", "pow", "maximum", "min"])
def test_a_method_asks_nobody(method):
    """v.add(x) has no other operand to ask, and never returns NotImplemented."""
    with pytest.raises(OperandError, match="got Polite"):
        getattr(Value(2.0), method)(Polite())


def test_an_object_that_does_not_know_values_is_refused():
    """In words, or by Python where the object was asked in vain."""
    with pytest.raises(OperandError, match="got Symbol"):
        Value(1.0) + Symbol()
    with pytest.raises(TypeError, match="unsupported operand"):
        Value(1.0) + datetime.timedelta(1)


@pytest.mark.parametrize("x", REAL_NUMBERS, ids=repr)
def test_comparisons_take_the_numbers_that_arithmetic_takes(x):
    """On either side."""
    assert (Value(2.0) < x) is (float(x) > 2.0)
    assert (x < Value(2.0)) is (float(x) < 2.0)


@pytest.mark.promise(name="operands")
def test_a_value_of_a_value_is_refused():
    """Value(v) might mean v or a copy: the advice names both."""
    with pytest.raises(OperandError, match=r"got Value: Value\(2, grad=0\)") as caught:
        Value(Value(2.0))

    assert "detach" in str(caught.value)


@pytest.mark.promise(name="operands")
@NOT_NUMBERS
@pytest.mark.parametrize("sign", ["+", "-", "*", "/", "**", "<", "<=", ">", ">="])
def test_what_is_not_a_number_is_refused_by_operators(sign, x, kind, advice):
    """On either side, with the same words."""
    for text in (f"v {sign} x", f"x {sign} v"):
        with pytest.raises(OperandError, match=f"^expected a real number, got {kind}: "):
            eval(text, {"v": Value(2.0), "x": x})


@pytest.mark.promise(name="operands")
@pytest.mark.parametrize(("x", "shown"), UNSTORABLE, ids=lambda p: str(type(p)))
def test_a_number_that_no_float_can_hold_is_refused(x, shown):
    """Too large, though float() makes some of them inf; too long to be printed; a signaling nan."""
    for use in (Value, lambda x: Value(1.0) + x, partial(setattr, Value(0.0), "data")):
        with pytest.raises(OperandError, match=f"{shown}.* cannot be stored as a float") as caught:
            use(x)

        assert "1.8e308" in str(caught.value)


@pytest.mark.promise(name="operands")
@pytest.mark.parametrize(
    "use",
    [
        *(float, int, bool, complex, math.exp, math.sqrt, math.floor, math.isnan),
        lambda v: 1 if v else 0,
        lambda v: not v,
        lambda v: np.array([v, v], dtype=float),
        lambda v: np.full(3, 0.0).fill(v),
    ],
)
def test_a_value_used_as_a_plain_number_is_refused(use):
    """Where Python would drop the graph silently: the advice names .data and .exp()."""
    with pytest.raises(OperandError, match=r"^Value\(2, grad=0, label='w'\) was used") as caught:
        use(Value(2.0, "w"))

    assert "v.data" in str(caught.value)
    assert "v.exp()" in str(caught.value)


@pytest.mark.promise(name="operands")
@pytest.mark.parametrize("use", [np.sin, np.exp, lambda v: np.add(v, 1.0)])
def test_numpy_functions_of_values_are_refused(use):
    """A ufunc would look for a method of that name, or give an array of objects."""
    with pytest.raises(TypeError, match="'Value' does not support ufuncs"):
        use(Value(1.0))


@pytest.mark.parametrize("label", [5, None, b"w", 2.5, ["w"], Colour.RED])
def test_a_label_that_is_not_text_is_refused(label):
    """Where it is given, and where it is assigned; figures and files need text."""
    v = Value(2.0, "w")
    takes = [partial(Value, 1.0), partial(setattr, v, "label")]

    for take in takes:
        with pytest.raises(SettingError, match=r"^label is (.*\n)+.*text(.*\n)+.*label="):
            take(label)
    assert v.label == "w"


@pytest.mark.parametrize("label", [np.str_("w"), Word.W])
def test_a_label_is_kept_as_a_string_of_python(label):
    """NumPy's strings and those of an enum print otherwise."""
    v = Value(2.0, label)

    assert (type(v.label), v.label, repr(v)) == (str, "w", "Value(2, grad=0, label='w')")


@pytest.mark.parametrize("root", [Value(2.0).detach(), Value(2.0).detach() * 3.0], ids=repr)
def test_a_graph_of_constants_has_nothing_to_differentiate_by(root):
    """backward would reach nothing, and say nothing."""
    with pytest.raises(
        LengthError, match=r"^there is nothing to differentiate .* by: .* constants"
    ):
        root.backward()
