"""Plots appear exactly once: in a notebook's cell, under plt.show(), on Axes that are passed."""

import sys

import matplotlib.pyplot as plt
import nbformat
import pytest
from nbclient import NotebookClient

from tests.networks import X, Y, mlp
from tinygrad_edu import nn
from tinygrad_edu.diagnose import (
    decision_boundary,
    gradient_flow,
    learning_rate_range,
    loss_surface,
)
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


BEFORE = """
import matplotlib.pyplot as plt
from IPython.display import display
from tests.networks import X, Y, mlp
from tinygrad_edu import nn
from tinygrad_edu.course import plot
from tinygrad_edu.diagnose import *

flow = gradient_flow(mlp(), nn.mse, X, Y)
surface = loss_surface(mlp(), nn.mse, X, Y, points=3)
"""
CELLS = {  # with the number of pictures that it shows
    "flow.plot()": 1,
    "flow.plot();": 1,
    "ax = flow.plot()\n'something else'": 1,
    "flow.plot().figure": 1,
    "figure = flow.plot().figure": 1,
    "figure": 1,
    "flow.plot()\nsurface.plot()": 2,
    "flow.plot()\nplt.show()": 1,
    "decision_boundary(mlp(), X, [0] * len(X), resolution=3)": 1,
    "plot({'squares': [1, 4]})": 1,
    "plot({'squares': [1, 4]});": 1,
    "plot({'squares': [1, 4]})\nplot({'squares': [1, 4]})": 2,
    "display(plot({'squares': [1, 4]}))": 1,
    "one, two = plt.subplots(1, 2)[1]\nflow.plot(one)\nsurface.plot(two)": 1,
    "for _ in range(22): plot({'squares': [1, 4]})": 22,
    "plt.get_fignums()": 0,
}


pytestmark = pytest.mark.usefixtures("no_open_figures")


@pytest.mark.slow
def test_a_notebook_shows_each_plot_once():
    """Whether it is the cell's result or not; nothing is warned of, and nothing stays open."""
    cells = [nbformat.v4.new_code_cell(source) for source in (BEFORE, *CELLS)]
    notebook = nbformat.v4.new_notebook(cells=cells)

    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()

    shown = {
        cell.source: sum("image/png" in out.get("data", {}) for out in cell.outputs)
        for cell in notebook.cells[1:]
    }
    assert shown == CELLS
    assert all(out.output_type != "stream" for cell in notebook.cells for out in cell.outputs)
    assert notebook.cells[-1].outputs[0]["data"]["text/plain"] == "[]"


@pytest.mark.parametrize("plots", [1, 2, 3])
def test_a_script_shows_each_plot_once(plots, monkeypatch):
    """plt.show() asks the manager of each open figure."""
    shown = []
    monkeypatch.setattr(
        "matplotlib.backend_bases.FigureManagerBase.show", lambda manager: shown.append(manager)
    )
    flow = gradient_flow(mlp(), nn.mse, X, Y)

    figures = [flow.plot().figure for _ in range(plots)]
    plt.show()

    assert [manager.canvas.figure for manager in shown] == figures


@pytest.mark.parametrize("picture", PICTURES)
def test_each_picture_is_drawn_on_the_axes_that_are_passed(picture):
    """It has labels, a title, and a legend for whose place Matplotlib does not have to search."""
    plot = PICTURES[picture]()

    ax = plot()

    assert plot(ax) is ax
    assert all((ax.get_xlabel(), ax.get_ylabel(), ax.get_title()))
    assert ax.get_legend()._loc != BEST
    assert plt.get_fignums() == [ax.figure.number]


@pytest.mark.parametrize("picture", PICTURES)
def test_without_matplotlib_the_command_to_install_is_named(picture, monkeypatch):
    """The numbers need no Matplotlib, the picture does."""
    plot = PICTURES[picture]()
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)

    with pytest.raises(MissingExtraError, match="matplotlib") as caught:
        plot()

    assert 'pip install "tinygrad_edu[demo]"' in str(caught.value)
