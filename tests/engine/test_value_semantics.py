"""The decisions: what may be a Value, what is refused and in which words, what arithmetic gives.

Each test is a row of the table of semantics in the design. Interrupts and the traps of stale and
shared graphs have files of their own.
"""

import math
import threading
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

import tinygrad_edu
from tinygrad_edu import Value
from tinygrad_edu.engine.errors import OperandError, TinygradEduError

INF, NAN = math.inf, math.nan
REAL_NUMBERS = [
    *(2, -7, 0, 2.5, -0.0, INF, NAN, 5e-324, True, False, 2**1023, Fraction(1, 3), Decimal("0.1")),
    *(np.float64(0.1), np.float32(0.1), np.float16(0.1), np.longdouble(0.5), np.int8(-3)),
    *(np.uint64(2**63), np.bool_(True)),
]
LONG_DOUBLES = [np.longdouble("1e400")] if np.finfo(np.longdouble).maxexp > 1024 else []
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
def test_what_is_no_number_is_refused_at_construction(x, kind, advice):
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
def test_what_is_no_number_is_refused_by_operators(sign, x, kind, advice):
    """On either side, with the same words."""
    for text in (f"v {sign} x", f"x {sign} v"):
        with pytest.raises(OperandError, match=f"^expected a real number, got {kind}: "):
            eval(text, {"v": Value(2.0), "x": x})


@pytest.mark.promise(name="operands")
@pytest.mark.parametrize("x", [10**400, -(10**400), Fraction(10**400, 3)], ids=["", "-", "1/3 "])
def test_a_number_too_large_for_a_float_is_refused(x):
    """The int 10**400 is neither a float nor inf: the error says how large a number may be."""
    with pytest.raises(OperandError, match=r"0{20,}.* cannot be stored as a float") as caught:
        Value(x)

    assert "1.8e308" in str(caught.value)


@pytest.mark.promise(name="operands")
def test_a_number_too_long_to_be_printed_is_refused_in_words():
    """Python refuses to print an int of 5,000 digits; the message does without its digits."""
    with pytest.raises(OperandError, match="cannot be stored as a float"):
        Value(1.0) + 10**5000


@pytest.mark.promise(name="operands")
@pytest.mark.parametrize("x", [Decimal("1e400"), Decimal("-1e400"), *LONG_DOUBLES])
def test_a_finite_number_does_not_become_infinite_silently(x):
    """What int and Fraction refuse, float() turns into inf for Decimal and for long doubles."""
    with pytest.raises(OperandError, match="cannot be stored as a float"):
        Value(x)


@pytest.mark.promise(name="operands")
def test_a_signaling_nan_is_refused():
    """Decimal('sNaN') asks for an exception, and gets a worded one."""
    with pytest.raises(OperandError, match=r"sNaN.*cannot be stored as a float"):
        Value(Decimal("sNaN"))


SLOPES = [
    ("log(x)", 0.0, -INF, INF),
    ("log(x)", -0.0, -INF, -INF),
    ("log(x)", INF, INF, 0.0),
    ("log(x)", -1.0, NAN, -1.0),
    ("1 / x", 0.0, INF, -INF),
    ("1 / x", -0.0, -INF, -INF),
    ("1 / x", INF, 0.0, -0.0),
    ("exp(x)", 1000.0, INF, INF),
    ("exp(x)", 710.0, INF, INF),
    ("exp(x)", -1000.0, 0.0, 0.0),
    ("exp(x)", -INF, 0.0, 0.0),
    ("sqrt(x)", 0.0, 0.0, INF),
    ("sqrt(x)", -1.0, NAN, NAN),
    ("x * x", 1e300, INF, 2e300),
    ("x * x", 5e-324, 0.0, 1e-323),
    ("x - x", INF, NAN, 0.0),
    ("x ** 0", 0.0, 1.0, 0.0),
    ("x ** 0", NAN, 1.0, 0.0),
    ("x ** 2", 0.0, 0.0, 0.0),
    ("x ** 0.5", 0.0, 0.0, INF),
    ("x ** (1 / 3)", -8.0, NAN, NAN),
    ("0 ** x", 0.0, 1.0, 0.0),
    ("maximum(x, x)", 1.0, 1.0, 1.0),
    ("minimum(x, x)", 1.0, 1.0, 1.0),
    ("maximum(x, 2)", 2.0, 2.0, 0.5),
    ("maximum(x, 0)", NAN, NAN, 0.5),
    ("relu(x)", 0.0, 0.0, 0.0),
    ("relu(x)", -0.0, 0.0, 0.0),
    ("relu(x)", NAN, NAN, 0.0),
    ("abs(x)", 0.0, 0.0, 0.0),
    ("abs(x)", -0.0, 0.0, 0.0),
    ("sigmoid(x)", 709.0, 1.0, 1.216780750623423e-308),
    ("sigmoid(x)", 710.0, 1.0, 0.0),
    ("sigmoid(x)", 1000.0, 1.0, 0.0),
    ("sigmoid(x)", -1000.0, 0.0, 0.0),
    ("tanh(x)", 1000.0, 1.0, 0.0),
    ("tanh(x)", INF, 1.0, 0.0),
    ("softplus(x)", 1000.0, 1000.0, 1.0),
    ("softplus(x)", -1000.0, 0.0, 0.0),
    ("sin(x)", INF, NAN, NAN),
]


