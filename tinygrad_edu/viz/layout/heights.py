"""Third step of a layered drawing: heights that keep the order of every column.

Sweeps pull what stands in a column towards its neighbours by isotonic regression: the heights
nearest to those wanted, in least squares, that keep order and room.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import TypeAlias

from tinygrad_edu.viz.layout.ranks import Layers

MARGIN = 8.0  # between frames, and between a frame and what is in it
WIRE_ROOM = 4.0  # round a label, and round a wire that passes
ROUNDS = 12  # sweeps to and fro
SNAP = 12.0  # a wire this near the level of its end takes it
STRAIGHT = 8.0  # how much more a wire's inner stretch wants to be straight than its ends

# for each token, neighbours on one side: which, how far above it, how strongly they pull
Pulls: TypeAlias = list[list[tuple[int, float, float]]]


class Heights:
    """y of tokens: vertices, then the upper and lower edge of each frame.

    ``tall`` is the height of each vertex, ``titles`` the room at the top of each frame, ``ports``
    how far below its target's centre a wire's last vertex wants to be.
    """

    def __init__(
        self,
        layers: Layers,
        tall: Sequence[float],
        titles: Sequence[float],
        ports: Sequence[float],
        node_gap: float,
    ) -> None:
        self.layers, self.ports = layers, ports
        self.count = len(layers.nest.home)
        self.first_edge = len(tall)
        half = [height / 2 + WIRE_ROOM for height in tall]
        half[: self.count] = [height / 2 + node_gap / 2 for height in tall[: self.count]]
        # how far a token keeps the next one off
        self.above, self.below = half, list(half)
        for title in titles:
            self.above += [MARGIN, MARGIN - WIRE_ROOM]
            self.below += [MARGIN - WIRE_ROOM + title, MARGIN]
        self.chains = [self._tokens(i) for i in range(len(layers.order))]
        self.steps = [self._steps(chain) for chain in self.chains]
        self.y = [0.0] * len(self.above)
        self.weight = [0.05] * len(self.y)
        self.pulls = [self._pulls(layers.before, -1), self._pulls(layers.after, 1)]

    def _tokens(self, layer: int) -> list[int]:
        """The layer from the top, with the edges of the frames that it enters and leaves."""
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

    def _steps(self, chain: Sequence[int]) -> list[float]:
        """How far each token must be below the first."""
        at, steps = 0.0, []
        for i, token in enumerate(chain):
            at += self.below[chain[i - 1]] + self.above[token] if i else 0.0
            steps.append(at)
        return steps

    def _pulls(self, neighbours: list[list[int]], side: int) -> Pulls:
        """For each token its neighbours on one side: which, how far above it, how strongly."""
        count, port = self.count, self.ports
        pulls: Pulls = [[] for _ in self.y]
        for v, near in enumerate(neighbours):
            for u in near:
                ends = (u < count) + (v < count)
                shift = (port[v] if u < count else 0.0) if side > 0 else -port[u]
                pull = 1.0 if ends else STRAIGHT
                pulls[v].append((u, shift, pull))
                self.weight[v] += pull
        return pulls

    def solve(self) -> list[float]:
        """Heights that keep every order and separation."""
        for chain, steps in zip(self.chains, self.steps, strict=True):
            for token, step in zip(chain, steps, strict=True):
                self.y[token] = step - steps[-1] / 2
        framed = self._constraints()
        nothing: Pulls = [[]] * len(self.y)
        rounds = self.layers.sweeps(ROUNDS)
        for turn in range(rounds):
            back = turn % 2 == 0
            other = self.pulls[not back] if turn > 1 else nothing
            wanted = self._means if turn < max(1, rounds - 2) else self._medians
            numbers = range(len(self.chains))
            for layer in reversed(numbers) if back else numbers:
                self._settle(layer, wanted(self.chains[layer], self.pulls[back], other))
            self._make_room(framed)
        self._straighten()
        return self.y

    def _means(self, chain: Sequence[int], settled: Pulls, other: Pulls) -> list[float]:
        """Where the wires are shortest, in least squares: it spreads what is dense."""
        y, found = self.y, []
        for token in chain:
            total = force = 0.0
            for u, shift, pull in settled[token] + other[token]:
                total += (y[u] + shift) * pull
                force += pull
            found.append(total / force if force else y[token])
        return found

    def _medians(self, chain: Sequence[int], settled: Pulls, other: Pulls) -> list[float]:
        """Where one wire is level, if the others don't all pull the same way.

        Between two, one on each side, the one that is settled already wins: a wire bends once.
        Between two on one side the middle wins.
        """
        y, found = self.y, []
        for token in chain:
            first, second = settled[token], other[token]
            if len(first) == 1 and len(second) < 2:
                u, shift, pull = first[0]
                if second and second[0][2] > pull:
                    u, shift, pull = second[0]
                found.append(y[u] + shift)
            else:
                found.append(self._median(token, first + second))
        return found

    def _median(self, token: int, pulls: list[tuple[int, float, float]]) -> float:
        near = sorted([(self.y[u] + shift, pull) for u, shift, pull in pulls])
        rest = sum([pull for _, pull in near]) / 2
        for i, (height, pull) in enumerate(near):
            rest -= pull
            if rest <= 0.0:
                return height if rest else (height + near[i + 1][0]) / 2
        return self.y[token]

    def _settle(self, layer: int, wanted: list[float]) -> None:
        """The heights of a layer nearest to those wanted (pool adjacent violators)."""
        chain, steps, weight = self.chains[layer], self.steps[layer], self.weight
        blocks: list[tuple[float, float, int]] = []  # mean, weight, how many
        for token, step, want in zip(chain, steps, wanted, strict=True):
            mean, heavy, many = want - step, weight[token], 1
            while blocks and blocks[-1][0] > mean:
                other, mass, more = blocks.pop()
                mean = (mean * heavy + other * mass) / (heavy + mass)
                heavy, many = heavy + mass, many + more
            blocks.append((mean, heavy, many))
        at = 0
        for mean, _, many in blocks:
            for i in range(at, at + many):
                self.y[chain[i]] = mean + steps[i]
            at += many

    def _constraints(self) -> list[tuple[int, int, float]]:
        """Where there are frames: (upper, lower, room), so sorted that pushes go through once."""
        if len(self.y) == self.first_edge:
            return []
        under: list[list[tuple[int, float]]] = [[] for _ in self.y]
        waiting = [0] * len(self.y)
        for chain, steps in zip(self.chains, self.steps, strict=True):
            for i in range(1, len(chain)):
                under[chain[i - 1]].append((chain[i], steps[i] - steps[i - 1]))
                waiting[chain[i]] += 1
        order = [token for token, left in enumerate(waiting) if not left]
        for token in order:  # grows as it is read
            for lower, _ in under[token]:
                waiting[lower] -= 1
                if not waiting[lower]:
                    order.append(lower)
        return [(upper, lower, room) for upper in order for lower, room in under[upper]]

    def _make_room(self, framed: list[tuple[int, int, float]]) -> None:
        """Frames cross layers: push all down, push all up, and take the mean, which keeps room."""
        if not framed:
            return
        down, up = list(self.y), list(self.y)
        for upper, lower, room in framed:
            down[lower] = max(down[lower], down[upper] + room)
        for upper, lower, room in reversed(framed):
            up[upper] = min(up[upper], up[lower] - room)
        self.y = [(a + b) / 2 for a, b in zip(down, up, strict=True)]
        first = self.first_edge
        tight: dict[int, float] = {}
        for upper, lower, room in reversed(framed):
            if upper >= first and (upper - first) % 2 == 0:
                tight[upper] = min(tight.get(upper, self.y[lower] - room), self.y[lower] - room)
                self.y[upper] = tight[upper]
        tight.clear()
        for upper, lower, room in framed:
            if lower >= first and (lower - first) % 2 == 1:
                tight[lower] = max(tight.get(lower, self.y[upper] + room), self.y[upper] + room)
                self.y[lower] = tight[lower]

    def _straighten(self) -> None:
        """Run each wire on as few levels as the room between its neighbours allows."""
        index = [0] * len(self.y)
        for chain in self.chains:
            for i, token in enumerate(chain):
                index[token] = i
        y, layer = self.y, self.layers.layer
        for wire in self.layers.chains:
            run: list[int] = []
            low, high = -inf, inf
            for v in wire[1:-1]:
                # how far up and down it can go
                i, chain, steps = index[v], self.chains[layer[v]], self.steps[layer[v]]
                least = y[chain[i - 1]] + steps[i] - steps[i - 1] if i else -inf
                most = y[chain[i + 1]] + steps[i] - steps[i + 1] if i + 1 < len(chain) else inf
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
