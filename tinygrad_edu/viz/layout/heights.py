"""Third step of a layered drawing: heights that keep the order of every column.

Sweeps pull what stands in a column towards its neighbors, as springs would. The wished heights
rarely keep order and room; isotonic regression finds the heights that do and are nearest to them in
least squares (pool adjacent violators; Ayer, Brunk, Ewing, Reid and Silverman, 1955).

Wires between two passing points pull more strongly than those at a node, so that long wires are
straight (Gansner, Koutsofios, North and Vo, A technique for drawing directed graphs, 1993).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from math import inf
from typing import TypeAlias

from tinygrad_edu.viz.layout.ranks import Layers

NODE_GAP = 25.0  # between nodes of a column
MARGIN = 8.0  # between frames, and between a frame and what is in it
WIRE_ROOM = 4.0  # round a label, and round a wire that passes
ROUNDS = 12  # sweeps to and fro
SNAP = 12.0  # a wire this near the level of its end takes it
STRAIGHT = 8.0  # how much more a wire's inner stretch wants to be straight than its ends

# of a neighbor: which, how far below it the token wants to be, how strongly
Pull: TypeAlias = tuple[int, float, float]


class Heights:
    """y of tokens: vertices, then the upper and the lower edge of each frame.

    With edges as tokens a column with frames is a list like any other, in which each token keeps
    its distance from the one above it.

    ``tall`` is the height of each vertex, ``titles`` the room at the top of each frame, ``ports``
    how far below its target's center a wire's last vertex wants to be.
    """

    def __init__(
        self, layers: Layers, tall: Sequence[float], titles: Sequence[float], ports: Sequence[float]
    ) -> None:
        self.layers, self.ports = layers, ports
        self.count = len(layers.nest.home)
        self.first_edge = len(tall)
        half = [height / 2 + WIRE_ROOM for height in tall]
        half[: self.count] = [height / 2 + NODE_GAP / 2 for height in tall[: self.count]]
        # how far a token keeps the next one off
        above, below = half, list(half)
        for title in titles:
            above += [MARGIN, MARGIN - WIRE_ROOM]
            below += [MARGIN - WIRE_ROOM + title, MARGIN]
        self.columns = [self._tokens(layer) for layer in range(len(layers.order))]
        self.steps = [  # how far each token must be below the first
            [*accumulate([below[a] + above[b] for a, b in pairwise(column)], initial=0.0)]
            for column in self.columns
        ]
        self.y = [0.0] * len(above)
        self.weight = [0.05] * len(above)
        self.pulls = [self._pulls(layers.before, -1), self._pulls(layers.after, 1)]

    def _tokens(self, layer: int) -> list[int]:
        """List a layer from the top, with the edges of the frames that it enters and leaves."""
        if not self.layers.nest.parent:
            return self.layers.order[layer]
        tokens: list[int] = []
        inside: list[int] = []
        for v in [*self.layers.order[layer], -1]:
            path: list[int] = []
            frame = self.layers.home[v] if v >= 0 else -1
            while frame >= 0:
                path.append(frame)
                frame = self.layers.nest.parent[frame]
            path.reverse()
            same = 0
            while same < min(len(path), len(inside)) and path[same] == inside[same]:
                same += 1
            tokens += [self.first_edge + 2 * f + 1 for f in reversed(inside[same:])]
            tokens += [self.first_edge + 2 * f for f in path[same:]]
            inside = path
            tokens.append(v)
        return tokens[:-1]

    def _pulls(self, neighbors: list[list[int]], side: int) -> list[list[Pull]]:
        """Collect what pulls each token from the left (-1) or the right (1)."""
        pulls: list[list[Pull]] = [[] for _ in self.y]
        for v, near in enumerate(neighbors):
            for u in near:
                at_node = u < self.count or v < self.count
                shift = (self.ports[v] if u < self.count else 0.0) if side > 0 else -self.ports[u]
                pull = 1.0 if at_node else STRAIGHT
                pulls[v].append((u, shift, pull))
                self.weight[v] += pull
        return pulls

    def solve(self) -> list[float]:
        """Find heights that keep every order and distance.

        The first rounds take means, which spread what is dense; the last two take medians, which
        bring as many wires as can be to one level.
        """
        for column, steps in zip(self.columns, self.steps, strict=True):
            for token, step in zip(column, steps, strict=False):
                self.y[token] = step - steps[-1] / 2
        distances = self._distances() if self.layers.nest.parent else []
        nothing: list[list[Pull]] = [[]] * len(self.y)
        rounds = self.layers.sweeps(ROUNDS)
        for turn in range(rounds):
            back = turn % 2 == 0
            other = self.pulls[not back] if turn > 1 else nothing
            wished = self._mean if turn < max(1, rounds - 2) else self._median
            numbers = range(len(self.columns))
            for layer in reversed(numbers) if back else numbers:
                column = self.columns[layer]
                heights = [wished(token, self.pulls[back][token], other[token]) for token in column]
                self._settle(layer, heights)
            if distances:
                self._make_room(distances)
        self._straighten()
        return self.y

    def _mean(self, token: int, settled: list[Pull], other: list[Pull]) -> float:
        """Return where the wires of a token are shortest, in least squares."""
        total = force = 0.0
        for u, shift, pull in settled + other:
            total += (self.y[u] + shift) * pull
            force += pull
        return total / force if force else self.y[token]

    def _median(self, token: int, settled: list[Pull], other: list[Pull]) -> float:
        """Return where one wire of a token is level, if the others don't all pull the same way.

        Between two, one on each side, the one that is settled already wins: a wire bends once.
        Between two on one side the middle wins.
        """
        if len(settled) == 1 and len(other) < 2:
            u, shift, pull = settled[0]
            if other and other[0][2] > pull:
                u, shift, pull = other[0]
            return self.y[u] + shift
        near = sorted([(self.y[u] + shift, pull) for u, shift, pull in settled + other])
        rest = sum([pull for _, pull in near]) / 2
        for i, (height, pull) in enumerate(near):
            rest -= pull
            if rest <= 0.0:
                return height if rest else (height + near[i + 1][0]) / 2
        return self.y[token]

    def _settle(self, layer: int, wished: list[float]) -> None:
        """Give a layer the heights nearest to those wished (pool adjacent violators).

        Minus its step, each height must be at least that of the token above; where it is not, the
        two, and all that were pooled with them before, take their weighted mean.
        """
        column, steps = self.columns[layer], self.steps[layer]
        pools: list[tuple[float, float, int]] = []  # mean, weight, how many
        for token, step, wish in zip(column, steps, wished, strict=False):
            mean, heavy, many = wish - step, self.weight[token], 1
            while pools and pools[-1][0] > mean:
                other, mass, more = pools.pop()
                mean = (mean * heavy + other * mass) / (heavy + mass)
                heavy, many = heavy + mass, many + more
            pools.append((mean, heavy, many))
        at = 0
        for mean, _, many in pools:
            for i in range(at, at + many):
                self.y[column[i]] = mean + steps[i]
            at += many

    def _distances(self) -> list[tuple[int, int, float]]:
        """List (upper, lower, room) of all columns, so sorted that pushes go through once."""
        under: list[list[tuple[int, float]]] = [[] for _ in self.y]
        waiting = [0] * len(self.y)
        for column, steps in zip(self.columns, self.steps, strict=True):
            for (upper, above), (lower, below) in pairwise(zip(column, steps, strict=False)):
                under[upper].append((lower, below - above))
                waiting[lower] += 1
        order = [token for token, left in enumerate(waiting) if not left]
        for token in order:  # grows as it is read
            for lower, _ in under[token]:
                waiting[lower] -= 1
                if not waiting[lower]:
                    order.append(lower)
        return [(upper, lower, room) for upper in order for lower, room in under[upper]]

    def _make_room(self, distances: list[tuple[int, int, float]]) -> None:
        """Restore the distances which the edges of frames, being in many columns, have lost.

        Push all down, push all up, and take the mean, which keeps every distance that both keep.
        Then draw the edges of frames close to what is inside.
        """
        down, up = list(self.y), list(self.y)
        for upper, lower, room in distances:
            down[lower] = max(down[lower], down[upper] + room)
        for upper, lower, room in reversed(distances):
            up[upper] = min(up[upper], up[lower] - room)
        self.y = [(a + b) / 2 for a, b in zip(down, up, strict=True)]
        first = self.first_edge
        tight: dict[int, float] = {}
        for upper, lower, room in reversed(distances):
            if upper >= first and (upper - first) % 2 == 0:
                tight[upper] = min(tight.get(upper, inf), self.y[lower] - room)
                self.y[upper] = tight[upper]
        tight.clear()
        for upper, lower, room in distances:
            if lower >= first and (lower - first) % 2 == 1:
                tight[lower] = max(tight.get(lower, -inf), self.y[upper] + room)
                self.y[lower] = tight[lower]

    def _straighten(self) -> None:
        """Run each wire on as few levels as the room between its neighbors allows."""
        index = {token: i for column in self.columns for i, token in enumerate(column)}
        y, layer = self.y, self.layers.layer
        for wire in self.layers.chains:
            run: list[int] = []
            low, high = -inf, inf
            for v in wire[1:-1]:
                # how far up and down it can go
                i, column, steps = index[v], self.columns[layer[v]], self.steps[layer[v]]
                least = y[column[i - 1]] + steps[i] - steps[i - 1] if i else -inf
                most = y[column[i + 1]] + steps[i] - steps[i + 1] if i + 1 < len(column) else inf
                if run and max(low, least) > min(high, most):
                    self._level(wire, run, low, high)
                    run, low, high = [], -inf, inf
                run.append(v)
                low, high = max(low, least), min(high, most)
            self._level(wire, run, low, high)

    def _level(self, wire: list[int], run: list[int], low: float, high: float) -> None:
        """Put a stretch of a wire on one level, that of an end where it is near."""
        aim = sum([self.y[v] for v in run]) / len(run)
        ends = [self.y[wire[0]]] if run[0] == wire[1] else []
        if run[-1] == wire[-2]:
            ends.append(self.y[wire[-1]] + self.ports[wire[-2]])
        near = [end for end in ends if low <= end <= high and abs(end - aim) < SNAP]
        aim = min(near, key=lambda end: abs(end - aim), default=min(max(aim, low), high))
        for v in run:
            self.y[v] = aim