@pytest.mark.promise(name="special")
@pytest.mark.parametrize(("text", "x", "value", "slope"), SLOPES)
def test_values_and_slopes_outside_the_reals_and_at_kinks(text, x, value, slope):
    """Written by hand: IEEE 754, and the conventions where it says nothing."""
    leaf = Value(x)
    root = eval(text, vars(tinygrad_edu) | {"x": leaf})
    root.backward()

    found = (root.data, leaf.grad)
    assert found == pytest.approx((value, slope), rel=1e-15, abs=2e-323, nan_ok=True)


@pytest.mark.promise(name="special")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("v(0) / 0", NAN),
        ("v(1) / 0", INF),
        ("v(10) ** 1000", INF),
        ("v(-10) ** 1001", -INF),
        ("0 ** v(-1)", INF),
        ("v(1e308) * 10", INF),
        ("v(1e308) + 1e308", INF),
        ("cos(v(-inf))", NAN),
        ("maximum(v(1), nan)", NAN),
        ("maximum(nan, v(1))", NAN),
        ("minimum(v(1), nan)", NAN),
        ("minimum(nan, v(1))", NAN),
    ],
)
def test_outside_the_reals_arithmetic_is_that_of_ieee_754(text, expected):
    """Infinities and nan as in NumPy: never an exception, never a complex number."""
    out = eval(text, vars(tinygrad_edu) | {"v": Value, "inf": INF, "nan": NAN})

    assert bits(out.data) == bits(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("relu(a)", (0.0, 0.0)),
        ("abs(a)", (0.0, 0.0)),
        ("maximum(a, b)", (0.5, 0.5)),
        ("minimum(a, b)", (0.5, 0.5)),
        ("maximum(a, a)", (1.0, 0.0)),
        ("minimum(a, a)", (1.0, 0.0)),
        ("maximum(a, 0)", (0.5, 0.0)),
    ],
)
def test_kinks_have_the_slope_that_was_decided(text, expected):
    """At a kink: 0 for relu and abs; a tie shares equally, so that max(a, a) passes 1."""
    a, b = Value(0.0), Value(0.0)

    eval(text, vars(tinygrad_edu) | {"a": a, "b": b}).backward()

    assert (a.grad, b.grad) == expected


