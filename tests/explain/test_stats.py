"""graph_stats: how big a graph is."""

import sys
from random import Random

import pytest

from tests.programs import VALUES, random_program
from tinygrad_edu import Value, topological_order
from tinygrad_edu.explain import graph_stats


def depth(node):
    """The longest way down, by recursion."""
    return max((1 + depth(v) for v in node.inputs), default=0)


@pytest.mark.parametrize("seed", range(20))
def test_the_counts_are_those_of_the_graph(seed):
    """Each against a count of its own."""
    root = random_program(Random(seed)).run(VALUES)[-1]
    order = topological_order(root)
    wires = [v for node in order for v in node.inputs]

    stats = graph_stats(root)

    assert stats.values == len(order)
    assert stats.leaves == sum(v.op is None for v in order)
    assert stats.constants == sum(v.constant for v in order)
    assert stats.parameters == stats.leaves - stats.constants
    assert sum(stats.operations.values()) == stats.values - stats.leaves
    assert all(
        n == sum(v.op is not None and v.op.name == op for v in order)
        for op, n in stats.operations.items()
    )
    assert list(stats.operations.values()) == sorted(stats.operations.values(), reverse=True)
    assert stats.edges == len(wires)
    assert stats.shared == sum(wires.count(v) > 1 for v in order)
    assert stats.depth == depth(root)
    assert stats.bytes == len(order) * (sys.getsizeof(root) + 2 * sys.getsizeof(0.5))


def test_a_leaf_is_a_graph():
    """Of one value."""
    stats = graph_stats(Value(2.0, "x"))

    assert (stats.values, stats.parameters, stats.edges, stats.depth) == (1, 1, 0, 0)
    assert stats.operations == {}


def test_the_counts_are_a_table():
    """Numbers in one column, operations below their sum."""
    x = Value(3.0, "x")
    root = x * x + 2.0 * x
    root.label = "<i>"
    stats = graph_stats(root)

    assert str(stats).splitlines()[:-1] == [
        "the graph of <i>",
        "values           5",
        "  parameters     1",
        "  constants      1",
        "  operations     3",
        "    mul          2",
        "    add          1",
        "edges            6",
        "shared values    1",
        "depth            2",
    ]
    assert "the graph of &lt;i&gt;</caption>" in stats._repr_html_()
