"""Figures of graphs whose numbers contradict each other."""

import pytest

from tests import graphs
from tinygrad_edu import Value, draw
from tinygrad_edu.viz.figure import lines_of

STYLES = ("circuit", "detail", "card", "micrograd")


def warnings(drawing):
    """The lines that warn."""
    figure = drawing.figure
    lines = lines_of(figure.nodes, figure.wires)
    return [line.text for line in lines if line.role == "warning"]


def changed():
    """x * x + 1, computed at x = 2; x is 5 by now."""
    x = Value(2.0, "x")
    root = graphs.backward(x * x + 1.0)
    x.data = 5.0
    return root


@pytest.mark.parametrize("style", STYLES)
def test_a_value_that_its_inputs_contradict_warns(style):
    """The product says 4 beside wires of 5: the figure tells what they give; the sum is right."""
    drawing = draw(changed(), style)

    assert warnings(drawing) == ["stale: its inputs", "now give 25"]
    assert "stale: its inputs give 25.0 now" in next(
        node.tooltip for node in drawing.figure.nodes if "stale" in node.tooltip
    )


def test_a_stale_value_warns_as_text_and_in_its_step():
    """The tree marks it and tells what to do; no step says that 5 × 5 is 4."""
    drawing = draw(changed())

    assert str(drawing).splitlines()[1:3] == [
        "├─ ×     4  ∇ 1  stale: its inputs now give 25",
        "│  ├─ x  5  ∇ 4",
    ]
    assert str(drawing).endswith("after it was computed; compute the result again")
    assert drawing.figure.steps[1].text == (
        "×: 5 × 5 = 25 now, but 4 when it was computed: a value was changed since"
    )


def test_a_folded_box_counts_its_stale_operations():
    """A weight changed after the forward pass: its product, in its module's box."""
    root = graphs.network()
    weight = next(v for v in draw(root).reading.order if v.label == "w0")
    weight.data += 1.0

    assert warnings(draw(root, "folded")) == ["stale: 1 op"]


@pytest.mark.parametrize("style", [*STYLES, "folded"])
@pytest.mark.parametrize("number", [2.0, 0.0, float("nan"), float("inf")])
def test_a_graph_as_it_was_computed_does_not_warn(style, number):
    """Nor one with nan in it, which is what its inputs give again."""
    x = Value(number, "x")
    drawing = draw(graphs.backward(x.log() * x - x), style)

    assert not any("stale" in words for words in [*warnings(drawing), str(drawing)])
