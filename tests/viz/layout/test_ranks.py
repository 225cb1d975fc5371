"""The columns of a layered drawing: wires run to the right, leaves stand before their consumer."""

from itertools import pairwise

import pytest

from tests.viz.layout.graphs import acyclic, layered
from tinygrad_edu.engine.errors import SettingError
from tinygrad_edu.viz.layout.ranks import Nesting, assign_ranks, check_length, crossings

seeds = pytest.mark.parametrize("seed", range(60))


def flat(count):
    """Nodes without frames."""
    return Nesting([f"v{i}" for i in range(count)], [-1] * count, [])


def longest(node, wires):
    """The length of the longest path that ends in a node, by recursion."""
    return max((1 + longest(u, wires) for u, v in wires if v == node), default=0)


@seeds
def test_every_wire_runs_to_the_right(seed):
    """By a column at least; the columns are numbered without a gap."""
    wires, nest = acyclic(seed)

    ranks = assign_ranks(wires, nest)

    assert all(ranks[u] < ranks[v] for u, v in wires)
    assert set(ranks) == set(range(max(ranks) + 1))


@seeds
def test_without_frames_there_are_as_few_columns_as_can_be(seed):
    """As many as the longest path has nodes."""
    wires, nest = acyclic(seed)
    count = len(nest.home)

    ranks = assign_ranks(wires, flat(count))

    assert max(ranks) == max(longest(node, wires) for node in range(count))


@pytest.mark.parametrize(
    ("wires", "ranks"),
    [([(0, 3), (1, 3), (3, 4), (2, 4)], [0, 0, 1, 1, 2]), ([(0, 1), (1, 2), (0, 2)], [0, 1, 2])],
    ids=["the bias of a neuron", "a leaf that feeds two"],
)
def test_a_leaf_stands_right_before_the_first_that_it_feeds(wires, ranks):
    """Not in the first column, and moving it would not make any wire shorter."""
    assert assign_ranks(wires, flat(len(ranks))) == ranks


def test_frames_without_wires_both_ways_stand_side_by_side():
    """All of the second frame stands behind all of the first, its leaf too."""
    a, b, w, u = range(4)
    nest = Nesting("abwu", [0, 0, 1, 1], [-1, -1])

    ranks = assign_ranks([(a, u), (b, u), (w, u)], nest)

    assert max(ranks[a], ranks[b]) < min(ranks[w], ranks[u])


def test_a_circle_is_named_from_its_beginning_to_its_end():
    """Whatever leads into it or out of it."""
    with pytest.raises(SettingError, match=r"run in a circle: v1 -> v2 -> v3 -> v1\."):
        assign_ranks([(0, 1), (1, 2), (2, 3), (3, 1), (3, 4)], flat(5))


def test_crossings_are_counted_in_columns():
    """A wire between neighbors crosses one column; too many are refused."""
    assert crossings([0, 1, 5], [(0, 1), (0, 2)]) == 6
    check_length([0, 40_000], [(0, 1)])
    with pytest.raises(SettingError, match="cross 40,001 columns"):
        check_length([0, 40_001], [(0, 1)])


@seeds
def test_a_wire_has_a_vertex_in_every_layer_between_its_ends(seed):
    """Joined to the next one, and in frames that are there."""
    layers = layered(seed)

    for chain in layers.chains:
        assert [layers.layer[v] for v in chain] == [
            *range(layers.layer[chain[0]], layers.layer[chain[-1]] + 1)
        ]
        assert all(b in layers.after[a] and a in layers.before[b] for a, b in pairwise(chain))
    for v, frame in enumerate(layers.home):
        if frame >= 0:
            assert layers.first[frame] <= layers.layer[v] <= layers.last[frame]


def test_frames_are_sorted_inside_out():
    """In whatever order they were listed; the last depth is that of no frame."""
    nest = Nesting([], [], [1, 2, -1, -1])

    assert nest.depth == [3, 2, 1, 1, 0]
    assert nest.inside_out == [0, 1, 2, 3]
