"""The neutral figure: lines, labels and sizes that every style and every output shares."""

from math import inf, nan

import pytest

from tinygrad_edu.viz.figure import (
    LONGEST,
    Cluster,
    Line,
    Node,
    Wire,
    largest,
    line,
    lines_of,
    shortened,
)


@pytest.mark.parametrize("x", [nan, inf, -inf])
def test_a_number_that_is_not_finite_warns(x):
    """Its line has the role of a warning; that of any other number has the role asked for."""
    assert line(x, "forward").role == "warning"
    assert line(1e308, "forward", "w0-f", "Σ∇ ") == Line("Σ∇ 1e308", "forward", "w0-f")


@pytest.mark.parametrize(
    ("label", "drawn"),
    [
        ("w", "w"), ("a\n  b", "a b"), (" ", ""), ("x" * 24, "x" * 24),
        ("x" * 25, "x" * 23 + "…"), ("", ""),
    ],
)  # fmt: skip
def test_a_label_is_drawn_on_one_line_that_is_not_too_long(label, drawn):
    """At most 24 characters, the last of which tells that there are more."""
    assert shortened(label) == drawn
    assert len(drawn) <= LONGEST


def test_widths_are_measured_by_the_largest_finite_size():
    """0, nan and inf can't be a unit; without any other there is 1."""
    assert largest([0.5, -3.0, inf, nan]) == 3.0
    assert largest([0.0, inf, nan]) == largest([]) == 1.0


def test_all_lines_of_a_figure_are_found():
    """In the columns of a node, below it, and on both sides of a wire."""
    lines = [Line(text) for text in "abcdef"]
    node = Node("v0", "card", "leaf", ((lines[0],), (lines[1], lines[2])), (lines[3],))
    wire = Wire("w0", "v0", "out", (lines[4],), (lines[5],))

    assert list(lines_of([node], [wire])) == lines


def test_the_title_of_a_frame_is_short_and_faint():
    """As a line of text, for all who draw it."""
    assert Cluster("c", "layer " * 10).line == Line(shortened("layer " * 10), "faint")
