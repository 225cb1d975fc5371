"""What each style shows: contributions, both wires, no red too early, boxes for modules."""

import math
import re
from collections import Counter
from dataclasses import replace
from random import Random

import pytest

from tests import graphs, programs
from tinygrad_edu import Value, nn
from tinygrad_edu.shared.tables import typeset
from tinygrad_edu.viz import draw, styles
from tinygrad_edu.viz.figure import lines_of
from tinygrad_edu.viz.reading import Reading

ONE_BY_ONE = ("circuit", "detail", "card", "micrograd")
EVERY = (*ONE_BY_ONE, "folded")


def texts(figure, role):
    """All lines of a role on a figure."""
    return [line.text for line in lines_of(figure.nodes, figure.wires) if line.role == role]


def test_a_fork_shows_the_wires_contributions_and_their_sum():
    """x feeds four wires: each has its own number, x the total; none of them is the total."""
    figure = draw(graphs.shared()).figure
    x = next(node for node in figure.nodes if node.columns[0][0].text == "x")
    wires = [wire for wire in figure.wires if wire.source == x.id]

    assert [line.text for wire in wires for line in wire.below] == ["0.895", "0.895", "−1.19", "3"]
    assert [line.text for line in x.below] == ["Σ∇ 3.6"]


@pytest.mark.parametrize("style", EVERY)
def test_there_is_no_red_before_backward(style):
    """A figure drawn then shows no gradient, but what to do; after backward it does."""
    model = nn.MLP(2, [2, 1], rng=Random(0))
    root = model([1.0, 2.0])

    before = draw(root, style=style)
    root.backward()
    after = draw(root, style=style)

    assert texts(before.figure, "gradient") == []
    assert "call backward()" in before.text
    assert texts(after.figure, "gradient")
    assert "call backward()" not in after.text


def test_detail_tells_how_a_contribution_came_about():
    """Below each contribution stands upstream times slope."""
    x, w = Value(2.0, "x"), Value(-3.0, "w")
    root = (x * w).tanh()
    graphs.backward(root)

    figure = draw(root, style="detail").figure

    upstream = typeset(1.0 / math.cosh(6.0) ** 2)
    assert texts(figure, "local") == [f"{upstream} × −3", f"{upstream} × 2", f"1 × {upstream}"]


def test_cards_stand_in_the_frames_of_their_modules():
    """Operations and the weights that only they use are in the neuron's frame, inputs are not."""
    figure = draw(graphs.network(), style="card").figure
    frames = {cluster.id: cluster for cluster in figure.clusters}

    clusters = {node.columns[0][0].text: node.cluster for node in figure.nodes}
    assert set(frames) == {
        "c:layer1", "c:layer1/neuron0", "c:layer1/neuron1", "c:layer1/neuron2",
        "c:layer2", "c:layer2/neuron0",
    }  # fmt: skip
    assert frames["c:layer1/neuron1"].parent == "c:layer1"
    assert clusters["x0"] == clusters["x1"] == ""
    assert clusters["w0"] != ""


def test_the_size_of_the_graph_picks_the_style():
    """Up to 30 operations the circuit, then cards, then boxes; without modules the last values."""
    small, middle, large = graphs.shared(), graphs.network((4, 2, 1)), graphs.network((16, 16, 1))
    chain = Value(1.0)
    for _ in range(300):
        chain = chain + 1.0

    assert [draw(g).style for g in (small, middle, large)] == ["circuit", "card", "folded"]
    figure = draw(chain).figure
    assert len(figure.nodes) == 151
    assert figure.nodes[0].columns[0][0].text == "… 451 more (601 in all)"
    assert len(draw(chain, max_nodes=None, style="card").figure.nodes) == 601


def test_numbers_that_are_not_finite_warn():
    """nan and inf have the role of a warning, not of an ordinary number."""
    x = Value(0.0, "x")
    figure = draw(graphs.backward(x.log() * 0.0)).figure

    assert {"−inf", "nan"} <= set(texts(figure, "warning"))


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (0.0, "0.0000"), (2.0, "2.0000"), (-0.123456, "-0.1235"), (1e-4, "0.0001"),
        (1e-5, "1e−5"), (999_999.0, "999999.0000"), (1e6, "1e6"), (-1e300, "−1e300"),
    ],
)  # fmt: skip
def test_records_have_four_decimals_where_they_say_something(x, text):
    """As in the lecture; a number that would be 0.0000, or fill the page, is scientific."""
    root = graphs.backward(Value(x, "x") * 1.0)

    assert f"data {text}" in texts(draw(root, "micrograd").figure, "forward")


