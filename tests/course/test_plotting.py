"""plot: curves in a cell, a sentence where matplotlib is not installed."""

import sys

import pytest

from tinygrad_edu.course import plot
from tinygrad_edu.engine.errors import LengthError

pyplot = pytest.importorskip("matplotlib.pyplot")


def lines(figure):
    """Name, x and y of each curve."""
    return [
        (line.get_label(), list(line.get_xdata()), list(line.get_ydata()))
        for line in figure.axes[0].lines
    ]


def test_a_list_stands_at_1_2_3_and_a_pair_where_it_says():
    """Both kinds in one plot, in order."""
    figure = plot({"list": [4.0, 5.0], "pair": ((0, 10), (1.0, 2.0)), "two": (7.0, 8.0)})

    assert lines(figure) == [
        ("list", [1, 2], [4.0, 5.0]), ("pair", [0, 10], [1.0, 2.0]), ("two", [1, 2], [7.0, 8.0]),
    ]  # fmt: skip


def test_settings_reach_the_axes_and_the_names_the_legend():
    """Labels, scales and curves by name."""
    axes = plot({"loss": [1.0, 0.1]}, yscale="log", xlabel="epoch").axes[0]

    assert (axes.get_yscale(), axes.get_xlabel()) == ("log", "epoch")
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["loss"]


@pytest.mark.parametrize(("count", "marker"), [(30, "o"), (31, "None")])
def test_few_points_are_marked(count, marker):
    """Up to 30."""
    assert plot({"y": [1.0] * count}).axes[0].lines[0].get_marker() == marker


def test_pyplot_shows_it():
    """At the end of a notebook's cell, and under plt.show()."""
    figure = plot({"y": [1.0]})

    assert figure.number in pyplot.get_fignums()
    pyplot.close(figure)


def test_without_matplotlib_a_sentence(monkeypatch):
    """It points to the numbers, which every lesson prints too."""
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)

    assert plot({"y": [1.0]}).startswith("No plot: matplotlib is not installed.")


def test_another_number_of_x_than_of_y():
    """Which curve, and how many of each."""
    with pytest.raises(LengthError, match="'loss' has 2 x and 3 y"):
        plot({"loss": ([1, 2], [1, 2, 3])})
