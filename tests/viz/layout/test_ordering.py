"""The order in each column: few crossings, and what is in a frame stays together."""

from itertools import combinations, permutations, product

import pytest

from tests.viz.layout.graphs import layered
from tinygrad_edu.viz.layout.ordering import Ordering, inversions
from tinygrad_edu.viz.layout.ranks import Layers, Nesting, assign_ranks

seeds = pytest.mark.parametrize("seed", range(60))


def crossing_pairs(layers, order):
    """The pairs of wires between neighboring layers that cross, counted one by one."""
    place = {v: i for column in order for i, v in enumerate(column)}
    total = 0
    for left in order:
        wires = [(place[u], place[v] + layers.port[u]) for u in left for v in layers.after[u]]
        total += sum((a[0] - b[0]) * (a[1] - b[1]) < 0 for a, b in combinations(wires, 2))
    return total


def best_of_all(layers):
    """The fewest crossings of all orders of all layers."""
    columns = [
        [v for v, at in enumerate(layers.layer) if at == layer]
        for layer in range(len(layers.order))
    ]
    return min(
        crossing_pairs(layers, order) for order in product(*map(list, map(permutations, columns)))
    )


@pytest.mark.parametrize("numbers", [(), (1,), (1, 2, 3), (3, 2, 1), (2, 2, 1), (2, 0, 1, 0)])
def test_inversions_are_pairs_in_the_wrong_order(numbers):
    """Equal numbers are in order."""
    assert inversions(numbers) == sum(a > b for a, b in combinations(numbers, 2))


@seeds
def test_the_crossings_counted_are_those_of_the_drawing(seed):
    """Each pair of wires that cross is counted once."""
    layers = layered(seed)
    ordering = Ordering(layers)

    assert ordering.crossings() == crossing_pairs(layers, layers.order)


@seeds
def test_the_best_order_seen_is_returned(seed):
    """All vertices, each in its layer, with no more crossings than at first."""
    layers = layered(seed)
    ordering = Ordering(layers)
    at_first = crossing_pairs(layers, layers.order)

    best = ordering.best()

    assert [sorted(column) for column in best] == [
        [v for v, at in enumerate(layers.layer) if at == layer] for layer in range(len(best))
    ]
    assert crossing_pairs(layers, best) <= at_first


@pytest.mark.parametrize(
    "wires",
    [
        [(0, 3), (1, 2)],
        [(0, 4), (1, 3), (2, 3), (0, 3)],
        [(0, 3), (0, 4), (1, 4), (2, 3), (3, 5), (4, 5)],
        [(0, 2), (1, 3), (2, 4), (3, 4), (0, 3)],
    ],
)
def test_small_graphs_have_as_few_crossings_as_can_be(wires):
    """Compared with all orders there are."""
    count = 1 + max(map(max, wires))
    nest = Nesting([f"v{i}" for i in range(count)], [-1] * count, [])
    layers = Layers(assign_ranks(wires, nest), wires, nest)

    assert crossing_pairs(layers, Ordering(layers).best()) == best_of_all(layers)
