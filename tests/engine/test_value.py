"""Value: its operators, its methods, its gradients, what it looks like.

The expected numbers come from the naive engine or were worked out by hand.
"""

import operator
from dataclasses import replace

import pytest

import tinygrad_edu
from tests import naive, programs
from tests.agreement import differs, tame_programs
from tinygrad_edu import Value, as_function
from tinygrad_edu.engine import ops

SPELLINGS = [
    *("a + b", "a + 2", "2 + a", "a - b", "a - 2", "2 - a", "a * b", "a * 2", "2 * a"),
    *("a / b", "a / 2", "2 / a", "a ** b", "a ** 2", "2 ** a", "-a", "abs(-b)"),
    *("exp(a)", "log(b)", "sqrt(b)", "sin(a)", "cos(a)", "tanh(a)", "sigmoid(a)", "softplus(a)"),
    *("relu(a)", "relu(-a)", "maximum(a, b)", "maximum(a, 2)", "minimum(a, b)", "minimum(2, a)"),
    *("a + a", "a * a", "a - a", "a / a", "a ** a", "maximum(a, a)", "(a + b) * (a - b) / a"),
]
METHODS = [*ops.TABLE, "max", "min"]


def evaluate(text, module, leaf):
    """The expression and its leaves, on an engine whose functions a module holds."""
    a, b = leaf(0.75), leaf(1.5)
    return eval(text, {"abs": abs} | vars(module) | {"a": a, "b": b}), a, b


@pytest.mark.parametrize("text", SPELLINGS)
def test_an_expression_has_the_value_and_gradients_of_the_naive_engine(text):
    """Each operator, on each side a Value or a number, and x with itself."""
    root, a, b = evaluate(text, tinygrad_edu, Value)
    expected, naive_a, naive_b = evaluate(text, naive, naive.Number)

    root.backward()

    bars = naive.gradients(expected)
    assert root.data == pytest.approx(expected.data, rel=1e-15, abs=0.0)
    assert a.grad == pytest.approx(bars.get(naive_a, 0.0), rel=1e-15, abs=1e-15)
    assert b.grad == pytest.approx(bars.get(naive_b, 0.0), rel=1e-15, abs=1e-15)


@pytest.mark.parametrize("name", programs.ROWS)
def test_random_programs_notice_a_wrong_rule(name, monkeypatch):
    """Scaling the partials of any one row by 1 + 1e-10 is found: the promise can be broken."""
    right = ops.TABLE[name]
    wrong = replace(right, partials=lambda *xs: [(1.0 + 1e-10) * p for p in right.partials(*xs)])
    rows = ops.TABLE | {name: wrong}
    broken = programs.Engine(Value, lambda row, *operands: as_function(rows[row])(*operands))
    monkeypatch.setattr(programs, "VALUES", broken)

    assert any(differs(program, programs.NAIVE) for program in tame_programs(100))


@pytest.mark.parametrize("text", SPELLINGS)
def test_a_new_node_has_no_gradient_and_is_not_a_constant(text):
    """Before any backward pass, whatever made the node; it has no label, either."""
    root, _, _ = evaluate(text, tinygrad_edu, Value)

    assert (root.grad, root.constant, root.label) == (0.0, False, "")


@pytest.mark.parametrize("name", METHODS)
def test_a_row_is_also_a_method(name):
    """x.relu() is relu(x), x.max(y) is maximum(x, y): the same row, the same operands."""
    row = ops.TABLE[{"max": "maximum", "min": "minimum"}.get(name, name)]
    operands = [Value(0.3), Value(0.7)][: len(row.domain)]

    out = getattr(operands[0], name)(*operands[1:])

    assert out.op is row
    assert out.inputs == tuple(operands)
    assert out.data == as_function(row)(*[v.data for v in operands])


def test_augmented_assignment_makes_a_new_value():
    """x += 1 leaves the leaf that x was, which the new x remembers."""
    leaf = x = Value(2.0)

    x += 1.0
    x *= 3.0

    assert (leaf.data, x.data) == (2.0, 9.0)
    assert x.inputs[0].inputs[0] is leaf


def test_builtins_compare_by_data():
    """max, min and sorted return the Values themselves."""
    small, middle, large = values = [Value(x) for x in (-3.0, 1.0, 2.0)]

    assert max(small, large) is large
    assert min(large, small) is small
    assert sorted([middle, large, small]) == values


@pytest.mark.parametrize("cotangent", [1.0, -2.5, 0.0, 3])
def test_the_cotangent_scales_every_gradient(cotangent):
    """backward(c) adds c times what backward() adds."""
    x, y = Value(3.0), Value(5.0)

    (x * y).backward(cotangent)

    assert (x.grad, y.grad) == (5.0 * cotangent, 3.0 * cotangent)


