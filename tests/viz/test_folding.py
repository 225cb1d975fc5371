"""The style "folded": which box a value stands in, and what boxes and wires show."""

import re
from random import Random

import pytest

from tests import graphs
from tinygrad_edu import Value, nn, topological_order
from tinygrad_edu.shared.tables import typeset
from tinygrad_edu.viz import draw
from tinygrad_edu.viz.folding import fold, folded
from tinygrad_edu.viz.reading import Reading


def test_a_network_folds_to_its_layers():
    """MLP(2, [16, 16, 1]) of one point: inputs, three layers and the loss, all wires forward."""
    root = graphs.network(sizes=(16, 16, 1))

    figure = folded(Reading(root))

    titles = [node.columns[0][0].text for node in figure.nodes[:-1]]
    assert titles == ["inputs", "layer1", "layer2", "layer3", "loss"]
    assert "48 params · 80 ops" in [line.text for line in figure.nodes[1].columns[0]]
    order = [node.id for node in figure.nodes]
    assert all(order.index(wire.source) < order.index(wire.target) for wire in figure.wires)


def test_neurons_are_boxes_two_levels_deep():
    """depth=2 looks into the layers."""
    figure = folded(Reading(graphs.network()), depth=2)

    titles = [node.columns[0][0].text for node in figure.nodes[:-1]]
    assert [t for t in titles if "/" in t] == [
        "layer1/neuron0", "layer1/neuron1", "layer1/neuron2", "layer2/neuron0"
    ]  # fmt: skip


def test_a_folded_wire_of_one_value_shows_it():
    """From layer2's one neuron to the loss: its number, and what flows back to it."""
    root = graphs.network()
    figure = folded(Reading(root))
    answer = next(v for v in topological_order(root) if v.op and v.op.name == "sub").inputs[0]

    wire = next(wire for wire in figure.wires if wire.target == figure.nodes[-2].id)
    assert [line.text for line in (*wire.above, *wire.below)] == [
        typeset(answer.data), typeset(answer.grad)
    ]  # fmt: skip


def test_a_module_used_twice_in_a_row_is_two_boxes():
    """A recurrent network folds to a figure without circles, every value in one box."""
    cell = nn.Layer(2, 1, activation="tanh", rng=Random(0))
    read_out = nn.Neuron(1, rng=Random(1))

    class Recurrent(nn.Module):
        def __init__(self):
            self.cell, self.read_out = cell, read_out

        def forward(self, xs):
            h = [Value(0.0, "h")]
            for x in xs:
                h = [self.cell([x, self.read_out(h)])[0]]
            return h[0]

    root = graphs.backward(Recurrent()([0.1, 0.2, 0.3]))
    reading = Reading(root)

    group_of, groups = fold(reading, 1)

    assert set(group_of) == set(reading.order)
    titles = [group.title for group in groups]
    assert titles.count("cell") == 3
    draw(root, style="folded", engine="builtin").svg()  # would refuse wires in a circle


def test_contributions_that_cancel_to_nan_are_drawn():
    """1/x and log x at 0: what flows back to x over two wires is inf and -inf."""
    x = Value(0.0, "x")
    root = graphs.backward(1.0 / x + x.log())

    figure = draw(root, "folded", engine="builtin")

    warnings = re.findall(r'font-weight="bold">([^<]+)<', figure.svg())
    assert "nan" in warnings


@pytest.mark.parametrize("depth", [1, 2])
def test_each_wire_between_boxes_stands_for_those_between_their_values(depth):
    """No wire is lost: their counts add up to the operands that come from another box."""
    reading = Reading(graphs.network((4, 3, 1), samples=2))
    group_of, _ = fold(reading, depth)
    crossing = [
        (v, node)
        for node in reading.order
        for v in node.inputs
        if group_of[v] is not group_of[node]
    ]

    figure = folded(reading, depth)

    told = [re.search(r"over ([\d,]+) wires", wire.tooltip) for wire in figure.wires]
    assert sum(int(found[1].replace(",", "")) for found in told if found) == len(crossing)
    assert {(wire.source, wire.target) for wire in figure.wires[:-1]} == {
        (group_of[v].id, group_of[node].id) for v, node in crossing
    }


@pytest.mark.parametrize("size", [1e-200, 1e-170, 1e160, 1e200])
def test_gradients_of_every_size_are_summed_up(size):
    """Their squares are 0 or infinite."""
    root = graphs.network()
    root.backward(size)

    columns = [column for node in folded(Reading(root)).nodes for column in node.columns]
    words = [part.text for column in columns for part in column if "rms" in part.text]
    assert words
    assert not any("rms 0 " in text or "rms ∞" in text for text in words)