def test_wires_are_as_wide_as_their_contribution():
    """The largest contribution has weight 1, the others their share."""
    x = Value(1.0, "x")
    figure = styles.circuit(Reading(graphs.backward(x * 8.0 + x * -2.0)))

    weights = [wire.weight for wire in figure.wires if wire.source == "v0"]
    assert weights == [1.0, 0.25]


@pytest.mark.parametrize("style", EVERY)
def test_ids_are_unique(style):
    """Elements and lines of text: the stepper finds each by its id."""
    source = draw(graphs.network(), style=style, engine="builtin").svg()

    ids = re.findall(r' id="([^"]*)"', source)
    assert len(ids) == len(set(ids)) > 3


@pytest.mark.parametrize("style", EVERY)
def test_the_smallest_graphs_are_drawn(style):
    """A leaf, a constant, an operation on constants alone."""
    for root in (Value(2.0), Value(2.0, "x").detach(), Value(2.0).detach() * 3.0):
        for figure in (draw(root, style), draw(root, style, engine="builtin")):
            assert figure.svg().startswith("<svg")
            assert figure.html()
            assert str(figure)


def random_network(rng):
    """A root with repeats, forks, constants and scopes, after its backward pass."""
    root = programs.random_program(rng, steps=30).run(programs.VALUES)[-1]
    model = nn.MLP(2, [2, 1], rng=rng)
    return graphs.backward(model([root, 0.5]) * root + model([0.5, root]))


def missing(figure, reading):
    """How many wires of the graph, from each source to each target, a figure does not show.

    In micrograd's style the wires end at the operation beside the record of the target.
    """
    drawn = Counter((wire.source, wire.target.removesuffix("op")) for wire in figure.wires)
    needed = Counter(
        (reading.ids.get(v, "more"), reading.ids[node])
        for node in reading.shown
        for v in node.inputs
    )
    return needed - drawn


@pytest.mark.parametrize("style", EVERY)
@pytest.mark.parametrize("seed", range(15))
def test_random_graphs_are_drawn_with_all_their_wires(style, seed):
    """One wire for each operand that is shown; test_folding.py counts those between boxes."""
    rng = Random(seed)
    root = random_network(rng)

    drawing = draw(root, style, engine="builtin", max_nodes=rng.choice([None, 20]))

    assert style == "folded" or not missing(drawing.figure, drawing.reading)
    source = drawing.svg(len(drawing.steps) // 2)
    assert source.count('class="wire"') == len(drawing.figure.wires)


@pytest.mark.parametrize("style", ["circuit", "card", "micrograd"])
def test_a_wire_that_is_dropped_is_noticed(style):
    """So the test above can fail: each wire between two values is counted."""
    drawing = draw(random_network(Random(1)), style, max_nodes=None)
    wires = drawing.figure.wires
    operands = [wire for wire in wires if wire.id.startswith("w") and wire.id != "wout"]

    for wire in operands:
        fewer = replace(drawing.figure, wires=tuple(w for w in wires if w is not wire))
        assert sum(missing(fewer, drawing.reading).values()) == 1
    assert len(operands) > 50


def changed():
    """x * x + 1, computed at x = 2; x is 5 by now."""
    x = Value(2.0, "x")
    root = graphs.backward(x * x + 1.0)
    x.data = 5.0
    return root


@pytest.mark.parametrize("style", ONE_BY_ONE)
def test_a_value_that_its_inputs_contradict_warns(style):
    """The product says 4 beside wires of 5: the figure tells what they give; the sum is right."""
    drawing = draw(changed(), style)

    assert texts(drawing.figure, "warning") == ["stale: its inputs", "now give 25"]
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
    assert drawing.steps[1].text == (
        "×: 5 × 5 = 25 now, but 4 when it was computed: a value was changed since"
    )


def test_a_folded_box_counts_its_stale_operations():
    """A weight changed after the forward pass: its product, in its module's box."""
    root = graphs.network()
    weight = next(v for v in draw(root).reading.order if v.label == "w0")
    weight.data += 1.0

    assert texts(draw(root, "folded").figure, "warning") == ["stale: 1 op"]


@pytest.mark.parametrize("style", EVERY)
@pytest.mark.parametrize("number", [2.0, 0.0, float("nan"), float("inf")])
def test_a_graph_as_it_was_computed_does_not_warn(style, number):
    """Nor one with nan in it, which is what its inputs give again."""
    x = Value(number, "x")
    drawing = draw(graphs.backward(x.log() * x - x), style)

    assert not any("stale" in words for words in [*texts(drawing.figure, "warning"), str(drawing)])
