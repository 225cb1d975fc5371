"""A graph as an indented tree, for terminals."""

import pytest

from tests import graphs
from tinygrad_edu import Value, draw
from tinygrad_edu.viz.text import MOST, columns


@pytest.mark.parametrize("graph", ["neuron", "shared", "network"])
def test_text(graph, golden):
    """What a terminal gets."""
    root = getattr(graphs, graph)()
    golden(f"{graph}.txt", f"{draw(root)}\n")


def test_columns_of_text_stand_below_each_other_with_wide_letters():
    """A letter of Chinese takes two columns of a terminal, an accent of its own takes none."""
    wide, accented = Value(2.0, "漢字"), Value(3.0, "e\u0301")

    assert str(draw(graphs.backward(wide * accented))) == (
        "×        6  ∇ 1\n├─ 漢字  2  ∇ 3\n└─ e\u0301     3  ∇ 2"
    )


@pytest.mark.parametrize(("text", "count"), [("", 0), ("abc", 3), ("漢字", 4), ("e\u0301", 1)])
def test_columns_are_counted_as_a_terminal_does(text, count):
    """Two for a wide letter, none for an accent that stands on a letter."""
    assert columns(text) == count


def test_what_was_shown_once_is_not_opened_again():
    """A value that is used twice has its inputs below it the first time only."""
    x = Value(2.0, "x")
    square = x * x

    assert str(draw(square + square)).splitlines()[:5] == [
        "+                8",
        "├─ ×             4",
        "│  ├─ x          2",
        "│  └─ x          2",
        "└─ × (as above)  4",
    ]


def test_a_long_tree_ends_with_the_count_of_the_rest():
    """At most 150 lines of values."""
    total = Value(1.0, "x")
    for _ in range(300):
        total = total + 1.0

    lines = str(draw(total)).splitlines()

    assert len(lines) == MOST + 2
    assert any(line.startswith("… ") and line.endswith("(601 in all)") for line in lines)
