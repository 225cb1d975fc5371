"""Figures as pixels: no edge is transparent, and what would take minutes is refused."""

import re
import sys
from io import BytesIO
from time import perf_counter

import pytest

from tests import graphs
from tinygrad_edu import Value, draw
from tinygrad_edu.engine.errors import MissingExtraError, SettingError
from tinygrad_edu.viz import raster
from tinygrad_edu.viz.layout import graphviz
from tinygrad_edu.viz.layout.placement import Placement


def sized(width, height):
    """A placement of that size and nothing in it."""
    return Placement(width, height, {}, {}, {}, {})


def long_sum(count):
    """A chain of so many additions, with gradients."""
    total = Value(1.0, "x")
    for _ in range(count):
        total = total + 1.0
    return graphs.backward(total)


@pytest.mark.parametrize(
    ("width", "height", "count", "most", "zoom"),
    [
        (100.0, 100.0, 1, raster.PICTURE, 2.0),
        (3_500.0, 3_500.0, 1, raster.PICTURE, 2.0),
        (10_000.0, 5_000.0, 1, raster.PICTURE, 1.0),
        (1_000.0, 1_000.0, 100, raster.FILM, 1.5**0.5),
    ],
)
def test_a_picture_has_50_million_pixels_at_most(width, height, count, most, zoom):
    """Two per point, unless there are too many; those of a film are counted over all steps."""
    assert raster._zoom(sized(width, height), count, most, "PNG") == pytest.approx(zoom)


@pytest.mark.parametrize("place", [sized(10_000.0, 10_000.0), sized(120_000.0, 800.0)])
def test_a_picture_whose_text_could_not_be_read_is_refused(place):
    """Its size is told, and what to do."""
    with pytest.raises(SettingError, match=r"(?s)by [\d,]+ points are too large for a PNG.*\.svg"):
        raster.png("", place, None)


@pytest.mark.slow
def test_a_large_png_has_fewer_pixels_a_point(images, tmp_path):
    """A chain of 150 values, whole and sharp enough to be read."""
    figure = draw(long_sum(150), "card", engine="builtin", max_nodes=None)
    assert figure.placement.width > 9_000.0

    with images.open(figure.save(tmp_path / "chain.png")) as picture:
        width, height = picture.size

    assert 0.75 * figure.placement.width <= width <= 2.0 * figure.placement.width + 1.0
    assert width * height <= 1.01 * raster.PICTURE


def test_a_film_of_too_many_steps_is_refused(images, tmp_path):
    """With the number of steps, the way out, and no file left."""
    figure = draw(long_sum(600), "card", engine="builtin", max_nodes=None)

    with pytest.raises(SettingError, match=r"(?s)steps of [\d,]+ by .* for a GIF.*\.html"):
        figure.save(tmp_path / "chain.gif")

    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("ending", ["pdf", "png"])
def test_a_file_that_graphviz_writes_is_given_up_in_time(ending, monkeypatch, tmp_path):
    """A dot that hangs is stopped, and the error says so."""
    slow = tmp_path / "dot"
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    monkeypatch.setattr(graphviz, "TIMEOUT", 0.2)
    figure, start = draw(graphs.neuron(), engine="builtin"), perf_counter()

    with pytest.raises(SettingError, match=r"dot was stopped: it took more than 0\.2 s"):
        figure.save(tmp_path / f"neuron.{ending}")

    assert perf_counter() - start < 10.0
    assert [file.name for file in tmp_path.iterdir()] == ["dot"]


def test_a_pdf_of_too_many_nodes_is_refused_before_dot_is_asked(monkeypatch, tmp_path):
    """It would be stopped after ten seconds."""
    monkeypatch.setattr(raster, "run_graphviz", lambda *_: pytest.fail("dot was asked"))
    figure = draw(long_sum(1_001), "card", engine="builtin", max_nodes=None)

    with pytest.raises(SettingError, match="2,003 nodes are too many for dot"):
        figure.save(tmp_path / "chain.pdf")


