"""What plots with Matplotlib share: figures that appear once, colours, markers, PNG.

A plot that is handed to a user is open in pyplot, as those of pandas, seaborn and scikit-learn are:
a notebook shows it at the end of its cell, ``plt.show()`` shows it in a script, ``plt.savefig``
saves it.

Colours that colour-blind readers tell apart: Okabe and Ito 2008, Color universal design; for
surfaces cividis (Nuñez et al. 2018).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from io import BytesIO
from math import nan
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from tinygrad_edu.engine.errors import SettingError
from tinygrad_edu.shared.arguments import extra
from tinygrad_edu.shared.pictures import default_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, ORANGE, GREEN, PINK, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#8c959f"
FIXED = [BLUE, ORANGE, GREEN, PINK, "#E69F00", "#56B4E9"]
MARKERS = "os^Dv<>P*X"
Corner: TypeAlias = Literal["lower left", "lower right", "upper right"]

LARGEST = 1e100  # of the numbers in a picture: Matplotlib takes differences and squares of them
LONGEST = 40  # characters of a name
_SEEN: ContextVar[bool] = ContextVar("seen", default=True)  # whether pyplot is to know a new plot


@contextmanager
def axes_or_new(
    ax: Axes | None, what: str, size: tuple[float, float] = (7.0, 4.2)
) -> Iterator[Axes]:
    """Lend the Axes that a user passed, else those of a new plot, to be drawn on in the block.

    Axes that were passed keep the user's style.

    Examples
    --------
    >>> from tinygrad_edu.shared.plots import axes_or_new
    >>> with axes_or_new(None, "the plot of a parabola", (4.0, 3.0)) as ax:
    ...     line = ax.plot([-1, 0, 1], [1, 0, 1])
    >>> ax.figure.get_size_inches().tolist()
    [4.0, 3.0]
    """
    if ax is None:
        with new_plot(what, size) as axes:
            yield axes
        return
    if not isinstance(ax, extra("matplotlib.axes", "matplotlib", what).Axes):
        raise SettingError(
            f"ax is {ax!r:.60}.",
            expected="the Axes of a Matplotlib figure",
            fix="pass Axes, for example ax=plt.subplots()[1].",
        )
    yield ax


@contextmanager
def new_plot(
    what: str, size: tuple[float, float], rows: int = 1, columns: int = 1
) -> Iterator[Any]:
    """Lend the Axes of a new figure that is open in pyplot, so that it appears exactly once.

    Like ``plt.subplots``, this gives an array of Axes if there are several. If the block fails, the
    figure is closed.

    Parameters
    ----------
    what : str, named in the MissingExtraError where Matplotlib is not installed
    size : (float, float), width and height in inches
    """
    extra("matplotlib.figure", "matplotlib", what)
    from matplotlib import pyplot

    from tinygrad_edu.shared.own_figure import OwnFigure, open_figure

    make = open_figure if _SEEN.get() else OwnFigure
    figure = make(figsize=size, layout="constrained")
    try:
        with default_style():
            yield figure.subplots(rows, columns)
    except BaseException:
        pyplot.close(figure)
        raise


@contextmanager
def unseen() -> Iterator[None]:
    """Make the plots in the block for files: pyplot never hears of them, so nothing shows them.

    Examples
    --------
    >>> from tinygrad_edu.shared.plots import new_plot, unseen
    >>> with unseen(), new_plot("a plot", (4.0, 3.0)) as ax:
    ...     ax.figure.canvas.manager is None
    True
    """
    token = _SEEN.set(False)
    try:
        yield
    finally:
        _SEEN.reset(token)


def legend(ax: Axes, corner: Corner) -> None:
    """Draw the legend in a corner, where there is something to explain.

    Matplotlib's search for the best place takes long where there are many points.
    """
    if ax.get_legend_handles_labels()[0]:
        ax.legend(loc=corner, frameon=True, framealpha=0.85, edgecolor="none", fontsize=8)


def plain(text: Any) -> str:
    """Write a name so that Matplotlib takes none of it for mathematics, on one line, and short.

    Examples
    --------
    >>> from tinygrad_edu.shared.plots import plain
    >>> print(plain("over $100"))
    over \\$100
    """
    legal = "".join(c if c.isprintable() else "\ufffd" for c in str(text))
    short = legal if len(legal) <= LONGEST else legal[: LONGEST - 1] + "…"
    return short.replace("$", r"\$")


def drawable(number: float) -> float:
    """Return the number, or nan, which leaves a gap, where it is too large for a picture."""
    return number if abs(number) <= LARGEST else nan


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
