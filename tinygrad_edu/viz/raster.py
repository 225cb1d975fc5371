"""Figures as pixels and pages: PNG and GIF by resvg, or by Graphviz where that is not installed.

No figure takes minutes: a large figure has fewer pixels per point, and is refused where its text
could not be read then.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from importlib import import_module
from io import BytesIO
from math import sqrt
from typing import TYPE_CHECKING

from tinygrad_edu.engine.errors import MissingExtraError, SettingError
from tinygrad_edu.shared.arguments import extra
from tinygrad_edu.viz.layout.graphviz import run_graphviz, too_slow
from tinygrad_edu.viz.layout.placement import Placement

if TYPE_CHECKING:
    from graphviz import Digraph

ZOOM, LEAST_ZOOM = 2.0, 0.75  # pixels per point: sharp on today's screens; still to be read
PICTURE, FILM = 50e6, 150e6  # pixels at most: three seconds of resvg, and ten
SECOND = 1000  # milliseconds


def png(svg: str, size: Placement, dot: Digraph) -> bytes:
    """Draw the picture by resvg; where it is not installed, Graphviz draws its own."""
    zoom = _zoom(size, 1, PICTURE, "PNG")
    try:
        return _resvg(svg, zoom)
    except ImportError:
        return by_graphviz(dot, "png", 'pip install "tinygrad_edu[png]"')


def gif(frames: Iterable[str], count: int, size: Placement) -> bytes:
    """Show the steps one after the other, for a second each, the last for three."""
    images = extra("PIL.Image", "pillow", "a GIF", "png")
    extra("resvg_py", "resvg-py", "a GIF", "png")
    zoom = _zoom(size, count, FILM, "GIF")
    pictures = (images.open(BytesIO(_resvg(frame, zoom))).convert("RGB") for frame in frames)
    out, durations = BytesIO(), [SECOND] * (count - 1) + [3 * SECOND]
    next(pictures).save(
        out, "GIF", save_all=True, append_images=pictures, duration=durations, loop=0
    )
    return out.getvalue()


def by_graphviz(dot: Digraph, format: str, fix: str) -> bytes:
    """Let Graphviz draw the figure; MissingExtraError where it is not installed."""
    try:
        answer = run_graphviz(("dot", f"-T{format}"), str(dot.source))
    except subprocess.TimeoutExpired:
        raise too_slow("dot") from None
    if answer is None:
        raise MissingExtraError(
            f"a {format.upper()} needs Graphviz's dot program, which is not here.",
            fix=f"install Graphviz, save an SVG instead, or {fix}."
            if fix
            else "install Graphviz, or save an SVG and print it from a browser.",
        )
    return answer


def _zoom(size: Placement, count: int, most: float, what: str) -> float:
    """Choose the pixels per point, so that so many pictures have at most so many pixels."""
    zoom = min(ZOOM, sqrt(most / (count * size.width * size.height)))
    if zoom < LEAST_ZOOM:
        steps = f"{count:,} steps of " if count > 1 else ""
        other = "an .svg or the stepper as .html" if count > 1 else "an .svg"
        raise SettingError(
            f"{steps}{size.width:,.0f} by {size.height:,.0f} points are too large for a {what} "
            "whose text can be read.",
            fix=f"save {other}: text without pixels; or draw less of the graph with max_nodes.",
        )
    return zoom


def _resvg(svg: str, zoom: float) -> bytes:
    """Draw a PNG by resvg; ImportError where it is not installed."""
    render = import_module("resvg_py").svg_to_bytes
    return bytes(render(svg_string=svg, zoom=zoom))
