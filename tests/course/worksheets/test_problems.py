"""The graphs on worksheets: numbers for a pencil, and something to think about."""

import pytest

from tinygrad_edu import topological_order
from tinygrad_edu.course import worksheet
from tinygrad_edu.course.worksheets.problems import OPERATIONS
from tinygrad_edu.explain import explain
from tinygrad_edu.expression import evaluate
from tinygrad_edu.shared.tables import typeset

every_level = pytest.mark.parametrize("level", OPERATIONS)
SEEDS = range(40)


@every_level
def test_every_number_is_short(level):
    """Values, gradients and what flows on each wire: quarters, as exact as they are printed."""
    for seed in SEEDS:
        sheet = worksheet(seed, level=level)
        order = topological_order(sheet.term.value)
        passed = [path.product for v in sheet.leaves for path in explain(v, sheet.term.value).paths]
        for x in [v.data for v in order] + [v.grad for v in order] + passed:
            assert 4.0 * x == int(4.0 * x)
        for x in [v.data for v in order] + [v.grad for v in order]:
            assert float(typeset(x).replace("−", "-")) == x
            assert abs(x) <= 24.0


@every_level
def test_the_formula_is_the_graph(level):
    """Read as text it has the value and the gradients of the drawn graph."""
    for seed in SEEDS:
        sheet = worksheet(seed, level=level)
        text = sheet.term.text.replace("·", "*").replace("−", "-")

        root, leaves = evaluate(text, {v.label: v.data for v in sheet.leaves})
        root.backward()

        assert root.data == sheet.term.value.data
        assert {name: v.grad for name, v in leaves.items()} == {
            v.label: v.grad for v in sheet.leaves
        }


@every_level
def test_there_is_something_to_think_about(level):
    """So many operations, a product, a value used twice, no gradient of 0, no max of equals."""
    for seed in SEEDS:
        sheet = worksheet(seed, level=level)
        nodes = [v for v in topological_order(sheet.term.value) if v.op is not None]
        used = [v for node in nodes for v in node.inputs]

        assert len(nodes) == OPERATIONS[level]
        assert "mul" in {node.op.name for node in nodes}
        assert 2 in [used.count(leaf) for leaf in sheet.leaves]
        assert all(leaf.grad for leaf in sheet.leaves)
        maxima = [v.inputs for v in nodes if v.op.name == "maximum"]
        assert all(x.data != y.data for x, y in maxima)
