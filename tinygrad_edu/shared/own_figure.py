"""The figure of a plot: it looks the same whoever draws it, and a notebook shows it once."""

from __future__ import annotations

from collections import deque
from typing import Any
from weakref import ref

from matplotlib import pyplot, rcParams
from matplotlib.backend_bases import RendererBase
from matplotlib.figure import Figure

from tinygrad_edu.shared.pictures import default_style

# the backends that show nothing: nobody closes a figure there
WINDOWLESS = ("agg", "cairo", "pdf", "pgf", "ps", "svg", "template")
KEPT = 10  # figures of ours that stay open in pyplot there
_newest = deque[Any]()  # weak references to them


class OwnFigure(Figure):
    """A Matplotlib figure that is drawn with Matplotlib's own settings, whenever that happens."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        with default_style():
            super().__init__(*args, **settings)

    def draw(self, renderer: RendererBase) -> None:
        """Draw it: ticks and their labels are made only now, and read the settings again."""
        with default_style():
            super().draw(renderer)

    def _ipython_display_(self) -> None:
        """Close it when a cell shows it as its result: the cell's end would show it once more."""
        if _is_notebook():
            pyplot.close(self)
        raise NotImplementedError  # which asks IPython to show it in its usual way


def open_figure(**settings: Any) -> Any:
    """Make a figure that pyplot knows, so that it is shown like any other.

    Pyplot warns of more than 20 open figures. Where the user can't see them that is not the user's
    concern: a notebook closes them at the end of the cell, and where nothing is shown only the
    newest stay open, which is enough for ``plt.savefig`` and the like.
    """
    try:
        # this loads the backend, which may change settings: not inside a block of ours
        pyplot.draw_if_interactive()  # type: ignore[no-untyped-call]
        with default_style():
            windowless = pyplot.get_backend().lower() in WINDOWLESS
            if windowless or _is_notebook():
                rcParams["figure.max_open_warning"] = 0
            figure = pyplot.figure(FigureClass=OwnFigure, **settings)
    except ImportError:  # the backend that the user chose has no screen here; saving needs none
        return OwnFigure(**settings)
    if windowless:
        _newest.append(ref(figure))
        while len(_newest) > KEPT:
            oldest = _newest.popleft()()
            if oldest is not None:  # close(None) would close the figure at hand
                pyplot.close(oldest)
    return figure


def _is_notebook() -> bool:
    """Check whether pyplot shows all open figures at the end of a notebook's cell."""
    return "inline" in pyplot.get_backend()