def test_leaves_accumulate_and_inner_values_do_not():
    """After two passes a leaf has the sum of both, an inner value the last pass alone."""
    x = Value(3.0)
    inner = x * 2.0
    root = inner * 5.0

    root.backward()
    root.backward(10.0)

    assert (root.grad, inner.grad, x.grad) == (10.0, 50.0, 110.0)


def test_backward_from_an_inner_value_stops_there():
    """What was built on top of the value plays no part, and keeps its gradient."""
    x = Value(3.0)
    inner = x * x
    root = inner * 5.0
    root.backward()

    inner.backward()

    assert (root.grad, inner.grad, x.grad) == (1.0, 1.0, 30.0 + 6.0)


def test_a_number_in_arithmetic_is_a_constant_without_gradient():
    """In x * 3 the 3 is an input of its own, and its gradient stays 0."""
    x = Value(2.0)
    product = x * 3.0

    product.backward()

    constant = product.inputs[1]
    assert constant.constant
    assert (constant.data, constant.grad) == (3.0, 0.0)
    assert not x.constant
    assert not product.constant


def test_inputs_keep_order_and_repeats():
    """10 - a has the constant first, a * a remembers a twice, a leaf has no op and no inputs."""
    a = Value(4.0)

    ten, right = (10.0 - a).inputs

    assert (ten.data, ten.constant, right) == (10.0, True, a)
    assert (a * a).inputs == (a, a)
    assert (a.op, a.inputs) == (None, ())


def test_labels_are_kept_and_can_be_set_later():
    """By position, by keyword, or on a result."""
    y = Value(2.0, "x") * Value(3.0, label="w")
    assert [v.label for v in y.inputs] == ["x", "w"]
    assert y.label == ""

    y.label = "y"
    assert y.label == "y"


def test_a_misspelt_attribute_is_an_error():
    """x.gard = 0 does not pass for x.grad = 0."""
    x = Value(1.0)

    with pytest.raises(AttributeError, match="gard"):
        x.gard = 0.0


def graded(value, grad):
    """The value, with a gradient."""
    value.grad = grad
    return value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Value(2), "Value(2, grad=0)"),
        (Value(-0.5, "w"), "Value(-0.5, grad=0, label='w')"),
        (Value(1.0 / 3.0), "Value(0.333333, grad=0)"),
        (Value(1e300), "Value(1e+300, grad=0)"),
        (Value(float("nan")), "Value(nan, grad=0)"),
        (graded(Value(2.0, "it's"), -1.25), 'Value(2, grad=-1.25, label="it\'s")'),
        (Value(2.0) * 3.0, "Value(6, grad=0, op=mul)"),
        (Value(2.0).detach(), "Value(2, grad=0, constant)"),
        (Value(2.0, "x").detach(), "Value(2, grad=0, constant, label='x')"),
    ],
    ids=repr,
)
def test_repr_shows_data_gradient_kind_and_label(value, expected):
    """Six digits, and nothing that is empty."""
    assert repr(value) == expected
    assert f"{value}" == expected
    assert str(value) == expected


@pytest.mark.parametrize(
    ("spec", "expected"), [(".2f", "3.14"), ("+.3e", "+3.142e+00"), (">8.3g", "    3.14")]
)
def test_a_format_spec_formats_the_number(spec, expected):
    """f"{loss:.2f}" is what it is for a float, and so is the error of a wrong one."""
    assert format(Value(3.14159), spec) == expected
    with pytest.raises(ValueError, match="format"):
        format(Value(1.0), "d")


@pytest.mark.parametrize("compare", [operator.lt, operator.le, operator.gt, operator.ge])
@pytest.mark.parametrize(("x", "y"), [(1.0, 2.0), (2.0, 1.0), (2.0, 2.0), (float("nan"), 1.0)])
def test_comparisons_are_those_of_the_numbers(compare, x, y):
    """With a Value or a number on either side, and they give a bool."""
    expected = compare(x, y)

    assert compare(Value(x), Value(y)) is expected
    assert compare(Value(x), y) is expected
    assert compare(x, Value(y)) is expected


def test_detach_stops_the_gradient():
    """In x * detach(2 x) the copy counts as the number it is: x' = 6, not 4 x = 12."""
    x = Value(3.0)
    double = x * 2.0
    double.label = "double"

    copy = double.detach()
    (x * copy).backward()

    assert (copy.data, copy.label, copy.inputs) == (6.0, "double", ())
    assert (x.grad, copy.grad) == (6.0, 0.0)


def test_zero_grad_clears_the_whole_graph():
    """Leaves and inner values below the root; what lies outside keeps its gradient."""
    x = Value(3.0)
    inner = x * 2.0
    root = inner * inner
    outside = root * x
    outside.backward()

    root.zero_grad()

    assert (root.grad, inner.grad, x.grad, outside.grad) == (0.0, 0.0, 0.0, 1.0)


def test_a_plus_sign_changes_nothing():
    """+v is v itself: no node, no copy."""
    v = Value(2.0)

    assert +v is v
