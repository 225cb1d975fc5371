"""Figures as pixels and pages: PNG and GIF by resvg, PDF by Graphviz or Typst.

No figure takes minutes: a large figure has fewer pixels per point, and is refused where its text
could not be read then.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterable
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from io import BytesIO
from math import sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinygrad_edu.engine.errors import MissingExtraError, SettingError
from tinygrad_edu.shared.arguments import extra
from tinygrad_edu.viz.layout.graphviz import run_graphviz, too_slow
from tinygrad_edu.viz.layout.placement import Placement
from tinygrad_edu.viz.themes import FONT, NABLA_FONT

if TYPE_CHECKING:
    from graphviz import Digraph

ZOOM, LEAST_ZOOM = 2.0, 0.75  # pixels per point: sharp on today's screens; still to be read
PICTURE, FILM = 50e6, 150e6  # pixels at most: three seconds of resvg, and ten
SECOND = 1000  # milliseconds

# What takes the place of Helvetica, Arial and the system's own choice where there are none of them:
# without a font resvg leaves all text out and says nothing. Beside each its share of the font size,
# since places are laid out for Helvetica, and a wide font would run over the edges.
FAMILIES = (
    *(("Liberation Sans", 1.0), ("Nimbus Sans", 1.0), ("Arimo", 1.0), ("FreeSans", 1.0)),
    *(("Noto Sans", 0.96), ("Roboto", 0.98), ("DejaVu Sans", 0.87), ("Verdana", 0.87)),
)
_PROBE = """<svg xmlns="http://www.w3.org/2000/svg" width="20" height="20">
<text y="15" font-family="{}">{}</text></svg>"""
_TYPST = b"""#set page(width: auto, height: auto, margin: 0pt)
#image(bytes(sys.inputs.svg), format: "svg")
"""


def png(svg: str, size: Placement, dot: Digraph) -> bytes:
    """Draw the picture by resvg; where it is not installed, Graphviz draws its own."""
    zoom = _zoom(size, 1, PICTURE, "PNG")
    if find_spec("resvg_py") is not None:
        return _resvg(svg, zoom)
    if (picture := _by_graphviz(dot, "png")) is not None:
        return picture
    raise MissingExtraError(
        "a PNG needs resvg-py or Graphviz's dot program, and neither is installed.",
        fix='pip install "tinygrad_edu[png]"',
    )


def pdf(svg: Callable[[], str], dot: Digraph) -> bytes:
    """Let Graphviz draw a page, or Typst where Graphviz is not installed."""
    if (page := _by_graphviz(dot, "pdf")) is not None:
        return page
    try:
        typst = import_module("typst")
    except ImportError:
        raise MissingExtraError(
            "a PDF needs Typst or Graphviz's dot program, and neither is installed.",
            fix='pip install "tinygrad_edu[pdf]"',
        ) from None
    return bytes(typst.compile(_TYPST, sys_inputs={"svg": svg()}))


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


def _by_graphviz(dot: Digraph, format: str) -> bytes | None:
    """Let Graphviz draw the figure; None where it is not installed."""
    try:
        return run_graphviz(("dot", f"-T{format}"), str(dot.source))
    except subprocess.TimeoutExpired:
        raise too_slow("dot") from None


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
    """Draw a PNG by resvg, which is installed."""
    options, share = _fonts()
    if share != 1.0:
        svg = re.sub(r'(?<=font-size=")[\d.]+', lambda size: f"{share * float(size[0]):g}", svg)
    return _render(svg, zoom=zoom, **options)


@cache
def _fonts() -> tuple[dict[str, Any], float]:
    """Choose a font that this machine has; return resvg's options, and the share of the size."""
    bundled: dict[str, Any] = {}
    found = find_spec("matplotlib")
    if found is not None and found.origin is not None:  # it brings the font of its own plots
        file = Path(found.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
        bundled = {"font_files": [str(file)]} if file.exists() else {}
    tried: list[tuple[dict[str, Any], float]] = [({}, 1.0)]
    tried += [({"sans_serif_family": family}, share) for family, share in FAMILIES]
    tried += [(bundled | {"sans_serif_family": "DejaVu Sans"}, 0.87)]
    for options, share in tried:
        if _draws("x", FONT, options):
            whole = _draws("∇", NABLA_FONT, options)
            return options if whole else options | bundled, share
    raise MissingExtraError(
        "this machine has no font for the text of a picture: Helvetica, Arial, DejaVu Sans and "
        "the like are all missing.",
        fix="save an .svg, whose text the viewer draws, or bring a font: pip install matplotlib",
    )


def _draws(text: str, font: str, options: dict[str, Any]) -> bool:
    """Check that text leaves a mark in a picture."""
    pictures = [_render(_PROBE.format(font, shown), **options) for shown in (text, "")]
    return pictures[0] != pictures[1]


def _render(svg: str, **options: Any) -> bytes:
    return bytes(import_module("resvg_py").svg_to_bytes(svg_string=svg, **options))
