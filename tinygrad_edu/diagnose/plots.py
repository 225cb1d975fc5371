"""What the pictures of a diagnosis share: Axes of their own, colours, markers, PNG.

Colours that colour-blind readers tell apart: Okabe and Ito 2008, Color universal design; for
surfaces cividis (Nuñez et al. 2018).
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from tinygrad_edu.shared.arguments import extra
from tinygrad_edu.shared.pictures import default_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, ORANGE, GREEN, PINK, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#8c959f"
FIXED = [BLUE, ORANGE, GREEN, PINK, "#E69F00", "#56B4E9"]
MARKERS = "os^Dv<>P*X"
Corner: TypeAlias = Literal["lower left", "lower right", "upper right"]


def axes_or_new(ax: Axes | None, what: str, size: tuple[float, float] = (7.0, 4.2)) -> Axes:
    """Return the Axes that were passed, or those of a Figure that pyplot knows nothing of."""
    if ax is not None:
        return ax
    figures = extra("matplotlib.figure", "matplotlib", what)
    axes: Axes = figures.Figure(figsize=size, layout="constrained").subplots()
    return axes


def legend(ax: Axes, corner: Corner) -> None:
    """Draw the legend in a corner, where there is something to explain.

    Matplotlib's search for the best place takes long where there are many points.
    """
    if ax.get_legend_handles_labels()[0]:
        ax.legend(loc=corner, frameon=True, framealpha=0.85, edgecolor="none", fontsize=8)


def class_looks(count: int) -> list[tuple[Any, str]]:
    """Return a colour and a marker for each class, so that colour alone tells nothing."""
    colors: list[Any] = FIXED[:count]
    if count > len(FIXED):
        cividis = extra("matplotlib", "matplotlib", "the plot of many classes").colormaps["cividis"]
        colors = [cividis(i / (count - 1)) for i in range(count)]
    return [(color, MARKERS[i % len(MARKERS)]) for i, color in enumerate(colors)]


@default_style()
def png_of(figure: Any) -> bytes:
    """Draw a Matplotlib figure as a PNG."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()
