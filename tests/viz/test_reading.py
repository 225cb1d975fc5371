"""What a figure reads from a graph: contributions, gradients that are there, scopes, tooltips."""

from random import Random

import pytest

from tests import graphs, programs
from tinygrad_edu import Value, draw, nn
from tinygrad_edu.viz.reading import Reading, glyph, scope, tooltip


@pytest.mark.parametrize("seed", range(20))
def test_contributions_add_up_to_the_gradient_at_every_fork(seed):
    """What flows back over the wires that leave a value sums to its gradient."""
    root = graphs.backward(programs.random_program(Random(seed), steps=25).run(programs.VALUES)[-1])
    reading = Reading(root)
    arrived = dict.fromkeys(reading.order, 0.0)
    arrived[root] = root.grad
    for flows in reading.flows.values():
        for flow in flows:
            arrived[flow.source] += flow.contribution

    for node in reading.order:
        if not node.constant:
            assert arrived[node] == pytest.approx(node.grad, rel=1e-12, abs=1e-300), node


@pytest.mark.parametrize("style", ["circuit", "detail", "folded"])
def test_a_gradient_of_0_may_be_what_backward_brought(style):
    """relu lets nothing through to h: the figure does not say that no backward() has run."""
    h = Value(-1.0, "x") * 2.0
    graphs.backward(h.relu())

    drawing = draw(h, style)

    said = "the result's gradient is 0: call backward(), unless you have"
    assert str(drawing).splitlines()[-1] == said
    assert " ".join(line.text for line in drawing.figure.nodes[-1].columns[0]) == said


def test_gradients_below_a_result_whose_own_is_0_are_shown():
    """A backward pass has been here: a has its gradient, though h got nothing."""
    a = Value(-1.0, "x") * 2.0
    h = a * 3.0
    graphs.backward(h.relu() + a)

    assert str(draw(h)).splitlines() == [
        "×        −6  ∇ 0",
        "├─ ×     −2  ∇ 1",
        "│  ├─ x  −1  ∇ 2",
        "│  └─ 2   2",
        "└─ 3      3",
        "the result's gradient is 0: call backward(), unless you have",
    ]


def test_a_leaf_is_at_home_where_it_is_used_alone():
    """A weight belongs to its neuron, though a penalty uses it too; an input to no module."""
    model = nn.MLP(1, [2], rng=Random(0))
    inputs = [Value(1.0, "x")]
    root = sum(model(inputs)) + sum(w * w for w in model.parameters())

    home = Reading(root).home

    assert home[inputs[0]] == home[root] == ""
    assert {home[w] for w in model.parameters()} == {"layer1/neuron0", "layer1/neuron1"}
    assert {home[v] for v in Reading(root).order if v.op} == {scope(v) for v in home if v.op}


def test_only_the_end_of_a_long_graph_is_shown():
    """The last values, with ids that say where they stand in the whole graph."""
    total = Value(1.0, "x")
    for _ in range(10):
        total = total * 2.0

    reading = Reading(total, max_nodes=3)

    assert (len(reading.order), len(reading.shown), reading.hidden) == (21, 3, 18)
    assert list(reading.ids.values()) == ["v18", "v19", "v20"]
    assert reading.leaving[total] == ["wout"]


def test_a_sign_is_that_of_the_row():
    """Else the name of the row; a leaf has none."""
    x = Value(2.0)

    assert [glyph(v) for v in (x, x * x, x - x, -x, x.sqrt(), x.tanh())] == [
        "", "×", "−", "−", "√", "tanh",
    ]  # fmt: skip


def test_a_tooltip_has_every_digit_and_letter():
    """A label as it is, floats as Python prints them, the gradient of what keeps one."""
    x = Value(1.0 / 3.0, "a long label that no circle would hold\n")
    root = graphs.backward(x * 3.0)

    assert tooltip(x, True) == f"{x.label}\ndata = {1 / 3!r}\ngrad = 3.0"
    assert tooltip(root.inputs[1], True) == "constant\ndata = 3.0"
    assert tooltip(root, False) == "mul\ndata = 1.0"
