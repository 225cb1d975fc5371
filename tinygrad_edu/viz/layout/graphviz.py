"""The layout by Graphviz: its ``dot`` program, or the one inside pygraphviz.

Graphviz gets ids and sizes, never a label, so no label can break it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from tinygrad_edu.engine.errors import SettingError
from tinygrad_edu.viz.figure import Figure
from tinygrad_edu.viz.layout.measure import block, is_round, label_size, room_of
from tinygrad_edu.viz.layout.placement import Placement, Point, Size

TIMEOUT = 10.0  # seconds
MOST_NODES = 2_000  # dot takes 15 s for 3,500
MOST_CROSSINGS = 1_000  # of wires with columns: dot takes minutes for 2,000
MARGIN = 8.0
# pygraphviz runs in a process of its own, too: what runs in ours can't be stopped
PYGRAPHVIZ = """
import sys, pygraphviz
graph = pygraphviz.AGraph(string=sys.stdin.buffer.read().decode())
sys.stdout.buffer.write(graph.draw(format="json0", prog="dot"))
"""
COMMANDS = {"dot": ("dot", "-Tjson0"), "pygraphviz": (sys.executable, "-c", PYGRAPHVIZ)}


def place(figure: Figure, engine: str) -> Placement | None:
    """Lay out by "dot" or "pygraphviz"; None where it is not here."""
    answer = run_graphviz(COMMANDS[engine], dot_source(figure))
    return None if answer is None else _placement(json.loads(answer), figure)


def check_size(figure: Figure, engine: str) -> None:
    """Refuse a figure that Graphviz would take minutes for."""
    if len(figure.nodes) > MOST_NODES:
        raise SettingError(
            f"{len(figure.nodes):,} nodes are too many for {engine}: it would take minutes.",
            expected=f"at most {MOST_NODES:,}",
            fix='use engine="builtin" and save an .svg, or style="folded", or max_nodes=150.',
        )


def run_graphviz(command: Sequence[str], source: str) -> bytes | None:
    """Return what a program answers; None where it is not here, or can't read the source.

    It is stopped, with ``subprocess.TimeoutExpired``, where it takes longer than ``TIMEOUT``.
    """
    try:
        done = subprocess.run(
            command, input=source.encode(), capture_output=True, timeout=TIMEOUT, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout


def too_slow(engine: str) -> SettingError:
    """Make the error for a Graphviz that was stopped."""
    return SettingError(
        f"{engine} was stopped: it took more than {TIMEOUT:g} s for this figure.",
        fix='draw less of the graph with max_nodes, or use engine="builtin" and save an .svg.',
    )


def dot_source(figure: Figure) -> str:
    """Write the figure as DOT with ids and sizes alone.

    A wire with numbers runs through a node of its own that keeps their room, so that they stand
    above and below it.
    """
    lines = [
        "digraph {",
        "rankdir=LR nodesep=0.3 ranksep=0.32 outputorder=edgesfirst",
        'node [label="" shape=box fixedsize=true] edge [arrowhead=none]',
    ]
    for node in figure.nodes:
        circle = " shape=circle" if is_round(node) else ""
        lines.append(f'"{node.id}" [{_inches(room_of(node))}{circle}]')
    # its reserved box has no border to meet: aim at the middle of the left side
    level = {node.id: ":w" for node in figure.nodes if node.below}
    for wire in figure.wires:
        size, target = label_size(wire), f'"{wire.target}"{level.get(wire.target, "")}'
        source, comment = f'"{wire.source}":e', f'[comment="{wire.id}"]'
        if size.height:
            lines.append(f'"l{wire.id}" [{_inches(size)}]')
            lines.append(f'{source} -> "l{wire.id}":w {comment}')
            source = f'"l{wire.id}":e'
        lines.append(f"{source} -> {target} {comment}")
    return "\n".join([*lines, *_clusters(figure), "}"])


def _clusters(figure: Figure) -> list[str]:
    """Write the frames as nested subgraphs; a label of fixed size keeps the room of a title."""
    written: dict[str, list[str]] = {}  # by the frame around it
    for i, cluster in reversed([*enumerate(figure.clusters)]):  # after what they hold
        title = block([cluster.line])
        room = f'width="{title.width:.0f}" height="{title.height:.0f}"'
        table = f'<table border="0" fixedsize="true" {room}><tr><td></td></tr></table>'
        lines = [f"subgraph cluster_{i} {{ labeljust=l label=<{table}>"]
        lines += [f'"{node.id}"' for node in figure.nodes if node.cluster == cluster.id]
        lines += [*written.get(cluster.id, ()), "}"]
        written[cluster.parent] = lines + written.get(cluster.parent, [])
    return written.get("", [])


def _inches(size: Size) -> str:
    return f"width={size.width / 72.0:.4f} height={size.height / 72.0:.4f}"


def _placement(answer: dict[str, Any], figure: Figure) -> Placement:
    """Read Graphviz's places, in points from the top left; its own y runs upwards."""
    left, bottom, right, top = map(float, answer["bb"].split(","))

    def at(text: str) -> Point:
        x, y = map(float, text.split(","))
        return x - left + MARGIN, top - y + MARGIN

    objects = answer.get("objects", [])
    center = {it["name"]: at(it["pos"]) for it in objects if "pos" in it}
    pieces: dict[str, list[tuple[Point, ...]]] = {}
    for edge in answer.get("edges", []):
        pieces.setdefault(edge["comment"], []).append(tuple(map(at, edge["pos"].split(" "))))
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
        {node.id: center[node.id] for node in figure.nodes},
        {wire.id: _joined(pieces[wire.id]) for wire in figure.wires},
        {wire.id: center[f"l{wire.id}"] for wire in figure.wires if f"l{wire.id}" in center},
        frames,
    )


def _joined(pieces: list[tuple[Point, ...]]) -> tuple[Point, ...]:
    """Join the piece to a label, a straight line across it, and the piece from there."""
    pieces = sorted(pieces, key=lambda points: points[0][0])
    path = pieces[0]
    for piece in pieces[1:]:
        (x0, y0), (x1, y1) = path[-1], piece[0]
        third = ((x1 - x0) / 3.0, (y1 - y0) / 3.0)
        bridge = ((x0 + third[0], y0 + third[1]), (x1 - third[0], y1 - third[1]))
        path = (*path, *bridge, *piece)
    return path