@pytest.mark.parametrize("zoom", [2.0, 1.22, 0.75])
@pytest.mark.parametrize("style", ["circuit", "detail", "card", "micrograd", "folded"])
def test_no_pixel_is_transparent(images, style, zoom):
    """The ground reaches all edges, however many pixels a point has."""
    source = draw(graphs.square(), style, engine="builtin").svg()

    with images.open(BytesIO(raster._resvg(source, zoom))) as picture:
        assert picture.getchannel("A").getextrema() == (255, 255)


@pytest.mark.parametrize(
    ("build", "steps"),
    [(lambda: Value(1.0, "x"), 1), pytest.param(graphs.neuron, 12, marks=pytest.mark.slow)],
)
def test_a_film_has_one_frame_per_step(images, build, steps, tmp_path):
    """A leaf alone is a film, too; the last frame stays for three seconds."""
    figure = draw(build(), engine="builtin")

    with images.open(figure.save(tmp_path / "root.gif")) as film:
        assert film.n_frames == len(figure.steps) == steps
        film.seek(steps - 1)
        assert film.info["duration"] == 3000


@pytest.fixture
def without_fonts(monkeypatch):
    """Let resvg find no font of the system."""
    real = raster._render
    monkeypatch.setattr(
        raster, "_render", lambda svg, **options: real(svg, skip_system_fonts=True, **options)
    )
    raster._fonts.cache_clear()
    yield
    raster._fonts.cache_clear()


def test_text_is_drawn_where_no_font_is_installed(images, without_fonts):
    """By the font that Matplotlib brings, a little smaller, since it is wider than Helvetica."""
    source = draw(graphs.neuron(), engine="builtin").svg()
    bare = re.sub(r"<text.*?</text>", "", source, flags=re.S)

    with_text, without = (
        images.open(BytesIO(raster._resvg(svg, 1.0))).convert("L").tobytes()
        for svg in (source, bare)
    )

    assert raster._fonts()[1] == 0.87
    assert sum(a != b for a, b in zip(with_text, without, strict=True)) > 1_000


def test_without_any_font_a_picture_is_refused(images, without_fonts, monkeypatch, tmp_path):
    """It would have no text, and nobody would be told; nothing is written."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)

    for ending in ("png", "gif"):
        with pytest.raises(MissingExtraError, match="no font for the text"):
            draw(graphs.neuron(), engine="builtin").save(tmp_path / f"neuron.{ending}")

    assert not list(tmp_path.iterdir())


def test_without_dot_typst_makes_the_pdf(monkeypatch, tmp_path):
    """One page, as large as the figure."""
    pytest.importorskip("typst")
    monkeypatch.setenv("PATH", "")
    figure = draw(graphs.neuron())

    content = figure.save(tmp_path / "neuron.PDF").read_bytes()

    box = re.search(rb"/MediaBox ?\[0 0 ([\d.]+) ([\d.]+)\]", content)
    assert content.startswith(b"%PDF")
    assert float(box[1]) / float(box[2]) == pytest.approx(
        figure.placement.width / figure.placement.height, rel=0.02
    )


@pytest.mark.parametrize(
    ("ending", "said"),
    [
        ("png", r'(?s)a PNG needs resvg-py or .*pip install "tinygrad_edu\[png\]"'),
        ("gif", r'(?s)a GIF needs resvg-py.*pip install "tinygrad_edu\[png\]"'),
        ("pdf", r'(?s)a PDF needs Typst or .*pip install "tinygrad_edu\[pdf\]"'),
    ],
)
def test_what_is_missing_is_named_with_the_command_that_installs_it(
    ending, said, monkeypatch, tmp_path
):
    """Also where the ending has capital letters."""
    monkeypatch.setenv("PATH", "")
    for module in ("resvg_py", "typst"):
        monkeypatch.setitem(sys.modules, module, None)

    with pytest.raises(MissingExtraError, match=said):
        draw(graphs.neuron(), engine="builtin").save(tmp_path / f"neuron.{ending.upper()}")
