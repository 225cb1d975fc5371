"""The programs that are timed are of the size that was asked for."""

from random import Random

import pytest

from benchmarks.workloads import chain, pairwise_sum, random_program, run
from tinygrad_edu import Value, topological_order


def test_a_random_program_has_the_size_asked_for_and_stays_shallow():
    """Its graph is within a tenth of the size, and no deeper than recursion can go."""
    root, _ = run(random_program(20_000, Random(0)), Value)

    order = topological_order(root)
    depth = {}
    for node in order:
        depth[node] = 1 + max((depth[v] for v in node.inputs), default=0)

    assert 18_000 <= len(order) <= 22_000
    assert depth[root] < 500


def test_a_random_program_keeps_its_numbers_and_slopes_alive():
    """Most leaves matter to the result, or there would be nothing to compare."""
    root, leaves = run(random_program(5_000, Random(0)), Value)

    root.backward()

    assert sum(leaf.grad != 0.0 for leaf in leaves) > len(leaves) / 4
    assert max(abs(leaf.grad) for leaf in leaves) < 1e6


@pytest.mark.parametrize("length", [1, 2, 3, 7, 8])
def test_pairwise_sum_adds_all(length):
    """Of 1, 2, 3, ... it is the triangular number."""
    assert pairwise_sum(range(1, length + 1)) == length * (length + 1) // 2


def test_a_chain_is_as_long_as_asked():
    """So many multiplications, and two leaves."""
    root, weight = chain(10, Value)

    assert len(topological_order(root)) == 12
    assert root.data == pytest.approx(weight.data**10, rel=1e-15)
