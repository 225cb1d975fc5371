"""Random graphs with frames, as numbers, for the steps of the built-in layout."""

from random import Random

from tinygrad_edu.viz.layout.ranks import Layers, Nesting, assign_ranks


def acyclic(seed, most=12):
    """(wires, nesting) of a graph in which every wire runs to a greater number."""
    rng = Random(seed)
    count = rng.randint(1, most)
    pairs = [(rng.randrange(count), rng.randrange(count)) for _ in range(rng.randint(0, 2 * count))]
    wires = [(min(u, v), max(u, v)) for u, v in pairs if u != v]
    frames = rng.randint(0, 4)
    home = [rng.randint(-1, frames - 1) for _ in range(count)]
    parent = [rng.randint(-1, frame - 1) for frame in range(frames)]
    return wires, Nesting([f"v{i}" for i in range(count)], home, parent)


def layered(seed):
    """The layers of a random graph, not yet in order."""
    wires, nest = acyclic(seed)
    return Layers(assign_ranks(wires, nest), wires, nest)
