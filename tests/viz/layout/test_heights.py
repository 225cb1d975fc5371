"""The heights of a layered drawing: order and distances are kept, and long wires are straight."""

from itertools import pairwise
from random import Random

import pytest

from tests.viz.layout.graphs import layered
from tinygrad_edu.viz.layout.heights import MARGIN, NODE_GAP, WIRE_ROOM, Heights
from tinygrad_edu.viz.layout.ordering import Ordering

NEAR = 1e-6
seeds = pytest.mark.parametrize("seed", range(60))


def heights_of(layers):
    """The heights of a graph whose nodes are 36 points tall, its labels 30."""
    layers.order = Ordering(layers).best()
    count = len(layers.nest.home)
    tall = [36.0 if v < count else 30.0 * (at % 2) for v, at in enumerate(layers.layer)]
    titles = [10.0] * len(layers.nest.parent)
    return Heights(layers, tall, titles, [0.0] * len(tall)), tall


@seeds
def test_order_and_room_are_kept_in_every_column(seed):
    """From the middle of a token to the next there are half of both, and the gap between them."""
    layers = layered(seed)
    heights, tall = heights_of(layers)

    y = heights.solve()

    count = len(layers.nest.home)
    for column in layers.order:
        for a, b in pairwise(column):
            gap = sum(NODE_GAP / 2 if v < count else WIRE_ROOM for v in (a, b))
            assert y[b] - y[a] >= (tall[a] + tall[b]) / 2 + gap - NEAR


@seeds
def test_a_frame_is_one_level_stretch_round_what_is_in_it(seed):
    """Its upper edge is above all of it, below the title; its lower edge is below all of it."""
    layers = layered(seed)
    heights, tall = heights_of(layers)

    y = heights.solve()

    for v, home in enumerate(layers.home):
        if home >= 0:
            top, bottom = y[len(tall) + 2 * home], y[len(tall) + 2 * home + 1]
            assert top + 10.0 + MARGIN <= y[v] - tall[v] / 2 + NEAR
            assert y[v] + tall[v] / 2 + MARGIN <= bottom + NEAR


@seeds
def test_a_column_settles_nearest_to_what_was_wished(seed):
    """No other heights with the same room have a smaller sum of weighted squares."""
    rng, layers = Random(seed), layered(seed)
    heights, _ = heights_of(layers)
    layer = max(range(len(heights.columns)), key=lambda i: len(heights.columns[i]))
    column, steps = heights.columns[layer], heights.steps[layer]
    wished = [rng.gauss(0.0, 100.0) for _ in column]

    def cost(found):
        return sum(
            heights.weight[token] * (at - wish) ** 2
            for token, at, wish in zip(column, found, wished, strict=True)
        )

    heights._settle(layer, wished)

    found = [heights.y[token] for token in column]
    above = [at - step for at, step in zip(found, steps, strict=False)]
    assert all(a <= b + NEAR for a, b in pairwise(above))
    for _ in range(200):  # a step towards any other heights that keep the room costs more
        other = sorted(a + rng.gauss(0.0, 50.0) for a in above)
        moved = [
            at + 0.01 * (new + step - at)
            for at, new, step in zip(found, other, steps, strict=False)
        ]
        assert cost(moved) >= cost(found) - NEAR
