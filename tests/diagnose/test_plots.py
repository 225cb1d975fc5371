"""What the pictures share: Axes of their own, a legend in its corner, classes told apart."""

import matplotlib.pyplot as plt
import pytest

from tinygrad_edu.diagnose.plots import axes_or_new, class_looks, legend, png_of


def test_a_new_figure_is_unknown_to_pyplot():
    """So nobody has to close it; Axes that are passed are used."""
    ax = axes_or_new(None, "a test")

    assert axes_or_new(ax, "a test") is ax
    assert not plt.get_fignums()


def test_the_legend_stands_in_its_corner():
    """Matplotlib does not search for the best place; without a label there is no legend."""
    ax = axes_or_new(None, "a test")
    legend(ax, "lower left")
    assert ax.get_legend() is None

    ax.plot([0.0, 1.0], label="a line")
    legend(ax, "lower left")

    assert ax.get_legend()._loc == 3


@pytest.mark.parametrize("count", [1, 2, 6, 10])
def test_each_class_has_its_own_colour_and_marker(count):
    """Colour alone tells nothing to some readers."""
    colors, markers = zip(*class_looks(count), strict=True)

    assert len(colors) == len(set(colors)) == len(set(markers)) == count


def test_a_figure_becomes_a_png():
    """A whole file, as bytes."""
    assert png_of(axes_or_new(None, "a test").figure).startswith(b"\x89PNG")
