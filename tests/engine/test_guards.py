"""What may be an operand, what is refused, and in which words."""

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from tinygrad_edu import Value
from tinygrad_edu.engine.errors import OperandError

INF, NAN = math.inf, math.nan
REAL_NUMBERS = [
    *(2, -7, 0, 2.5, -0.0, INF, NAN, 5e-324, True, False, 2**1023, Fraction(1, 3), Decimal("0.1")),
    *(np.float64(0.1), np.float32(0.1), np.float16(0.1), np.longdouble(0.5), np.int8(-3)),
    *(np.uint64(2**63), np.bool_(True)),
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
    (np.array(1.0), "ndarray", "for x in xs"),
    (object(), "object", "for x in xs"),
]
NOT_NUMBERS = pytest.mark.parametrize(("x", "kind", "advice"), REFUSED, ids=lambda p: repr(p)[:20])


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


@pytest.mark.promise(name="operands")
@NOT_NUMBERS
def test_what_is_not_a_number_is_refused_at_construction(x, kind, advice):
    """A TypeError says what came, and the last line what to write instead."""
    with pytest.raises(TypeError, match=f"^expected a real number, got {kind}: ") as caught:
        Value(x)

    assert isinstance(caught.value, OperandError)
    last_line = str(caught.value).splitlines()[-1]
    assert last_line.lstrip().startswith("Fix ")
    assert advice in last_line


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
    for use in (Value, lambda x: Value(1.0) + x):
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
