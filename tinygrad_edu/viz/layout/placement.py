"""What every layout takes and gives: sizes and links in, places and routes out, in points."""

from __future__ import annotations

from dataclasses import dataclass

Point = tuple[float, float]


@dataclass(frozen=True)
class Size:
    """Width and height in points."""

    width: float
    height: float


@dataclass(frozen=True)
class Link:
    """A wire to be routed; ``label`` is the room its label needs, (0, 0) for none."""

    id: str
    source: str
    target: str
    label: Size


@dataclass(frozen=True)
class Frame:
    """A titled frame round its members: the nodes in it that are in no inner frame."""

    id: str
    members: tuple[str, ...]
    parent: str = ""
    title: Size = Size(0.0, 0.0)


@dataclass(frozen=True)
class Placement:
    """Where everything goes: points, from the top left, y downwards.

    ``nodes`` and ``labels`` are centers; ``routes`` are control points of cubic Bezier paths
    (1 + 3k points, from border to border); ``frames`` are left, top, width, height. A frame with
    nothing in it has no place.
    """

    width: float
    height: float
    nodes: dict[str, Point]
    routes: dict[str, tuple[Point, ...]]
    labels: dict[str, Point]
    frames: dict[str, tuple[float, float, float, float]]
