"""The style "folded": one box per module, for graphs too large to draw value by value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import fsum, hypot, isnan, nan, sqrt

from tinygrad_edu.engine import Value
from tinygrad_edu.engine.guards import FROZEN, outdated
from tinygrad_edu.shared.tables import plural, typeset
from tinygrad_edu.viz.figure import Figure, Line, Node, Step, Wire, largest, line, shortened
from tinygrad_edu.viz.reading import Flow, Reading, results, scope, tooltip

OUTSIDE = "loss"  # what operations in no module are called, where modules come before them


@dataclass
class Group:
    """The values that one box stands for."""

    id: str
    title: str
    stage: int = 0
    operations: list[Value] = field(default_factory=list)
    parameters: list[Value] = field(default_factory=list)
    constants: list[Value] = field(default_factory=list)


def folded(reading: Reading, depth: int = 1) -> Figure:
    """Draw modules ``depth`` deep as boxes, and what goes from one to the next as wires."""
    group_of, groups = fold(reading, depth)
    flows: dict[tuple[str, str], list[Flow]] = {}
    for node, some in reading.flows.items():
        for flow in some:
            ends = group_of[flow.source].id, group_of[node].id
            if ends[0] != ends[1]:
                flows.setdefault(ends, []).append(flow)
    sums = {ends: _through(some) for ends, some in flows.items()}
    most = largest(size for size, _ in sums.values())
    wires = [
        _wire(number, ends, some, sums[ends][0] / most, reading)
        for number, (ends, some) in enumerate(flows.items())
    ]
    nodes = [_node(group, reading) for group in groups]
    leaving, outs = results(reading, lambda root: group_of[root].id)
    title = f"{len(reading.order):,} values folded to {len(groups)} boxes"
    return Figure((*nodes, *outs), (*wires, *leaving), steps=_steps(groups, reading), title=title)


def fold(reading: Reading, depth: int) -> tuple[dict[Value, Group], list[Group]]:
    """Find the group of each value, and the groups in an order in which wires run forwards.

    An operation belongs to its module, and to the stage of its data: one stage later than what
    reaches it from other modules, so that a module used twice is two boxes and no wire runs
    back. A leaf belongs to the one innermost module that uses it; else it is an input.
    """
    found: dict[tuple[str, int], Group] = {}  # by path and stage
    group_of: dict[Value, Group] = {}
    for node, stage in _stages(reading, depth).items():
        key = (_folded_path(node, depth), stage)
        if key not in found:
            found[key] = Group(f"g{len(found)}", *key)
        group_of[node] = found[key]
        group_of[node].operations.append(node)
    inputs = Group("inputs", "inputs")
    for leaf, users in _users(reading).items():
        group = group_of[leaf] = _home(leaf, users, group_of, reading) or inputs
        (group.constants if leaf.constant else group.parameters).append(leaf)
    every = sorted(found.values(), key=lambda group: group.stage)
    for i, group in enumerate(every):
        if not group.title:  # what is in no module: the loss at the end, operations elsewhere
            group.title = OUTSIDE if i and i == len(every) - 1 else "operations"
    return group_of, [inputs, *every] if inputs.parameters or inputs.constants else every


def _stages(reading: Reading, depth: int) -> dict[Value, int]:
    """Count the stage of each operation; one that only its own module uses moves to its user."""
    stages: dict[Value, int] = {}
    path = {node: _folded_path(node, depth) for node in reading.order if node.op is not None}
    for node, own in path.items():
        before = (stages[v] + (path[v] != own) for v in node.inputs if v in path)
        stages[node] = max(before, default=1)
    users: dict[Value, list[Value]] = {node: [] for node in path}
    for node in path:
        for v in node.inputs:
            if v in path:
                users[v].append(node)
    for node in reversed(reading.order):
        if users.get(node) and all(path[user] == path[node] for user in users[node]):
            stages[node] = min(stages[user] for user in users[node])
    return stages


def _home(
    leaf: Value, users: Sequence[Value], group_of: dict[Value, Group], reading: Reading
) -> Group | None:
    """Find the box of a leaf: that of its module, unless an earlier box needs the leaf, too."""
    scopes = {reading.home[leaf]} if reading.home[leaf] else set(map(scope, users))
    own = [group_of[user] for user in users if scope(user) in scopes]
    first = min(own, key=lambda group: group.stage, default=None)
    if first is None or not (leaf.constant or reading.home[leaf]):
        return None
    others = (group_of[user] for user in users)
    return first if all(g is first or g.stage > first.stage for g in others) else None


def _users(reading: Reading) -> dict[Value, list[Value]]:
    """List the operations that use each leaf, in order."""
    users: dict[Value, list[Value]] = {v: [] for v in reading.order if v.op is None}
    for node in reading.order:
        for v in node.inputs:
            if v.op is None:
                users[v].append(node)
    return users


def _folded_path(node: Value, depth: int) -> str:
    return "/".join(scope(node).split("/")[:depth])


def _through(flows: Sequence[Flow]) -> tuple[float, int]:
    """Return the size of what flows back over several wires, and how many values they carry."""
    size = hypot(*[flow.contribution for flow in flows])
    return size, len(dict.fromkeys(flow.source for flow in flows))


def _node(group: Group, reading: Reading) -> Node:
    members = [*group.parameters, *group.constants, *group.operations]
    if len(members) == 1 and members[0].op is None:
        leaf = members[0]
        name = (Line(shortened(leaf.label) or typeset(leaf.data), "name"),)
        return Node(group.id, "box", leaf.kind, (name,), tooltip=tooltip(leaf, False))
    if group.id == "inputs":
        count = plural(len(members), "value")
        lines = [Line(group.title, "name"), Line(count, "faint")]
        return Node(group.id, "box", "constant", (tuple(lines),), tooltip=count)
    frozen = [v for v in group.constants if v.constant == FROZEN]
    parts = [(group.parameters, "param"), (frozen, "frozen param"), (group.operations, "op")]
    words = " · ".join(plural(len(some), noun) for some, noun in parts if some)
    lines = [Line(group.title, "name"), Line(words, "faint")]
    if reading.has_gradients:
        lines.append(Line(_sizes(group), "gradient"))
    if changed := [node for node in group.operations if outdated(node) is not None]:
        lines.append(Line(f"stale: {plural(len(changed), 'op')}", "warning"))
    return Node(group.id, "box", "group", (tuple(lines),), tooltip=f"{group.title}\n{words}")


def _sizes(group: Group) -> str:
    """Write the root mean square and the largest gradient: of parameters, else of all values."""
    sizes = [abs(v.grad) for v in group.parameters or group.operations]
    rms, most = hypot(*sizes) / sqrt(len(sizes)), nan if any(map(isnan, sizes)) else max(sizes)
    return f"|∇| rms {typeset(rms)} max {typeset(most)}"


def _wire(
    i: int, ends: tuple[str, str], flows: Sequence[Flow], weight: float, reading: Reading
) -> Wire:
    """Draw one value with its contribution; or how many values, and the size of their gradient."""
    size, count = _through(flows)
    below: tuple[Line, ...] = ()
    if count == 1:
        above = (line(flows[0].source.data, "forward"),)
        if reading.has_gradients and not flows[0].source.constant:
            below = (line(_total([flow.contribution for flow in flows]), "gradient"),)
    else:
        above = (Line(f"{count:,} values", "forward"),)
        if reading.has_gradients:
            below = (line(size / sqrt(len(flows)), "gradient", prefix="rms "),)
    text = f"{count:,} values over {len(flows):,} wires"
    return Wire(f"w{i}", *ends, above, below, weight if weight == weight else 1.0, text)


def _total(numbers: Sequence[float]) -> float:
    """Add up without rounding, but where there are infinities, which cancel to nan."""
    try:
        return fsum(numbers)
    except (OverflowError, ValueError):
        return sum(numbers)


def _steps(groups: Sequence[Group], reading: Reading) -> tuple[Step, ...]:
    """Step from box to box, forwards and backwards."""
    steps = [Step("start", "", (), "Each box stands for a part of the network.", "")]
    boxes = [group for group in groups if group.operations]
    for group in boxes:
        count, last = plural(len(group.operations), "op"), group.operations[-1]
        text = f"{group.title}: {count}, the last gives {typeset(last.data)}"
        steps.append(Step("forward", group.id, (), text, ""))
    for group in reversed(boxes) if reading.has_gradients else ():
        what = plural(len(group.parameters), "param") if group.parameters else "no params"
        steps.append(Step("backward", group.id, (), f"{group.title}: {what}, {_sizes(group)}", ""))
    return tuple(steps)
