"""A layered layout of a graph, left to right, for where no Graphviz is: sizes in, places out.

It knows nothing of Values, and follows Sugiyama, Tagawa and Toda (Methods for visual understanding
of hierarchical system structures, 1981) in four steps::

    ranks.py     the column of each node, and a point in each column that a wire passes
    ordering.py  the order in each column, with few crossings
    heights.py   heights that keep the order
    layered.py   widths of columns, routes of wires

Here are the interface and the last step.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from types import MappingProxyType

from tinygrad_edu.engine.errors import SettingError
from tinygrad_edu.viz.layout.heights import MARGIN, Heights
from tinygrad_edu.viz.layout.ordering import Ordering
from tinygrad_edu.viz.layout.placement import Frame, Link, Placement, Point, Size
from tinygrad_edu.viz.layout.ranks import Layers, Nesting, assign_ranks, check_length

BOXES: Mapping[str, str] = MappingProxyType({})
RANK_GAP = 54.0  # between columns of nodes, with a column of labels in it
STEEPEST = 0.35  # width of a turn by its height
PORT_STEP = 12.0  # between two wires that enter a node


def layered(
    sizes: Mapping[str, Size],
    links: Sequence[Link],
    frames: Sequence[Frame] = (),
    *,
    shapes: Mapping[str, str] = BOXES,
) -> Placement:
    """Place nodes in columns from left to right and route wires between them.

    Parameters
    ----------
    sizes : nodes by id, inputs before what they feed.
    links : wires; those into one node in operand order, the first arrives highest.
    frames : frames round nodes, nested by ``parent``.
    shapes : "circle" or "box" (the default) by node, for where wires meet the border.

    Raises
    ------
    SettingError
        Wires that run in a circle, or an id that is not there, or wires too long to be routed.

    Examples
    --------
    >>> from tinygrad_edu.viz.layout.layered import layered
    >>> from tinygrad_edu.viz.layout.placement import Link, Size
    >>> box = Size(36, 36)
    >>> place = layered({"x": box, "y": box}, [Link("w", "x", "y", Size(0, 0))])
    >>> place.nodes
    {'x': (26.0, 26.0), 'y': (116.0, 26.0)}
    """
    nest = _nest(sizes, frames)
    number = {name: i for i, name in enumerate(sizes)}
    wires = [_ends(number, link) for link in links]
    ranks = assign_ranks(wires, nest)
    check_length(ranks, wires)
    layers = Layers(ranks, wires, nest)
    layers.order = Ordering(layers).best()
    circles = [shapes.get(name) == "circle" for name in sizes]
    vertices = _Vertices(layers, list(sizes.values()), circles, links)
    tall = [size.height for size in vertices.sizes]
    titles = [frame.title for frame in frames]
    heights = Heights(layers, tall, [title.height for title in titles], vertices.ports)
    y = heights.solve()
    columns = _Columns(layers, vertices.sizes, titles, y)
    return _Drawing(layers, vertices, columns, y).placement(list(sizes), links, frames)


def _ends(number: Mapping[str, int], wire: Link) -> tuple[int, int]:
    """Look up the two ends of a wire."""
    for node in (wire.source, wire.target):
        if node not in number:
            raise SettingError(
                f"Wire {wire.id!r} ends at {node!r}, which has no size.",
                fix="pass a size for it in sizes.",
            )
    return number[wire.source], number[wire.target]


def _nest(sizes: Mapping[str, Size], frames: Sequence[Frame]) -> Nesting:
    """Number the frames, and refuse those that can't be nested."""
    index = {frame.id: i for i, frame in enumerate(frames)} | {"": -1}
    home = dict.fromkeys(sizes, -1)
    for i, frame in enumerate(frames):
        if frame.parent not in index:
            raise SettingError(
                f"Frame {frame.id!r} is in {frame.parent!r}, which is not a frame.",
                fix="pass the outer frame too.",
            )
        for member in frame.members:
            if home.get(member, 0) != -1:
                what = "is in another frame already" if member in home else "has no size"
                raise SettingError(
                    f"{member!r} of frame {frame.id!r} {what}.",
                    fix="list each node once, in the innermost frame it is in.",
                )
            home[member] = i
    parent = [index[frame.parent] for frame in frames]
    for i, frame in enumerate(frames):
        outer, steps = parent[i], 0
        while outer not in (-1, i) and steps < len(frames):
            outer, steps = parent[outer], steps + 1
        if outer == i:
            raise SettingError(
                f"Frame {frame.id!r} is inside itself.",
                fix="pass parent='' for the outermost frame.",
            )
    return Nesting(list(sizes), list(home.values()), parent)


