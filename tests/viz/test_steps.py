"""The steps in time: every operation forwards, then backwards, with the numbers of its rule."""

import re
from random import Random

import pytest

from tests import graphs, programs
from tinygrad_edu import Value, as_function, primitive
from tinygrad_edu.engine import ops
from tinygrad_edu.shared.tables import typeset
from tinygrad_edu.viz import draw
from tinygrad_edu.viz.reading import Reading
from tinygrad_edu.viz.steps import rule_of, steps_of

PRODUCT = re.compile(r"∂L/∂\S+ \+= (\S+) × (\S+) = (\S+?)(?:;|$)")


def random_reading(seed):
    """A random graph, read after its backward pass."""
    root = programs.random_program(Random(seed), steps=20).run(programs.VALUES)[-1]
    return Reading(graphs.backward(root))


def test_the_sentence_has_the_numbers_of_the_rule():
    """Upstream, slope and product of both inputs of a multiplication."""
    x, w = Value(2.0, "x"), Value(-3.0, "w")
    root = x * w
    root.label = "out"
    root.backward(0.235)

    steps, _ = steps_of(Reading(root))

    assert [step.phase for step in steps] == ["start", "forward", "backward", "backward"]
    assert steps[1].text == "×: out = 2 × (−3) = −6"
    assert steps[3].text == (
        "×: upstream 0.235 → ∂L/∂x += 0.235 × −3 = −0.705; ∂L/∂w += 0.235 × 2 = 0.47"
    )
    assert steps[3].rule == "out = x · y,  ∂out/∂x = y,  ∂out/∂y = x"


@pytest.mark.parametrize("seed", range(20))
def test_every_operation_is_processed_once_each_way(seed):
    """Forwards in topological order, backwards in the reverse of it."""
    reading = random_reading(seed)
    operations = [reading.ids[v] for v in reading.order if v.op is not None]

    steps, reveal = steps_of(reading)

    forward = [step.ring for step in steps if step.phase == "forward"]
    backward = [step.ring for step in steps if step.phase == "backward"]
    assert forward == operations
    assert backward == [operations[-1], *reversed(operations)]
    assert max(reveal.values()) == len(steps) - 1


@pytest.mark.parametrize("seed", range(20))
def test_a_number_is_never_seen_before_it_is_known(seed):
    """A value with its operation, a contribution with its consumer, a total with its last one."""
    reading = random_reading(seed)
    steps, reveal = steps_of(reading)
    at = {(step.phase, step.ring): i for i, step in enumerate(steps)}

    for node, flows in reading.flows.items():
        for flow in flows:
            assert reveal[f"{flow.id}-g"] == at["backward", reading.ids[node]]
            if flow.source.op is not None:
                assert reveal[f"{flow.id}-f"] == at["forward", reading.ids[flow.source]]
    for node, wires in reading.leaving.items():
        if node not in reading.outs:
            assert reveal[f"{reading.ids[node]}-g"] == max(reveal[f"{id}-g"] for id in wires)


@pytest.mark.parametrize("build", [graphs.neuron, graphs.shared, graphs.network])
def test_the_numbers_said_add_up_to_grad(build):
    """Each value when it is computed; each of its shares once; they sum to its ``grad``."""
    reading = Reading(build())
    steps, _ = steps_of(reading)
    operations = [v for v in reading.order if v.op is not None]
    forward = [step.text for step in steps if step.phase == "forward"]
    backward = [step.text for step in steps if "upstream" in step.text]

    assert [text.rsplit("= ")[-1] for text in forward] == [typeset(v.data) for v in operations]
    received = dict.fromkeys(reading.order, 0.0)
    for node, text in zip(reversed(operations), backward, strict=True):
        assert f"upstream {typeset(node.grad)} " in text
        sources = [v for v in node.inputs if not v.constant]
        products = PRODUCT.findall(text.replace("−", "-"))
        for source, numbers in zip(sources, products, strict=True):
            upstream, slope, product = map(float, numbers)
            assert product == pytest.approx(upstream * slope, rel=2e-2)
            received[source] += product
    for node, total in received.items():
        if node not in reading.outs and not node.constant:
            assert total == pytest.approx(node.grad, rel=1e-2, abs=2e-2)


@pytest.mark.parametrize("op", list(ops.TABLE.values()), ids=lambda op: op.name)
def test_every_rule_can_be_read(op):
    """Each row of the table states its value and its slopes in signs."""
    rule = rule_of(op)

    assert rule.startswith("out = ")
    assert rule.count("∂out/∂") == len(op.domain)
    assert "x" in rule


def test_a_row_of_ones_own_explains_itself(monkeypatch):
    """A new row, and one that runs on no symbols: the first by its formula, the second by name."""
    monkeypatch.setattr(ops, "TABLE", dict(ops.TABLE))
    bell = primitive(
        "bell", "e^{-x^2}", forward=lambda xp, x: xp.exp(-x * x),
        partials=lambda xp, out, x: (-2.0 * x * out,),
    )  # fmt: skip
    step = primitive(
        "step", "s", forward=lambda xp, x: 1.0 if x > 0 else 0.0, partials=lambda xp, out, x: (0.0,)
    )

    assert rule_of(bell) == "out = exp(−x · x),  ∂out/∂x = −2 x · out"
    assert rule_of(step) == "out = step(x)"
    draw(graphs.backward(as_function(step)(Value(2.0)))).svg()


def test_a_picture_of_a_step_hides_what_is_to_come():
    """At the first step no operation has a value; at the last one nothing is hidden."""
    figure = draw(graphs.shared(), engine="builtin")

    assert figure.svg(0).count('visibility="hidden"') == len(figure.figure.reveal)
    assert 'visibility="hidden"' not in figure.svg(-1)


@pytest.mark.parametrize("graph", ["neuron", "shared"])
def test_steps(graph, golden):
    """Every sentence of the stepper, with the rule below it."""
    steps = draw(getattr(graphs, graph)()).steps
    lines = [f"{step.phase} {step.ring} {step.text}\n    {step.rule}" for step in steps]
    golden(f"{graph}-steps.txt", "\n".join(lines) + "\n")


def test_where_a_choice_stops_infinity_nothing_flows():
    """The step and the wire say so: 0 times inf would be nan."""
    x = Value(-1.0, "x")
    y = x.relu().sqrt()
    y.backward()

    figure = draw(y, style="detail", engine="builtin")

    assert figure.steps[-1].text.endswith(
        "nothing flows to x, since the choice took another branch"
    )
    assert ">nothing flows<" in figure.svg()


def test_where_a_choice_stops_a_number_the_rule_is_written_out():
    """The slope of relu is 0 there, and so is the product."""
    x = Value(-1.0, "x")
    y = x.relu() * 2.0
    y.backward()

    assert draw(y, engine="builtin").steps[-1].text.endswith("∂L/∂x += 2 × 0 = 0")
