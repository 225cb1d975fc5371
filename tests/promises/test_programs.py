"""Promises of compiled programs: what is printed is what runs, and what happens between runs."""

import pickle
from dataclasses import dataclass
from random import Random

import pytest

from benchmarks.families import FAMILIES, Ours
from tests import programs
from tests.agreement import tame_programs
from tests.compiler.test_equations import differences
from tests.compiler.test_program_layers import network
from tests.samples import all_depend
from tests.targets import HERE
from tinygrad_edu import compile_graph
from tinygrad_edu.engine import ieee, topological_order
from tinygrad_edu.engine.errors import StaleGraphError

STEPS = (
    "backward",
    "backward",
    "forward",
    "assign",
    "change",
    "constant",
    "pickle",
    "rows",
    "push",
)


@pytest.mark.slow
@pytest.mark.promise(name="equations")
def test_what_is_printed_is_what_runs(cases, measured):
    """Loss and gradient by the equations alone: families of models, whole graphs, and rows."""
    worst = 0.0
    for family in FAMILIES if cases > 100 else FAMILIES[:3]:
        ours = Ours(family)
        worst = max(worst, *differences(ours.program, ours.rows))
    for program in tame_programs(cases - 2 * (cases // 3)):
        root = program.run(programs.VALUES)[-1]
        if not root.constant and root.op is not None:
            worst = max(worst, *differences(compile_graph(root)))
    for seed in range(cases // 3):
        root, inputs = network(Random(seed))
        rows = [[Random(seed + i).uniform(-1.0, 1.0) for _ in inputs] for i in range(seed % 4 + 1)]
        worst = max(worst, *differences(compile_graph(root)))
        worst = max(worst, *differences(compile_graph(root, inputs), rows))
    assert worst < 1e-12
    measured(f"{len(FAMILIES)} models, {cases:,} random programs; {worst:.0e} at most")


@dataclass
class Eager:
    """A graph that is computed anew for each row, number by number, from the leaves' numbers."""

    seed: int
    reduce: str

    def __post_init__(self):
        self.root, self.inputs = network(Random(self.seed))
        self.order = topological_order(self.root)
        given = {*self.inputs}
        leaves = [v for v in self.order if v.op is None and v not in given]
        self.learned = [v for v in leaves if not v.constant]
        self.constants = [v for v in leaves if v.constant]

    def run(self, rows):
        """Loss, gradient by leaf, and what the last node before the result is in each row."""
        losses, outputs = [], []
        for v in self.learned:
            v.grad = 0.0
        share = 1.0 / len(rows) if self.reduce == "mean" else 1.0
        for row in rows:
            for v, number in zip(self.inputs, row, strict=True):
                v.data = number
            for node in self.order:
                if node.op is not None:
                    node._data = node.op.forward(ieee, *[v.data for v in node.inputs])
            self.root.backward(share)
            losses.append(self.root.data * share)
            outputs.append(self.order[-2].data)
        return sum(losses), [v.grad for v in self.learned], outputs


def story(seed):
    """Tell what happens to a program, and compare it with a fresh graph after every step."""
    rng = Random(seed)
    reduce, target = rng.choice(("mean", "sum")), rng.choice((*HERE, "auto"))
    mine = Eager(seed, "mean")
    if not all_depend(mine.root, mine.inputs):  # what depends on no row would be added once
        reduce = "mean"
    fresh = Eager(seed, reduce)
    outputs = [mine.order[-2]] * rng.randint(0, 2)
    program = compile_graph(mine.root, mine.inputs, reduce, target=target, outputs=outputs)
    place = {v: at for at, v in enumerate(program.parameters)}
    at = [place[v] for v in mine.learned]
    rows, told, gradient = [[0.5] * 3], ["compiled"], None
    for _ in range(rng.randint(4, 10)):
        told.append(rng.choice(STEPS))
        match told[-1]:
            case "rows":
                rows = [
                    [rng.uniform(-1.0, 1.0) for _ in range(3)] for _ in range(rng.randint(1, 5))
                ]
            case "assign":
                program.vector = numbers = [rng.uniform(-1.0, 1.0) for _ in at]
                program.push()
                assert [p.data for p in program.parameters] == numbers, told
            case "change":
                rng.choice(program.parameters).data = rng.uniform(-1.0, 1.0)
                program.pull()
                assert [p.data for p in program.parameters] == [*program.vector], told
            case "push":
                program.push()
            case "pickle":
                program = pickle.loads(pickle.dumps(program))
            case "constant" if mine.constants and "pickle" not in told:
                which = rng.randrange(len(mine.constants))
                before, mine.constants[which].data = mine.constants[which].data, 0.7
                try:
                    program.pull()
                    fresh.constants[which].data = 0.7
                except StaleGraphError:  # it is part of the code, and said so
                    mine.constants[which].data = before
                    program.pull()
        for v, place_of in zip(fresh.learned, at, strict=True):
            v.data = float(program.vector[place_of])
        loss, slopes, values = fresh.run(rows)
        if told[-1] == "backward":
            assert program.backward(rows) == pytest.approx(loss, abs=1e-11), told
            gradient = slopes
        else:
            assert program.forward(rows) == pytest.approx(loss, abs=1e-11), told
        if gradient is not None:
            found = [float(program.gradient[place_of]) for place_of in at]
            assert found == pytest.approx(gradient, abs=1e-10), told
        shown = [[*map(float, row)] for row in program.outputs()]
        assert shown == [pytest.approx([value] * len(outputs), abs=1e-11) for value in values], told


@pytest.mark.slow
@pytest.mark.promise(name="between-runs")
def test_a_program_between_its_runs_is_a_fresh_graph(cases, measured):
    """Runs, assignments, other rows, other constants, copies: the same numbers, whatever came."""
    for seed in range(cases):
        story(seed)
    measured(f"{cases:,} stories of up to 10 steps on targets {', '.join(HERE)}")
