"""The steps of a figure in time: the forward pass, then the backward pass, in sentences."""

from __future__ import annotations

from tinygrad_edu.engine import Value, formulas, symbols
from tinygrad_edu.engine.errors import SettingError
from tinygrad_edu.engine.guards import outdated
from tinygrad_edu.engine.ops import Primitive
from tinygrad_edu.shared.tables import typeset
from tinygrad_edu.viz.figure import Step, shortened
from tinygrad_edu.viz.reading import Flow, Reading, glyph


def steps_of(reading: Reading) -> tuple[tuple[Step, ...], dict[str, int]]:
    """Write the steps, and tell from which step on each line of text is seen.

    What is known at the start (leaves, and what is computed from values not drawn) is in neither.
    """
    steps = [Step("start", "", (), "The leaves have their values; nothing is computed yet.", "")]
    reveal: dict[str, int] = {}
    for node in reading.shown:
        if node.op is not None:
            steps.append(_forward(node, reading))
            for id in (*reading.leaving[node], reading.ids[node]):
                reveal[f"{id}-f"] = len(steps) - 1
    if not reading.has_gradients:
        return tuple(steps), reveal
    waiting = {node: len(wires) for node, wires in reading.leaving.items()}
    for root, out in reading.outs.items():
        waiting[root] -= 1  # nothing is added on the wire that leaves here
        if not waiting[root]:
            seed = f"Backward from the result L: ∂L/∂L = {typeset(root.grad)}"
            if len(reading.outs) > 1:
                what = f"result {shortened(root.label) or glyph(root) or typeset(root.data)}"
                seed = f"Backward from the {what}: its gradient is {typeset(root.grad)}"
            steps.append(Step("backward", reading.ids[root], (out,), seed, ""))
            reveal |= {f"{out}-g": len(steps) - 1, f"{reading.ids[root]}-g": len(steps) - 1}
    for node in reversed(reading.shown):
        if node.op is None:
            continue
        steps.append(_backward(node, reading))
        for flow in reading.flows[node]:
            reveal[f"{flow.id}-g"] = reveal[f"{flow.id}-l"] = len(steps) - 1
            if flow.source in waiting:
                waiting[flow.source] -= 1
                if not waiting[flow.source]:
                    reveal[f"{reading.ids[flow.source]}-g"] = len(steps) - 1
                    if flow.source in reading.outs:
                        reveal[f"{reading.outs[flow.source]}-g"] = len(steps) - 1
    return tuple(steps), reveal


def rule_of(op: Primitive) -> str:
    """Write the rule of a row in signs: "out = x · y, ∂out/∂x = y, ∂out/∂y = x".

    Examples
    --------
    >>> from tinygrad_edu import ops
    >>> from tinygrad_edu.viz.steps import rule_of
    >>> rule_of(ops.MUL)
    'out = x · y,  ∂out/∂x = y,  ∂out/∂y = x'
    """
    names = ["x", "y"][: op.arity]
    of = {"x0": "x", "x1": "y", "out": "out"}
    inputs = [symbols.variable(f"x{i}") for i in range(len(names))]
    try:
        value = symbols.forward_of(op, *inputs)
        partials = symbols.partials_of(op, symbols.variable("out"), *inputs)
    except (SettingError, TypeError, AttributeError):
        return f"out = {op.name}({', '.join(names)})"  # a row that is not for symbols
    sides = ["out", *(f"∂out/∂{x}" for x in names)]
    written = (formulas.as_math(atom, of, times="·") for atom in (value, *partials))
    return ",  ".join(f"{side} = {text}" for side, text in zip(sides, written, strict=True))


def _contribution(flow: Flow) -> str:
    """Write one contribution in numbers: "∂L/∂x += 0.235 × −3 = −0.705"."""
    sides = ("left", "right") if len(flow.target.inputs) == 2 else ("input",)
    source = " ".join(flow.source.label.split())[:24] or sides[flow.operand]
    if flow.is_cut:
        return f"nothing flows to {source}, since the choice took another branch"
    numbers = f"{typeset(flow.cotangent)} × {typeset(flow.partial)} = {typeset(flow.contribution)}"
    return f"∂L/∂{source} += {numbers}"


def _forward(node: Value, reading: Reading) -> Step:
    """Tell what an operation computes, with the numbers."""
    numbers = [typeset(v.data) for v in node.inputs]
    sign = glyph(node)
    if len(numbers) == 2 and not sign.isalpha():
        right = f"({numbers[1]})" if numbers[1].startswith("−") else numbers[1]
        text = f"{numbers[0]} {sign} {right}"
    else:
        text = f"{sign}({', '.join(numbers)})"
    wires = tuple(flow.id for flow in reading.flows[node])
    result = f"{node.label} = " if node.label else ""
    sentence = f"{sign}: {result}{text} = {typeset(node.data)}"
    if (now := outdated(node)) is not None:
        was = f"{result}{typeset(node.data)} when it was computed: a value was changed since"
        sentence = f"{sign}: {text} = {typeset(now)} now, but {was}"
    return Step("forward", reading.ids[node], wires, sentence, _rule(node))


def _backward(node: Value, reading: Reading) -> Step:
    """Tell what becomes of upstream on each wire."""
    flows = reading.flows[node]
    terms = [_contribution(flow) for flow in flows if not flow.source.constant]
    sentence = f"{glyph(node)}: upstream {typeset(node.grad)} → " + (
        "; ".join(terms) or "its inputs are constants, which keep no gradient"
    )
    ids = tuple(flow.id for flow in flows)
    return Step("backward", reading.ids[node], ids, sentence, _rule(node))


def _rule(node: Value) -> str:
    return rule_of(node.op) if node.op is not None else ""
