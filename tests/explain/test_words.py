"""How nodes are named in text, and what is not a graph."""

import pytest

from tinygrad_edu import Value
from tinygrad_edu.engine.errors import OperandError
from tinygrad_edu.explain import explain, graph_stats, trace_nonfinite
from tinygrad_edu.explain.words import name, operation


@pytest.mark.parametrize("wrong", [3.0, None, [Value(1.0)]])
@pytest.mark.parametrize(
    "ask",
    [
        lambda wrong: explain(wrong, Value(1.0)),
        lambda wrong: explain(Value(1.0), wrong),
        graph_stats,
        trace_nonfinite,
    ],
)
def test_only_values_are_explained(ask, wrong):
    """In words, before anything is walked."""
    with pytest.raises(OperandError, match="takes a Value, not"):
        ask(wrong)


@pytest.mark.parametrize(
    ("label", "shown"),
    [
        ("w", "w"),
        ("two words", "two words"),
        ("a\nb\x00", "a\ufffdb\ufffd"),
        ("x" * 24, "x" * 24),
        ("x" * 25, "x" * 23 + "…"),
    ],
)
def test_a_name_fits_into_one_line(label, shown):
    """Control characters are replaced, what is longer than 24 letters is cut."""
    assert name(Value(1.0, label)) == shown


def test_what_has_no_label_is_called_what_it_is():
    """A leaf, a constant, an operation."""
    x = Value(1.0)

    assert [name(v) for v in (x, x.detach(), x * 2.0)] == ["leaf", "constant", "mul"]


def test_an_operation_is_written_with_the_operand_left_open():
    """A sign between two operands, else a function; the partner by its label, else its number."""
    x, w = Value(2.0, "x"), Value(3.0, "w")
    named = x + w
    named.label = "sum"

    shown = [
        operation(x * w, 0),
        operation(x * w, 1),
        operation(x - 0.25, 0),
        operation(x.maximum(w), 1),
        operation(x.tanh(), 0),
        operation(named, 0),
    ]

    assert shown == ["· × w", "x × ·", "· − 0.25", "maximum(x, ·)", "tanh(·)", "sum"]


@pytest.mark.parametrize("ask", [trace_nonfinite, graph_stats, lambda root: explain(root[0], root)])
def test_of_several_results_one_is_asked_for(ask):
    """A model with several outputs gives a list."""
    outputs = [Value(1.0) * 2.0, Value(1.0) * 3.0]

    with pytest.raises(OperandError, match=r"outputs\[0\]"):
        ask(outputs)
