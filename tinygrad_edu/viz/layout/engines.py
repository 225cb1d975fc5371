"""Where things go: Graphviz's ``dot``, Graphviz inside pygraphviz, or the built-in layout.

Whoever lays out gets ids and sizes, never a label, so no label can break it; and the picture is
drawn by svg.py from the places alone, so it has the same elements whoever laid out.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from math import sqrt
from typing import Any

from tinygrad_edu.engine.errors import MissingExtraError, SettingError
from tinygrad_edu.viz.figure import Figure, Node
from tinygrad_edu.viz.layout.measure import block, label_size, node_size, room_of
from tinygrad_edu.viz.layout.places import Frame, Link, Placement, Point, Size, layered
from tinygrad_edu.viz.layout.ranks import Nest, assign_ranks, crossings

TIMEOUT = 10.0  # seconds that dot may take
MOST_FOR_DOT = 2_000  # nodes: dot takes 15 s for 3,500
LONGEST_FOR_DOT = 1_000  # crossings of wires and columns: dot takes minutes for 2,000
MARGIN = 8.0
ENGINES = ("dot", "pygraphviz", "builtin")
# pygraphviz in a process of its own too: what runs in this one can't be stopped
PYGRAPHVIZ = """
import sys, pygraphviz
graph = pygraphviz.AGraph(string=sys.stdin.buffer.read().decode())
sys.stdout.buffer.write(graph.draw(format="json0", prog="dot"))
"""
COMMANDS = {"dot": ("dot", "-Tjson0"), "pygraphviz": (sys.executable, "-c", PYGRAPHVIZ)}


def place(figure: Figure, engine: str | None = None) -> Placement:
    """Places for all that is in a figure.

    Parameters
    ----------
    engine : "dot", "pygraphviz" or "builtin"; None for the first of them that works here

    Raises
    ------
    SettingError
        If there is no such engine, or the figure is too large for it.
    MissingExtraError
        If the one asked for is not installed.
    """
    if engine not in (None, *ENGINES):
        raise SettingError(
            f"there is no layout engine {engine!r:.40}.",
            expected=", ".join(ENGINES),
            fix="choose one of these, or None for the first that works.",
        )
    if engine == "builtin" or (engine is None and _slow(figure)):
        return _met(built_in(figure), figure)
    check_size(figure, engine or "dot")
    try:
        for name in ENGINES[:2] if engine is None else (engine,):
            answer = run_graphviz(COMMANDS[name], dot_source(figure))
            if answer is not None:
                return _met(_placement(json.loads(answer), figure), figure)
    except subprocess.TimeoutExpired:
        if engine is not None:
            raise too_slow(engine) from None
    if engine is None:
        return _met(built_in(figure), figure)
    raise MissingExtraError(
        f"the layout engine {engine!r} did not answer here.",
        fix="install Graphviz's dot program, or leave engine=None: the built-in layout needs none."
        if engine == "dot"
        else 'pip install "tinygrad_edu[dot]"',
    )


def check_size(figure: Figure, engine: str) -> None:
    """Refuse what Graphviz would take minutes for."""
    if len(figure.nodes) > MOST_FOR_DOT:
        raise SettingError(
            f"{len(figure.nodes):,} nodes are too many for {engine}: it would take minutes.",
            expected=f"at most {MOST_FOR_DOT:,}",
            fix='use engine="builtin" and save an .svg, or style="folded", or max_nodes=150.',
        )


def _slow(figure: Figure) -> bool:
    """Whether dot would take more than a second or two."""
    number = {node.id: i for i, node in enumerate(figure.nodes)}
    if len(number) > MOST_FOR_DOT:
        return True
    wires = [(number[wire.source], number[wire.target]) for wire in figure.wires]
    ranks = assign_ranks(wires, Nest(list(number), [-1] * len(number), []))
    return crossings(ranks, wires) > LONGEST_FOR_DOT


def built_in(figure: Figure) -> Placement:
    """The layout in pure Python."""
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


def is_round(node: Node) -> bool:
    """Whether wires meet a node on a circle, and at any angle."""
    if node.form != "circle" or node.below:
        return False
    size = node_size(node)
    return size.width == size.height


def _met(placement: Placement, figure: Figure) -> Placement:
    """Wires go on, level, from the edge of the room kept for a node to its shape."""
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
    """Where the border of a shape is at some height, right (1) or left (-1) of its middle."""
    size = node_size(node)
    reach = size.width / 2.0
    if node.form in ("circle", "ellipse"):
        radius = size.height / 2.0
        reach -= radius - sqrt(max(0.0, radius**2 - (y - at[1]) ** 2))
    return at[0] + direction * reach, y


def run_graphviz(command: Sequence[str], source: str) -> bytes | None:
    """What a program answers; None where there is none, or it can't read the source.

    ``subprocess.TimeoutExpired`` where it takes too long; it is stopped then.
    """
    try:
        done = subprocess.run(
            command, input=source.encode(), capture_output=True, timeout=TIMEOUT, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout


def too_slow(engine: str) -> SettingError:
    """The error where Graphviz was stopped."""
    return SettingError(
        f"{engine} was stopped: it took more than {TIMEOUT:g} s for this figure.",
        fix='draw less of the graph with max_nodes, or use engine="builtin" and save an .svg.',
    )


def dot_source(figure: Figure) -> str:
    """The figure as DOT with ids and sizes alone.

    A wire with numbers runs through a node of its own that keeps their room, so that they stand
    above and below it.
    """
    lines = [
        "digraph {",
        "rankdir=LR nodesep=0.3 ranksep=0.32 outputorder=edgesfirst",
        'node [label="" shape=box fixedsize=true] edge [arrowhead=none]',
    ]
    shape = {True: " shape=circle", False: ""}
    for node in figure.nodes:
        look = shape[is_round(node)]
        lines.append(f'"{node.id}" [{_inches(room_of(node))}{look}]')
    level = {node.id: ":w" for node in figure.nodes if node.below}
    for wire in figure.wires:
        size, target = label_size(wire), f'"{wire.target}"{level.get(wire.target, "")}'
        if size.height:
            lines.append(f'"l{wire.id}" [{_inches(size)}]')
            lines.append(f'"{wire.source}":e -> "l{wire.id}":w [comment="{wire.id}"]')
            lines.append(f'"l{wire.id}":e -> {target} [comment="{wire.id}"]')
        else:
            lines.append(f'"{wire.source}":e -> {target} [comment="{wire.id}"]')
    return "\n".join([*lines, *_clusters(figure), "}"])


def _clusters(figure: Figure) -> list[str]:
    """Nested subgraphs; a fixed-size label keeps the room of a title."""
    lines: list[str] = []
    number = {cluster.id: i for i, cluster in enumerate(figure.clusters)}
    stack: list[str | None] = [c.id for c in reversed(figure.clusters) if not c.parent]
    while stack:
        id = stack.pop()
        if id is None:
            lines.append("}")
            continue
        title = block([figure.clusters[number[id]].line])
        room = f'width="{title.width:.0f}" height="{title.height:.0f}"'
        table = f'<table border="0" fixedsize="true" {room}><tr><td></td></tr></table>'
        lines.append(f"subgraph cluster_{number[id]} {{ labeljust=l label=<{table}>")
        lines += [f'"{node.id}"' for node in figure.nodes if node.cluster == id]
        stack.append(None)
        stack += [c.id for c in reversed(figure.clusters) if c.parent == id]
    return lines


def _inches(size: Size) -> str:
    return f"width={size.width / 72.0:.4f} height={size.height / 72.0:.4f}"


def _placement(answer: dict[str, Any], figure: Figure) -> Placement:
    """Graphviz's places in points from the top left; its own y runs upwards."""
    left, bottom, right, top = map(float, answer["bb"].split(","))

    def at(text: str) -> Point:
        x, y = map(float, text.split(","))
        return x - left + MARGIN, top - y + MARGIN

    objects = answer.get("objects", [])
    centre = {it["name"]: at(it["pos"]) for it in objects if "pos" in it}
    pieces: dict[str, list[tuple[Point, ...]]] = {}
    for edge in answer.get("edges", []):
        points = tuple(map(at, edge["pos"].split(" ")))
        pieces.setdefault(edge["comment"], []).append(points)
    frames = {}
    for it in objects:
        if it["name"].startswith("cluster_") and "bb" in it:
            x0, y0, x1, y1 = map(float, it["bb"].split(","))
            corner = at(f"{x0},{y1}")
            id = figure.clusters[int(it["name"].removeprefix("cluster_"))].id
            frames[id] = (*corner, x1 - x0, y1 - y0)
    return Placement(
        right - left + 2.0 * MARGIN,
        top - bottom + 2.0 * MARGIN,
        {node.id: centre[node.id] for node in figure.nodes},
        {wire.id: _joined(pieces[wire.id]) for wire in figure.wires},
        {wire.id: centre[f"l{wire.id}"] for wire in figure.wires if f"l{wire.id}" in centre},
        frames,
    )


def _joined(pieces: list[tuple[Point, ...]]) -> tuple[Point, ...]:
    """One path of the piece to a label, a straight line across it, and the piece from there."""
    pieces = sorted(pieces, key=lambda points: points[0][0])
    path = pieces[0]
    for piece in pieces[1:]:
        (x0, y0), (x1, y1) = path[-1], piece[0]
        third = ((x1 - x0) / 3.0, (y1 - y0) / 3.0)
        bridge = ((x0 + third[0], y0 + third[1]), (x1 - third[0], y1 - third[1]))
        path = (*path, *bridge, *piece)
    return path
