"""Choose who lays out: Graphviz's ``dot``, the Graphviz inside pygraphviz, or the built-in layout.

The picture is drawn by svg.py from the places alone, so it has the same elements whoever laid out.
"""

from __future__ import annotations

import subprocess
from contextlib import suppress
from dataclasses import replace
from math import sqrt

from tinygrad_edu.engine.errors import MissingExtraError
from tinygrad_edu.viz.figure import Figure, Node
from tinygrad_edu.viz.layout import graphviz
from tinygrad_edu.viz.layout.layered import layered
from tinygrad_edu.viz.layout.measure import block, is_round, label_size, node_size, room_of
from tinygrad_edu.viz.layout.placement import Frame, Link, Placement, Point
from tinygrad_edu.viz.layout.ranks import Nesting, assign_ranks, crossings

ENGINES = ("dot", "pygraphviz", "builtin")


def place(figure: Figure, engine: str | None = None) -> Placement:
    """Find places for all that is in a figure.

    Parameters
    ----------
    engine : "dot", "pygraphviz" or "builtin"; None for the first of them that works here

    Raises
    ------
    SettingError
        If the figure is too large for the engine.
    MissingExtraError
        If the one asked for is not installed.
    """
    placement = None
    if engine in ("dot", "pygraphviz"):
        placement = _by_graphviz(figure, engine)
    elif engine is None and not _slow(figure):
        with suppress(subprocess.TimeoutExpired):
            placement = graphviz.place(figure, "dot") or graphviz.place(figure, "pygraphviz")
    return _reaching_shapes(placement or built_in(figure), figure)


def _by_graphviz(figure: Figure, engine: str) -> Placement:
    """Lay out by the Graphviz that was asked for; an error where it can't."""
    graphviz.check_size(figure, engine)
    try:
        placement = graphviz.place(figure, engine)
    except subprocess.TimeoutExpired:
        raise graphviz.too_slow(engine) from None
    if placement is None:
        raise MissingExtraError(
            f"the layout engine {engine!r} did not answer here.",
            fix="install Graphviz's dot program, or draw with engine='builtin': "
            "the built-in layout needs nothing."
            if engine == "dot"
            else 'pip install "tinygrad_edu[dot]"',
        )
    return placement


def _slow(figure: Figure) -> bool:
    """Tell whether dot would take more than a second or two."""
    number = {node.id: i for i, node in enumerate(figure.nodes)}
    if len(number) > graphviz.MOST_NODES:
        return True
    wires = [(number[wire.source], number[wire.target]) for wire in figure.wires]
    ranks = assign_ranks(wires, Nesting(list(number), [-1] * len(number), []))
    return crossings(ranks, wires) > graphviz.MOST_CROSSINGS


def built_in(figure: Figure) -> Placement:
    """Lay out in pure Python."""
    frames = [
        Frame(
            cluster.id,
            tuple(node.id for node in figure.nodes if node.cluster == cluster.id),
            cluster.parent,
            block([cluster.line]),
        )
        for cluster in figure.clusters
    ]
    sizes = {node.id: room_of(node) for node in figure.nodes}
    links = [Link(wire.id, wire.source, wire.target, label_size(wire)) for wire in figure.wires]
    shapes = {node.id: "circle" for node in figure.nodes if is_round(node)}
    return layered(sizes, links, frames, shapes=shapes)


def _reaching_shapes(placement: Placement, figure: Figure) -> Placement:
    """Extend each wire horizontally from the box that was reserved to the visible shape.

    They differ for a node with lines below it, for which room is kept as wide as these lines.
    """
    wide = {node.id: node for node in figure.nodes if node.below}
    routes = dict(placement.routes)
    for wire in figure.wires:
        points = routes[wire.id]
        if wire.source in wide:
            start = _side(wide[wire.source], placement.nodes[wire.source], points[0][1], 1.0)
            points = (start, start, points[0], *points)
        if wire.target in wide:
            end = _side(wide[wire.target], placement.nodes[wire.target], points[-1][1], -1.0)
            points = (*points, points[-1], end, end)
        routes[wire.id] = points
    return replace(placement, routes=routes)


def _side(node: Node, at: Point, y: float, direction: float) -> Point:
    """Find where the border of a shape is at a height, right (1) or left (-1) of its middle."""
    size = node_size(node)
    reach = size.width / 2.0
    if node.form in ("circle", "ellipse"):
        radius = size.height / 2.0
        reach -= radius - sqrt(max(0.0, radius**2 - (y - at[1]) ** 2))
    return at[0] + direction * reach, y