@pytest.mark.parametrize(("x", "y"), [(0, 0), (0.0, -0.0), (-0.0, 0.0)])
def test_zero_to_the_zero_is_one_with_slopes_zero(x, y):
    """With Values on both sides, or a number on either."""
    base, exponent = Value(x), Value(y)

    powers = [base**exponent, base**y, x**exponent]
    for power in powers:
        power.backward()

    assert [power.data for power in powers] == [1.0, 1.0, 1.0]
    assert (base.grad, exponent.grad) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("x", "y", "value", "slope_x", "slope_y"),
    [
        (2.0, 3.0, 8.0, 12.0, 8.0 * math.log(2.0)),
        (2.0, -1.0, 0.5, -0.25, 0.5 * math.log(2.0)),
        (0.0, 2.0, 0.0, 0.0, 0.0),
        (0.0, 1.0, 0.0, 1.0, 0.0),
        (1.0, 7.0, 1.0, 7.0, 0.0),
        (4.0, 0.5, 2.0, 0.25, 2.0 * math.log(4.0)),
        (-2.0, 3.0, -8.0, 12.0, NAN),
        (-2.0, 0.0, 1.0, 0.0, NAN),
        (2.0, 0.0, 1.0, 0.0, math.log(2.0)),
    ],
)
def test_power_with_a_value_or_a_number_on_either_side(x, y, value, slope_x, slope_y):
    """A number for one operand changes nothing for the other one."""
    both = (Value(x), Value(y))
    base, exponent = Value(x), Value(y)

    for power in (both[0] ** both[1], base**y, x**exponent):
        power.backward()
        assert power.data == value

    same = {"rel": 1e-15, "abs": 0.0, "nan_ok": True}
    assert [v.grad for v in both] == pytest.approx([slope_x, slope_y], **same)
    assert [base.grad, exponent.grad] == pytest.approx([slope_x, slope_y], **same)


@pytest.mark.parametrize("x", [20.0, 40.0, 300.0, -300.0])
def test_saturated_functions_keep_their_slope(x):
    """Far out, 1 - tanh² and s (1 - s) are 0; the slopes are tiny, and right to 15 digits."""
    a, b = Value(x), Value(x)

    a.tanh().backward()
    b.sigmoid().backward()

    z = math.exp(-abs(x))
    assert a.grad == pytest.approx(4.0 * z * z / (1.0 + z * z) ** 2, rel=1e-14, abs=0.0)
    assert b.grad == pytest.approx(z / (1.0 + z) ** 2, rel=1e-14, abs=0.0)


def test_equality_and_hash_are_those_of_the_object():
    """Two Values of the same number are two keys; a Value is never equal to a number."""
    a, b = Value(2.0), Value(2.0)

    assert a == a
    assert a != b
    assert a != 2.0
    assert len({a, b, a}) == 2


def test_the_hash_does_not_change_with_the_data():
    """A dictionary of parameters still finds them after an update."""
    w = Value(2.0)
    names = {w: "w"}

    w.data -= 0.1

    assert names[w] == "w"


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


def test_numpy_scalars_on_the_left_give_values():
    """np.float64(2) * v is a Value in the graph, with v's gradient."""
    v = Value(3.0)

    out = np.float64(2) * v + np.float32(1) - np.int64(4) / v
    out.backward()

    assert type(out) is Value
    assert v.grad == pytest.approx(2.0 + 4.0 / 9.0, rel=1e-15)
    assert (np.float64(2) ** v).data == 8.0
    assert (np.float64(2) < v) is True


@pytest.mark.promise(name="operands")
@pytest.mark.parametrize("use", [np.sin, np.exp, lambda v: np.add(v, 1.0)])
def test_numpy_functions_of_values_are_refused(use):
    """A ufunc would look for a method of that name, or give an array of objects."""
    with pytest.raises(TypeError, match="'Value' does not support ufuncs"):
        use(Value(1.0))


def test_every_error_is_one_family_with_labelled_lines():
    """All can be caught as TinygradEduError; the colons of the labels stand below each other."""
    with pytest.raises(TinygradEduError) as caught:
        Value("1")

    what, *labelled = str(caught.value).splitlines()
    assert what == "expected a real number, got str: '1'."
    assert [line.split(":")[0] for line in labelled] == ["  Expected ", "  Fix      "]


def test_graphs_can_be_built_in_several_threads_at_once():
    """Eight threads share a leaf and build 2,000 nodes each: all are as built alone."""
    shared, results = Value(1.5), [None] * 8

    def build(i):
        y = shared
        for _ in range(1000):
            y = y * 1.0 + float(i)
        results[i] = y

    threads = [threading.Thread(target=build, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [v.data for v in results] == [1.5 + 1000.0 * i for i in range(8)]
    for v in results:
        v.backward()
    assert shared.grad == 8.0
