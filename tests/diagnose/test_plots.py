"""What the pictures share: Axes of their own, a legend in its corner, classes told apart."""

import sys

import matplotlib.pyplot as plt
import pytest

from tests.networks import X, Y, mlp
from tinygrad_edu import nn
from tinygrad_edu.diagnose import (
    decision_boundary,
    gradient_flow,
    learning_rate_range,
    loss_surface,
)
from tinygrad_edu.diagnose.plots import axes_or_new, class_looks, legend
from tinygrad_edu.engine.errors import MissingExtraError

BEST = 0  # Matplotlib's number for a search of the place with the fewest points
PICTURES = {
    "gradient_flow": lambda: gradient_flow(mlp(), nn.mse, X, Y).plot,
    "learning_rate_range": lambda: learning_rate_range(mlp(), nn.mse, X, Y, steps=20).plot,
    "loss_surface": lambda: loss_surface(mlp(), nn.mse, X, Y, points=3).plot,
    "loss_curve": lambda: loss_surface(mlp(), nn.mse, X, Y, points=3, dimensions=1).plot,
    "decision_boundary": lambda: (
        lambda ax=None: decision_boundary(
            mlp(), X, [int(target > 0.0) for target in Y], resolution=5, ax=ax
        )
    ),
}


@pytest.mark.parametrize("picture", PICTURES)
def test_each_picture_is_drawn_on_the_axes_that_are_passed(picture):
    """It has labels, a title, and a legend for whose place Matplotlib does not have to search."""
    plot = PICTURES[picture]()

    ax = plot()

    assert plot(ax) is ax
    assert all((ax.get_xlabel(), ax.get_ylabel(), ax.get_title()))
    assert ax.get_legend()._loc != BEST
    assert not plt.get_fignums()


@pytest.mark.parametrize("picture", PICTURES)
def test_without_matplotlib_the_command_to_install_is_named(picture, monkeypatch):
    """The numbers need no Matplotlib, the picture does."""
    plot = PICTURES[picture]()
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)

    with pytest.raises(MissingExtraError, match="matplotlib") as caught:
        plot()

    assert 'pip install "tinygrad_edu[demo]"' in str(caught.value)


def test_there_is_no_legend_without_a_label():
    """Matplotlib would warn."""
    ax = axes_or_new(None, "a test")

    legend(ax, "lower left")

    assert ax.get_legend() is None


@pytest.mark.parametrize("count", [1, 2, 6, 10])
def test_each_class_has_its_own_colour_and_marker(count):
    """Colour alone tells nothing to some readers."""
    colors, markers = zip(*class_looks(count), strict=True)

    assert len(colors) == len(set(colors)) == len(set(markers)) == count
