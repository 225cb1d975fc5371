"""Figures as pixels and pages: PNG and GIF by resvg, or by Graphviz where that is not installed."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from io import BytesIO
from typing import TYPE_CHECKING

from tinygrad_edu.checks import extra
from tinygrad_edu.errors import MissingExtraError

if TYPE_CHECKING:
    from graphviz import Digraph

ZOOM = 2.0  # pixels a point: sharp on today's screens
SECOND = 1000  # milliseconds


def png(svg: str, dot: Digraph) -> bytes:
    """The picture by resvg; where it is not installed Graphviz draws its own."""
    try:
        return _resvg(svg)
    except ImportError:
        return by_graphviz(dot, "png", 'pip install "tinygrad_edu[png]"')


def gif(frames: Sequence[str]) -> bytes:
    """The steps one after the other, a second each, the last one three."""
    images = extra("PIL.Image", "pillow", "a GIF", "png")
    try:
        pictures = [images.open(BytesIO(_resvg(frame))).convert("RGB") for frame in frames]
    except ImportError:
        raise MissingExtraError(
            "a GIF needs resvg-py, which is not installed.", fix='pip install "tinygrad_edu[png]"'
        ) from None
    durations = [SECOND] * (len(pictures) - 1) + [3 * SECOND]
    out = BytesIO()
    pictures[0].save(
        out, "GIF", save_all=True, append_images=pictures[1:], duration=durations, loop=0
    )
    return out.getvalue()


def by_graphviz(dot: Digraph, format: str, fix: str) -> bytes:
    """What Graphviz makes of the figure; MissingExtraError where there is none."""
    from graphviz import CalledProcessError, ExecutableNotFound

    try:
        return bytes(dot.pipe(format))
    except (ExecutableNotFound, CalledProcessError, OSError):
        raise MissingExtraError(
            f"a {format.upper()} needs Graphviz's dot program, which is not here.",
            fix=f"install Graphviz, save an SVG instead, or {fix}."
            if fix
            else "install Graphviz, or save an SVG and print it from a browser.",
        ) from None


def _resvg(svg: str) -> bytes:
    """PNG by resvg; ImportError where it is not installed."""
    render = import_module("resvg_py").svg_to_bytes
    return bytes(render(svg_string=svg, zoom=ZOOM))
