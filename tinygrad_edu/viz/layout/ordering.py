"""Second step of a layered drawing: the order in each layer, with few crossings.

Barycenter sweeps after Sugiyama, Tagawa and Toda (1981): each vertex goes to the mean place of its
neighbors in the layer before, from the left to the right, then back, as long as that undoes
crossings. To find the fewest is NP-hard, even for two layers.

What is in a frame stays together: a layer is sorted frame by frame, a frame being one unit of the
frame around it. Units are vertices, and ~frames.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence

from tinygrad_edu.viz.layout.ranks import Layers

SWEEPS = 12  # more find hardly fewer crossings
PATIENCE = 3  # sweeps in a row that find no fewer crossings


class Ordering:
    """Crossing reduction: barycenter sweeps, the best by counted crossings kept."""

    def __init__(self, layers: Layers) -> None:
        self.layers = layers
        self.place = [0.0] * len(layers.layer)  # of each vertex, from the middle of its layer
        first = self._operands_first()
        found: dict[int, list[int]] = {}
        for v, frame in enumerate(layers.home):
            while frame >= 0:
                found.setdefault(frame, []).append(first[v])
                frame = layers.nest.parent[frame]
        # one order of frames for all layers: they are bands, and bands can't swap on the way
        self.band = {f: sum(firsts) / len(firsts) for f, firsts in found.items()}
        self.groups = self._grouped(sorted(range(len(first)), key=first.__getitem__))
        for layer in range(len(layers.order)):
            self._arrange(layer, [])

    def best(self) -> list[list[int]]:
        """Return the order with the fewest crossings of all sweeps; of equals the first."""
        layers = self.layers
        best, fewest, idle = [list(o) for o in layers.order], self.crossings(), 0
        for sweep in range(layers.sweeps(SWEEPS)):
            if not fewest or idle == PATIENCE:
                break
            forwards = sweep % 2 == 1
            numbers = range(len(layers.order))
            for layer in numbers if forwards else reversed(numbers):
                self._arrange(layer, layers.before if forwards else layers.after)
            found, idle = self.crossings(), idle + 1
            if found < fewest:
                best, fewest, idle = [list(o) for o in layers.order], found, 0
        return best

    def crossings(self) -> int:
        """Count the pairs of wires that cross."""
        layers, place, total = self.layers, self.place, 0
        for odd in layers.order[1::2]:  # every wire has a vertex in each odd layer that it crosses
            wires = [v for v in odd if layers.before[v]]
            total += inversions([place[layers.before[v][0]] for v in wires])
            total += inversions([place[layers.after[v][0]] + layers.port[v] for v in wires])
        return total

    def _operands_first(self) -> list[int]:
        """Number vertices depth-first from the results, operands in their order."""
        layers = self.layers
        number = [-1] * len(layers.layer)
        count = 0
        for root in range(len(number)):
            stack = [] if layers.after[root] else [root]
            while stack:
                v = stack.pop()
                if number[v] < 0:
                    number[v] = count
                    count += 1
                    stack.extend(reversed(layers.before[v]))
        return number

    def _grouped(self, vertices: Sequence[int]) -> list[dict[int, list[int]]]:
        """Group each layer by what units stand directly in each frame, inner frames first."""
        layers = self.layers
        groups: list[dict[int, list[int]]] = [{} for _ in layers.order]
        for v in vertices:
            groups[layers.layer[v]].setdefault(layers.home[v], []).append(v)
        for frame in layers.inside_out:
            for group in groups[layers.first[frame] : layers.last[frame] + 1]:
                group[frame] = group.pop(frame)  # to the end: after the frames inside it
                group.setdefault(layers.nest.parent[frame], []).append(~frame)
        for group in groups:
            group[-1] = group.pop(-1)
        return groups

    def _arrange(self, layer: int, towards: list[list[int]]) -> None:
        """Sort a layer by the mean place of its neighbors on one side, frame by frame."""
        place, port, group = self.place, self.layers.port, self.groups[layer]
        aims: dict[int, float] = {}
        if towards:
            back = towards is self.layers.before
            for v in self.layers.order[layer]:
                near = towards[v]
                if len(near) == 1:
                    aims[v] = place[near[0]] + (port[near[0]] if back else port[v])
                elif near:
                    aims[v] = sum([place[u] for u in near]) / len(near)
        for frame, units in group.items():
            ordered = _fill(units, sorted((u for u in units if u in aims), key=aims.__getitem__))
            if frame >= 0 or any(u < 0 for u in units):
                bands = sorted((u for u in units if u < 0), key=lambda u: self.band[~u])
                ordered = _fill(ordered, bands)
                known = [aims[u] for u in units if u in aims]
                if known:
                    aims[~frame] = sum(known) / len(known)
            group[frame] = ordered
        self.layers.order[layer] = flat = _flatten(group)
        middle = (len(flat) - 1) / 2
        for i, v in enumerate(flat):
            place[v] = i - middle


def _fill(units: list[int], ordered: list[int]) -> list[int]:
    """Put ``ordered`` where its members stand among the units; the others keep their places."""
    if len(ordered) == len(units):
        return ordered
    members, following = set(ordered), iter(ordered)
    return [next(following) if u in members else u for u in units]


def _flatten(group: dict[int, list[int]]) -> list[int]:
    """List the vertices of a layer from the top, frames opened."""
    flat: list[int] = []
    stack = list(reversed(group[-1]))
    while stack:
        unit = stack.pop()
        if unit >= 0:
            flat.append(unit)
        else:
            stack.extend(reversed(group[~unit]))
    return flat


def inversions(numbers: Iterable[float]) -> int:
    """Count the pairs in which the greater number comes first."""
    seen: list[float] = []
    total = 0
    for number in numbers:
        at = bisect_right(seen, number)
        total += len(seen) - at
        seen.insert(at, number)
    return total
