"""First step of a layered drawing: the column each node stands in, and the layers of vertices.

Nodes, links and frames are numbers here. A node's rank is the length of the longest path that ends
in it, so every wire runs to the right. Frames must not be torn apart by that, so each has two
borders that take part as if they were nodes (Sander, Layout of compound directed graphs, 1996):
what is in a frame stands between its borders.

Even layers hold nodes, the odd ones between them the labels of wires. Where a wire crosses a layer
it has a vertex of its own, so that the next steps settle order and room for nodes, labels and
passing wires at once (the dummy vertices of Sugiyama, Tagawa and Toda, 1981).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from tinygrad_edu.engine.errors import SettingError

FEW_SWEEPS = ((20_000, 2), (8_000, 3))  # with more vertices than that, fewer sweeps
MOST_CROSSINGS = 40_000  # of wires with columns: two seconds of work, and more than anyone reads


@dataclass(frozen=True)
class Nesting:
    """Which frame a node (``home``) or a frame (``parent``) is directly in, -1 for none."""

    names: Sequence[str]
    home: list[int]
    parent: list[int]

    @cached_property
    def depth(self) -> list[int]:
        """Count the frames around each frame, itself included; a last entry 0 is found by -1."""
        depth = []
        for frame in range(len(self.parent)):
            count = 0
            while frame >= 0:
                count, frame = count + 1, self.parent[frame]
            depth.append(count)
        return [*depth, 0]

    @cached_property
    def inside_out(self) -> list[int]:
        """Sort the frames, each before the one it is in."""
        return sorted(range(len(self.parent)), key=lambda frame: -self.depth[frame])

    def meeting(self, u: int, v: int) -> tuple[int, int, int]:
        """Find the innermost frame round both, and what in it holds each: the node or a ~frame."""
        a, b, above_a, above_b = u, v, self.home[u], self.home[v]
        while above_a != above_b:
            if self.depth[above_a] >= self.depth[above_b]:
                a, above_a = ~above_a, self.parent[above_a]
            else:
                b, above_b = ~above_b, self.parent[above_b]
        return above_a, a, b


def assign_ranks(links: Sequence[tuple[int, int]], nest: Nesting) -> list[int]:
    """Find the column of each node: longest paths, but leaves stand right before what they feed."""
    count = len(nest.home)
    after: list[list[tuple[int, int]]] = [[] for _ in range(count + 2 * len(nest.parent))]
    for u, v, length in _constraints(links, nest):
        after[u].append((v, length))
    rank, order = _longest_paths(after, nest)
    movable = _movable(links, count, order)
    for u in reversed(order):
        left_border = u >= count and (u - count) % 2 == 0
        if after[u] and (left_border or (u < count and movable[u])):
            rank[u] = min(rank[v] - length for v, length in after[u])
    used = {r: i for i, r in enumerate(sorted(set(rank[:count])))}  # no column stays empty
    return [used[r] for r in rank[:count]]


def _constraints(links: Sequence[tuple[int, int]], nest: Nesting) -> Iterable[tuple[int, int, int]]:
    """Yield (u, v, length): v stands at least length ranks after u.

    Frame f has its left border at count + 2 f and its right border behind that.
    """
    count = len(nest.home)
    yield from ((u, v, 1) for u, v in links)
    for inner, outer in [*enumerate(nest.home), *((~f, p) for f, p in enumerate(nest.parent))]:
        if outer >= 0:
            left = inner if inner >= 0 else count + 2 * ~inner
            yield count + 2 * outer, left, 0
            yield left + (inner < 0), count + 2 * outer + 1, 0
    for a, b in _separable(links, nest):
        yield a if a >= 0 else count + 2 * ~a + 1, b if b >= 0 else count + 2 * ~b, 1


def _separable(links: Sequence[tuple[int, int]], nest: Nesting) -> Iterable[tuple[int, int]]:
    """Yield neighbors in a frame that can stand side by side: no wires run both ways."""
    if not nest.parent:
        return
    pairs: dict[int, dict[tuple[int, int], None]] = {}
    for u, v in links:
        outer, a, b = nest.meeting(u, v)
        pairs.setdefault(outer, {})[a, b] = None
    mixed: set[int] = set()  # frames on a cycle of frames: their insides must stay flexible
    for outer in [-1, *reversed(nest.inside_out)]:
        if outer >= 0 and nest.parent[outer] in mixed:
            mixed.add(outer)
        core = _on_cycles(list(pairs.get(outer, {})))
        mixed.update(~unit for unit in core if unit < 0)
        if outer not in mixed:
            yield from (p for p in pairs.get(outer, {}) if not (p[0] in core and p[1] in core))


def _on_cycles(pairs: Sequence[tuple[int, int]]) -> dict[int, None]:
    """Peel off sources, then sinks, again and again: what is left is on cycles or between them."""
    core = dict.fromkeys(unit for pair in pairs for unit in pair)
    for side in (0, 1):
        degree = dict.fromkeys(core, 0)
        beyond: dict[int, list[int]] = {unit: [] for unit in core}
        for pair in pairs:
            if pair[0] in core and pair[1] in core:
                degree[pair[1 - side]] += 1
                beyond[pair[side]].append(pair[1 - side])
        ready = [unit for unit in core if not degree[unit]]
        while ready:
            unit = ready.pop()
            del core[unit]
            for other in beyond[unit]:
                degree[other] -= 1
                if not degree[other]:
                    ready.append(other)
    return core


def _longest_paths(
    after: list[list[tuple[int, int]]], nest: Nesting
) -> tuple[list[int], list[int]]:
    """Return the rank of each, and an order in which each comes after what it needs."""
    waiting, rank = [0] * len(after), [0] * len(after)
    for followers in after:
        for v, _ in followers:
            waiting[v] += 1
    order = [u for u, left in enumerate(waiting) if not left]
    for u in order:  # grows as it is read
        for v, length in after[u]:
            rank[v] = max(rank[v], rank[u] + length)
            waiting[v] -= 1
            if not waiting[v]:
                order.append(v)
    if len(order) == len(after):
        return rank, order
    # whoever still waits has a wire from another one that waits: back along them to a cycle
    count = len(nest.home)
    feeder = {v: u for u in range(count) if waiting[u] for v, _ in after[u] if v < count}
    node, trail = next(v for v in range(count) if waiting[v]), dict[int, None]()
    while node not in trail:
        trail[node] = None
        node = feeder[node]
    cycle = [*trail, node][list(trail).index(node) :]
    raise SettingError(
        f"The wires run in a circle: {' -> '.join(nest.names[v] for v in reversed(cycle))}.",
        fix="leave out one of these wires; a computation never feeds itself.",
    )


def _movable(links: Sequence[tuple[int, int]], count: int, order: Sequence[int]) -> list[bool]:
    """Tell whether moving a node right, with what feeds it alone, makes no more wires longer."""
    fan_out, held = [0] * count, [0] * count
    feeds: list[list[int]] = [[] for _ in range(count)]
    for u, v in links:
        fan_out[u] += 1
        feeds[u].append(v)
    for u in order:
        if u < count and (held[u] or fan_out[u] > 1):
            for v in feeds[u]:
                held[v] += 1
    return [0 < fan_out[u] >= held[u] for u in range(count)]


def crossings(ranks: Sequence[int], wires: Sequence[tuple[int, int]]) -> int:
    """Count the columns all wires cross: for a chain of 2,000 that share a leaf, 2 million."""
    return sum(ranks[target] - ranks[source] for source, target in wires)


def check_length(ranks: Sequence[int], wires: Sequence[tuple[int, int]]) -> None:
    """Refuse what would take minutes."""
    count = crossings(ranks, wires)
    if count > MOST_CROSSINGS:
        raise SettingError(
            f"the {len(wires):,} wires of this figure cross {count:,} columns.",
            expected=f"at most {MOST_CROSSINGS:,}",
            fix='draw less of the graph, with max_nodes=150 or less, or style="folded".',
        )


class Layers:
    """Vertices by layer, in order from the top, and the wires between neighboring layers.

    The first vertices are the nodes; behind them come those of wires, and those that hold a frame
    open where nothing else of it stands. All lists but ``order``, ``first`` and ``last`` are by
    vertex.
    """

    def __init__(
        self, ranks: Sequence[int], links: Sequence[tuple[int, int]], nest: Nesting
    ) -> None:
        self.nest = nest
        self.inside_out = nest.inside_out
        self.layer = [2 * rank for rank in ranks]
        self.home = list(nest.home)
        self.before: list[list[int]] = [[] for _ in ranks]
        self.after: list[list[int]] = [[] for _ in ranks]
        self.port = [0.0] * len(ranks)  # of a wire's last vertex: -0.5 .. 0.5 down the target
        self.first, self.last = self._spans()
        self.chains = [self._chain(u, v) for u, v in links]
        for wires in self.before[: len(ranks)]:
            for place, last in enumerate(wires, 1):
                self.port[last] = place / (len(wires) + 1) - 0.5
        self._hold_frames_open()
        self.order: list[list[int]] = [[] for _ in range(max(self.layer, default=-1) + 1)]

    def sweeps(self, usual: int) -> int:
        """Choose how often to go to and fro: less often where there are very many vertices."""
        return next((few for least, few in FEW_SWEEPS if len(self.layer) > least), usual)

    def _spans(self) -> tuple[list[int], list[int]]:
        """Find the first and last layer of each frame; an empty frame has first > last."""
        far = max(self.layer, default=0) + 1
        first, last = [far] * len(self.nest.parent), [-1] * len(self.nest.parent)
        for f, layer in zip(self.home, self.layer, strict=True):
            if f >= 0:
                first[f], last[f] = min(first[f], layer), max(last[f], layer)
        for f in self.inside_out:
            p = self.nest.parent[f]
            if p >= 0:
                first[p], last[p] = min(first[p], first[f]), max(last[p], last[f])
        return first, last

    def _chain(self, u: int, v: int) -> list[int]:
        """Lay a wire from source to target, over a new vertex in each layer between them."""
        outer = self.nest.meeting(u, v)[0] if self.nest.parent else -1
        between = range(self.layer[u] + 1, self.layer[v])
        chain = [
            u,
            *[self._vertex(layer, self._home_between(u, v, layer, outer)) for layer in between],
            v,
        ]
        for a, b in pairwise(chain):
            self.after[a].append(b)
            self.before[b].append(a)
        return chain

    def _vertex(self, layer: int, home: int) -> int:
        """Add a vertex, and return its number."""
        self.layer.append(layer)
        self.home.append(home)
        self.before.append([])
        self.after.append([])
        self.port.append(0.0)
        return len(self.layer) - 1

    def _home_between(self, u: int, v: int, layer: int, outer: int) -> int:
        """Keep a wire in the frames of its source as far as they reach, then in the target's."""
        frame = self.home[u]
        while frame != outer and self.last[frame] < layer:
            frame = self.nest.parent[frame]
        if frame == outer:
            frame = self.home[v]
            while frame != outer and self.first[frame] > layer:
                frame = self.nest.parent[frame]
        return frame

    def _hold_frames_open(self) -> None:
        """Give a frame a vertex where nothing of it stands in a layer between its ends."""
        held: set[tuple[int, int]] = set()
        for frame, layer in zip(self.home, self.layer, strict=True):
            while frame >= 0 and (frame, layer) not in held:
                held.add((frame, layer))
                frame = self.nest.parent[frame]
        for frame in self.inside_out:
            for layer in range(self.first[frame], self.last[frame] + 1):
                if (frame, layer) not in held:
                    self._vertex(layer, frame)
                held.add((self.nest.parent[frame], layer))
