"""Curves in a notebook's cell; a sentence if matplotlib is not installed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tinygrad_edu.engine.errors import LengthError, MissingExtraError
from tinygrad_edu.shared.plots import new_plot

FEW = 30  # up to so many points are marked one by one
SIZE = (6.0, 3.2)  # inches

Numbers = Sequence[float]


def plot(curves: Mapping[str, Any], **axes_settings: Any) -> Any:
    """Draw curves with a legend.

    Parameters
    ----------
    curves : for each name the heights y at 1, 2, 3, ..., or a pair (x, y)
    axes_settings : passed to matplotlib's ``Axes.set``: xlabel, ylabel, xscale="log", title, ...

    Returns
    -------
    matplotlib.figure.Figure, which a notebook shows and ``plt.show()``, too; or a sentence if
        matplotlib is not installed

    Raises
    ------
    LengthError
        If a curve has more or fewer x than y.

    Examples
    --------
    >>> from tinygrad_edu.course import plot
    >>> figure = plot({"squares": [1, 4, 9]}, xlabel="n", ylabel="n²")
    """
    pairs = {name: _pair(name, curve) for name, curve in curves.items()}
    try:
        with new_plot("the plot", SIZE) as axes:
            for name, (x, y) in pairs.items():
                axes.plot(x, y, "o-" if len(y) <= FEW else "-", label=name)
            axes.set(**axes_settings)
            axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))  # beside the curves
    except MissingExtraError:
        return "No plot: matplotlib is not installed. The numbers above say the same."
    return axes.figure


def _pair(name: str, curve: Any) -> tuple[Numbers, Numbers]:
    """Return x and y of a curve."""
    if not (isinstance(curve, tuple) and len(curve) == 2 and hasattr(curve[0], "__len__")):
        return range(1, len(curve) + 1), curve
    x, y = curve
    if len(x) != len(y):
        raise LengthError(
            f"the curve {name!r:.40} has {len(x)} x and {len(y)} y.",
            fix=f"pass {len(x)} y, or leave out x and pass y alone.",
        )
    return x, y
