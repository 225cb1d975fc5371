"""Plots with Matplotlib: figures that appear once, a legend in its corner, classes told apart."""

import matplotlib
import matplotlib.pyplot as plt
import pytest

from tinygrad_edu.engine.errors import SettingError
from tinygrad_edu.shared.plots import axes_or_new, class_looks, legend, new_plot, unseen

SIZE = (4.0, 3.0)
pytestmark = pytest.mark.usefixtures("no_open_figures")


def test_a_plot_that_fails_is_not_left_half_drawn():
    """Pyplot would show it with the next one."""
    with pytest.raises(ZeroDivisionError), new_plot("a test", SIZE):
        _ = 1 / 0

    assert plt.get_fignums() == []


def test_a_picture_for_a_file_is_unknown_to_pyplot():
    """Also when its drawing fails; afterwards plots are shown again."""
    with unseen(), new_plot("a test", SIZE) as ax:
        ax.plot([1, 2])
    with unseen(), pytest.raises(ZeroDivisionError), new_plot("a test", SIZE):
        _ = 1 / 0

    assert plt.get_fignums() == []
    with new_plot("a test", SIZE):
        assert len(plt.get_fignums()) == 1


def test_axes_that_are_passed_keep_the_user_s_style():
    """They belong to the user's figure, and so does what is drawn there."""
    with matplotlib.rc_context({"lines.linewidth": 7.0}):
        axes = plt.subplots(1, 2)[1]
        with axes_or_new(axes[1], "a test") as ax:
            (line,) = ax.plot([1, 2])

    assert ax is axes[1]
    assert line.get_linewidth() == 7.0


@pytest.mark.parametrize("wrong", [5, plt, "ax", "figure", "array"])
def test_other_things_than_axes_are_refused(wrong):
    """A figure, pyplot itself and the array that plt.subplots(1, 2) gives are common mistakes."""
    things = {"figure": plt.figure(), "array": plt.subplots(1, 2)[1]}
    ax = things.get(wrong, wrong) if isinstance(wrong, str) else wrong

    with pytest.raises(SettingError, match="ax is "), axes_or_new(ax, "a test"):
        pass


def test_there_is_no_legend_without_a_label():
    """Matplotlib would warn."""
    with axes_or_new(None, "a test") as ax:
        legend(ax, "lower left")

    assert ax.get_legend() is None


@pytest.mark.parametrize("count", [1, 2, 6, 10])
def test_each_class_has_its_own_colour_and_marker(count):
    """Colour alone tells nothing to some readers."""
    colors, markers = zip(*class_looks(count), strict=True)

    assert len(colors) == len(set(colors)) == len(set(markers)) == count