class _Vertices:
    """Sizes by vertex, the vertex of each label, and where wires enter a target."""

    def __init__(
        self, layers: Layers, sizes: Sequence[Size], circles: Sequence[bool], links: Sequence[Link]
    ) -> None:
        self.circles = circles
        self.sizes = [*sizes, *[Size(0.0, 0.0)] * (len(layers.layer) - len(sizes))]
        self.carriers: list[int] = []  # by link: the vertex in the middle, where its label is
        for link, chain in zip(links, layers.chains, strict=True):
            carrier = chain[1 + 2 * ((len(chain) - 3) // 4)]
            self.sizes[carrier] = link.label
            self.carriers.append(carrier)
        self.ports = [0.0] * len(self.sizes)  # by a wire's last vertex
        for v, size in enumerate(sizes):
            wires = layers.before[v]
            step = min(PORT_STEP, 0.6 * size.height / max(1, len(wires) - 1))
            for k, last in enumerate(wires):
                self.ports[last] = (k - (len(wires) - 1) / 2) * step

    def border(self, node: int, dy: float) -> float:
        """Return how far from a node's center its border is, dy above or below the center."""
        size = self.sizes[node]
        if not self.circles[node] or not size.height:
            return size.width / 2
        return size.width / 2 * sqrt(max(0.0, 1.0 - (2.0 * dy / size.height) ** 2))


class _Columns:
    """x: of each layer the stretch in which wires run level, past nodes, labels and frames."""

    def __init__(
        self, layers: Layers, sizes: Sequence[Size], titles: Sequence[Size], y: Sequence[float]
    ) -> None:
        self.layers, self.titles = layers, titles
        count = len(layers.order)
        wide = [max((sizes[v].width for v in order), default=0.0) for order in layers.order]
        steep = [0.0] * count
        for v, layer in enumerate(layers.layer):
            for u in layers.before[v]:
                steep[layer] = max(steep[layer], abs(y[v] - y[u]))
        self.left_inset = self._insets(layers.first)
        self.right_inset = self._insets(layers.last)
        self.frame_left, self.frame_right = [0.0] * len(titles), [0.0] * len(titles)
        self.level: list[Point] = []
        self.center: list[float] = []
        at = 0.0
        for layer in range(count):
            if layer:  # a steep wire has more room to turn
                at += min(max(RANK_GAP / 2, STEEPEST * steep[layer]), 2 * RANK_GAP)
            at = self._column(layer, at, wide[layer])

    def _insets(self, ends: Sequence[int]) -> list[float]:
        """Return how far each frame reaches beyond its column: further round inner frames."""
        inset = [MARGIN] * len(ends)
        for frame in self.layers.inside_out:
            outer = self.layers.nest.parent[frame]
            if outer >= 0 and ends[outer] == ends[frame]:
                inset[outer] = max(inset[outer], inset[frame] + MARGIN)
        return inset

    def _column(self, layer: int, at: float, wide: float) -> float:
        """Place a layer, open and close its frames, and return where it ends."""
        frames = self.layers.inside_out
        opened = [f for f in frames if self.layers.first[f] == layer]
        left = at + max((self.left_inset[f] for f in opened), default=0.0)
        for f in opened:
            self.frame_left[f] = left - self.left_inset[f]
        right = end = left + wide
        for f in frames:
            if self.layers.last[f] == layer:
                inner = [
                    self.frame_right[g] + MARGIN
                    for g, parent in enumerate(self.layers.nest.parent)
                    if parent == f and self.layers.last[g] >= 0
                ]
                title = self.frame_left[f] + self.titles[f].width
                self.frame_right[f] = max(right + self.right_inset[f], title, *inner)
                end = max(end, self.frame_right[f])
        self.level.append((at, end))
        self.center.append((left + right) / 2)
        return end


@dataclass(frozen=True)
class _Drawing:
    """All that is known at the end, from which the wires are routed."""

    layers: Layers
    vertices: _Vertices
    columns: _Columns
    y: Sequence[float]

    def route(self, chain: Sequence[int], twin: bool) -> list[Point]:
        """Run a wire level through the layers, in S curves between them."""
        source, target, last = chain[0], chain[-1], chain[-2]
        layers, level = self.layers.layer, self.columns.level
        dy = self.vertices.ports[last]
        start = self.columns.center[layers[source]] + self.vertices.border(source, 0.0)
        end = self.columns.center[layers[target]] - self.vertices.border(target, dy)
        stretches = [(start, level[layers[source]][1], self.y[source])]
        for v in chain[1:-1]:
            left, right = level[layers[v]]
            # without a label to pass, one S is calmer than two
            if twin or right > left:
                stretches.append((left, right, self.y[v]))
        stretches.append((level[layers[target]][0], end, self.y[target] + dy))
        return _curve(stretches)

    def placement(
        self, names: Sequence[str], links: Sequence[Link], frames: Sequence[Frame]
    ) -> Placement:
        """Collect all places by id, moved to the top left."""
        layers, vertices, columns, y = self.layers, self.vertices, self.columns, self.y
        seen = [*range(len(names)), *vertices.carriers]  # the others are points of wires
        at = {v: (columns.center[layers.layer[v]], y[v]) for v in seen}
        ends = [(chain[0], chain[-1]) for chain in layers.chains]
        many = Counter(ends)
        routes = [self.route(c, many[e] > 1) for c, e in zip(layers.chains, ends, strict=True)]
        edges = y[len(vertices.sizes) :]
        boxes = {
            f: (columns.frame_left[f], edges[2 * f], columns.frame_right[f], edges[2 * f + 1])
            for f, last in enumerate(layers.last)
            if last >= 0
        }
        corners = [corner for box in boxes.values() for corner in (box[:2], box[2:])]
        for v, (x, middle) in at.items():
            w, h = vertices.sizes[v].width / 2, vertices.sizes[v].height / 2
            corners += [(x - w, middle - h), (x + w, middle + h)]
        xs, ys = [x for x, _ in corners], [*(corner for _, corner in corners), *y]
        dx, dy = MARGIN - min(xs, default=0.0), MARGIN - min(ys, default=0.0)
        moved = {v: (x + dx, middle + dy) for v, (x, middle) in at.items()}
        return Placement(
            width=max(xs, default=0.0) + dx + MARGIN,
            height=max(ys, default=0.0) + dy + MARGIN,
            nodes={name: moved[v] for v, name in enumerate(names)},
            routes={
                link.id: tuple([(x + dx, v + dy) for x, v in route])
                for link, route in zip(links, routes, strict=True)
            },
            labels={link.id: moved[c] for link, c in zip(links, vertices.carriers, strict=True)},
            frames={
                frames[f].id: (left + dx, top + dy, right - left, bottom - top)
                for f, (left, top, right, bottom) in boxes.items()
            },
        )


def _curve(stretches: Iterable[tuple[float, float, float]]) -> list[Point]:
    """Draw a path through level stretches (from, to, height)."""
    points: list[Point] = []
    for left, right, y in stretches:
        if not points:
            points = [(left, y)]
        else:
            x, above = points[-1]
            # a stretch on the level of the last one goes on with it, without a curve
            if abs(above - y) < 1e-9 and len(points) > 1 and abs(points[-3][1] - y) < 1e-9:
                x, _ = points[-4]
                del points[-3:]
            middle = (x + left) / 2
            points += [(middle, points[-1][1]), (middle, y), (left, y)]
        if right > left:
            points += [((2 * left + right) / 3, y), ((left + 2 * right) / 3, y), (right, y)]
    return points
