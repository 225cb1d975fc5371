"""Pictures that look the same everywhere: Matplotlib as it comes, without a user's settings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

_SETTINGS = RLock()  # Matplotlib's settings belong to the process: one thread at a time has its own


@contextmanager
def default_style() -> Iterator[None]:
    """Draw with Matplotlib's own settings, whatever the user's ``matplotlibrc`` or style says.

    It is a ``with`` block, and a decorator for functions that draw: what is made and saved inside
    has Matplotlib's fonts, sizes and colors, and needs no LaTeX. The user's settings are back
    afterwards. Where Matplotlib is not installed, nothing happens.

    Examples
    --------
    >>> import matplotlib
    >>> from tinygrad_edu.shared.pictures import default_style
    >>> matplotlib.rcParams["lines.linewidth"] = 9.0
    >>> with default_style():
    ...     print(matplotlib.rcParams["lines.linewidth"])
    1.5
    >>> matplotlib.rcParams["lines.linewidth"]
    9.0
    >>> matplotlib.rcdefaults()
    """
    try:
        import matplotlib
    except ImportError:  # the drawing code names the command that installs it
        yield
        return
    with _SETTINGS, matplotlib.rc_context():
        matplotlib.rcdefaults()
        yield
