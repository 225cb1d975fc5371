"""The figure of a plot: open in pyplot, drawn with Matplotlib's own settings, closed in time."""

import pickle
import warnings

import matplotlib
import matplotlib.pyplot as plt
import pytest

from tinygrad_edu.shared.plots import new_plot, png_of, unseen

SIZE = (4.0, 3.0)
pytestmark = pytest.mark.usefixtures("no_open_figures")


def test_pyplot_knows_a_new_plot():
    """So plt.show() shows it, and plt.savefig saves it, as with pandas and seaborn."""
    with new_plot("a test", SIZE) as ax:
        ax.plot([1, 2])

    assert plt.get_fignums() == [ax.figure.number]
    assert plt.gcf() is ax.figure


def test_where_nothing_is_shown_only_the_newest_stay_open():
    """Matplotlib warns of more than 20; a user's own figures stay."""
    own = plt.figure()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(50):
            with new_plot("a test", SIZE) as ax:
                ax.plot([1, 2])

    assert len(plt.get_fignums()) == 11
    assert plt.fignum_exists(own.number)
    assert plt.fignum_exists(ax.figure.number)


def test_figures_that_a_user_closed_cost_no_other_figure():
    """Weak references to them are dead by then."""
    own = plt.figure()
    for _ in range(30):
        with new_plot("a test", SIZE) as ax:
            plt.close(ax.figure)
        del ax

    assert plt.get_fignums() == [own.number]


def test_a_backend_without_a_screen_does_not_keep_a_plot_from_being_saved(monkeypatch):
    """Pyplot refuses to open a window where there is none."""
    monkeypatch.setattr(plt, "figure", _raises)

    with new_plot("a test", SIZE) as ax:
        ax.plot([1, 2])

    assert png_of(ax.figure).startswith(b"\x89PNG")


def _raises(**_):
    raise ImportError("Cannot load backend 'TkAgg': headless is currently running")


def test_a_plot_is_drawn_with_matplotlib_s_settings_whoever_saves_it():
    """Ticks are made when it is drawn: a user's LaTeX or white ink would come in there."""
    pictures = []
    for settings in ({}, {"text.usetex": True, "xtick.color": "white", "font.size": 30.0}):
        with matplotlib.rc_context(settings):
            with new_plot("a test", SIZE) as ax:
                ax.plot([1, 2])
            ax.figure.canvas.draw()
            pictures.append(bytes(ax.figure.canvas.buffer_rgba()))

    assert pictures[0] == pictures[1]


def test_a_plot_can_be_pickled():
    """As any figure can."""
    with unseen(), new_plot("a test", SIZE) as ax:
        ax.plot([1, 2])

    assert len(pickle.loads(pickle.dumps(ax.figure)).axes) == 1
