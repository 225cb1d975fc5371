"""The steps in time: every operation forwards, then backwards, with the numbers of its rule."""

from random import Random

import pytest

from tests import graphs, programs
from tinygrad_edu import Value, as_function, primitive
from tinygrad_edu.engine import ops
from tinygrad_edu.viz import draw
from tinygrad_edu.viz.reading import Reading
from tinygrad_edu.viz.steps import rule_of, steps_of


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
    root = graphs.backward(programs.random_program(Random(seed), steps=20).run(programs.VALUES)[-1])
    reading = Reading(root)
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
    root = graphs.backward(programs.random_program(Random(seed), steps=20).run(programs.VALUES)[-1])
    reading = Reading(root)
    steps, reveal = steps_of(reading)
    at = {(step.phase, step.ring): i for i, step in enumerate(steps)}

    for node, flows in reading.flows.items():
        for flow in flows:
            assert reveal[f"{flow.id}-g"] == at["backward", reading.ids[node]]
            if flow.source.op is not None:
                assert reveal[f"{flow.id}-f"] == at["forward", reading.ids[flow.source]]
    for node, wires in reading.leaving.items():
        if node is not root:
            assert reveal[f"{reading.ids[node]}-g"] == max(reveal[f"{id}-g"] for id in wires)


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

    assert rule_of(bell) == "out = exp(−x · x),  ∂out/∂x = (−2 x) · out"
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
