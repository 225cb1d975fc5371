"""Pictures without a user's settings: the same bytes whatever Matplotlib is told elsewhere."""

import sys
from threading import Thread

import matplotlib
import pytest
from matplotlib.figure import Figure

from tests.networks import X, Y, mlp
from tinygrad_edu import nn
from tinygrad_edu.course import plot
from tinygrad_edu.diagnose import diagnose_report
from tinygrad_edu.shared.pictures import default_style
from tinygrad_edu.shared.plots import png_of

HOSTILE = {
    "text.usetex": True,
    "text.parse_math": False,
    "font.family": "cursive",
    "font.size": 30.0,
    "axes.prop_cycle": "cycler('color', ['white'])",
    "axes.formatter.use_locale": True,
    "figure.dpi": 30.0,
    "savefig.dpi": 17.0,
    "savefig.bbox": "tight",
    "savefig.transparent": True,
    "image.cmap": "jet",
    "path.effects": [],
    "lines.linewidth": 9.0,
}


@pytest.fixture
def hostile():
    """A user whose matplotlibrc makes every picture look otherwise, and asks for LaTeX."""
    with matplotlib.rc_context(HOSTILE):
        yield


@default_style()
def picture():
    """A figure with text, numbers and a line."""
    figure = Figure(layout="constrained")
    figure.subplots().plot([1, 2, 3], label="50 % of $x$")
    figure.axes[0].set(title="a_b & 50 %", xlabel="x")
    return figure


def test_a_picture_is_the_same_for_every_user(hostile):
    """Made and saved under hostile settings, byte for byte as under Matplotlib's own."""
    before = dict(matplotlib.rcParams)
    drawn, curves = png_of(picture()), png_of(plot({"a_b": [1, 2]}, title="50 %"))
    assert dict(matplotlib.rcParams) == before

    matplotlib.rcdefaults()

    assert drawn == png_of(picture())
    assert curves == png_of(plot({"a_b": [1, 2]}, title="50 %"))


def test_a_diagnosis_is_the_same_for_every_user(hostile, tmp_path):
    """Its three pictures, too."""
    diagnose_report(tmp_path / "one", mlp(), nn.mse, X, Y)
    matplotlib.rcdefaults()
    diagnose_report(tmp_path / "two", mlp(), nn.mse, X, Y)

    names = ["gradient_flow.png", "learning_rate.png", "loss_surface.png"]
    one, two = ([(tmp_path / run / name).read_bytes() for name in names] for run in ("one", "two"))
    assert one == two


def test_settings_of_two_threads_come_back(hostile):
    """Blocks of two threads never overlap: what the user chose is in force afterwards."""
    before = dict(matplotlib.rcParams)
    threads = [Thread(target=lambda: [picture() for _ in range(5)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert dict(matplotlib.rcParams) == before


def test_without_matplotlib_nothing_happens(monkeypatch):
    """The drawing code says what to install."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)

    with default_style():
        assert True
