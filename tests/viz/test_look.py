"""How figures look as SVG, pixels and text: their edges, letters, arrowheads, columns."""

import re
import xml.etree.ElementTree as ElementTree
from io import BytesIO

import pytest

from tests import graphs
from tinygrad_edu import Value, draw
from tinygrad_edu.viz import raster
from tinygrad_edu.viz.figure import Line
from tinygrad_edu.viz.layout.measure import text_width
from tinygrad_edu.viz.svg import _Pen
from tinygrad_edu.viz.themes import FONT, Theme

SVG = "{http://www.w3.org/2000/svg}"
STYLES = ("circuit", "detail", "card", "micrograd", "folded")


@pytest.fixture
def images():
    """Pillow, where resvg is there too."""
    pytest.importorskip("resvg_py")
    return pytest.importorskip("PIL.Image")


def square(label="x"):
    """x * x, with gradients: two wires as wide as wires get."""
    x = Value(2.0, label)
    return graphs.backward(x * x)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("root", [square, graphs.neuron, graphs.shared])
def test_a_figure_has_one_size_in_whole_points(root, style):
    """Width and height are those of its view box and of its ground."""
    top = ElementTree.fromstring(draw(root(), style, engine="builtin").svg())
    size = top.get("width"), top.get("height")

    assert all(map(str.isdigit, size))
    assert top.get("viewBox").split() == ["0", "0", *size]
    ground = top.find(f"{SVG}rect")
    assert (ground.get("width"), ground.get("height")) == size


@pytest.mark.parametrize("zoom", [2.0, 1.22, 0.75])
@pytest.mark.parametrize("style", STYLES)
def test_no_pixel_is_transparent(images, style, zoom):
    """The ground reaches all edges, however many pixels a point has."""
    source = draw(square(), style, engine="builtin").svg()

    with images.open(BytesIO(raster._resvg(source, zoom))) as picture:
        assert picture.getchannel("A").getextrema() == (255, 255)


def ink(images, source):
    """Left and right end of what is dark."""
    with images.open(BytesIO(raster._resvg(source, 4.0))) as picture:
        left, _, right, _ = picture.convert("L").point(lambda level: 255 * (level < 128)).getbbox()
    return left / 4.0, right / 4.0


def written(text, role="gradient"):
    """A line of a figure on a white ground, centred at 100."""
    pen = _Pen(Theme(gradient="#000000", warning="#000000"), (), "", ())
    line = pen.text(Line(text, role), 100.0, 20.0, "middle")
    return (
        f'<svg xmlns="{SVG[1:-1]}" width="200" height="30" font-family="{FONT}">'
        f'<rect width="200" height="30" fill="#fff"/>{line}</svg>'
    )


def test_letters_beside_a_nabla_are_in_the_figures_font(images):
    """Up to the ∇ and after it every pixel is as without it: resvg takes a font a piece."""
    pictures = []
    for text in ("88888", "88888∇"):
        source = re.sub(r'<text x="[\d.]+"', '<text x="10"', written(text))
        source = source.replace('text-anchor="middle"', 'text-anchor="start"')
        with images.open(BytesIO(raster._resvg(source, 4.0))) as picture:
            pictures.append(picture.convert("L").crop((0, 0, int(4.0 * 43.0), 120)).tobytes())

    assert pictures[0] == pictures[1]


@pytest.mark.parametrize("text", ["Σ∇ 3.6", "|∇| rms 0.0122 max 0.0223", "∇", "a ∇ b ∇ c"])
def test_a_line_with_a_nabla_is_centred_and_as_wide_as_measured(images, text):
    """Within two points: what was reserved for it is what it takes."""
    left, right = ink(images, written(text))

    assert (left + right) / 2.0 == pytest.approx(100.0, abs=2.0)
    assert right - left == pytest.approx(text_width(Line(text, "gradient")), abs=3.0)


def heads(source):
    """The corners of each arrowhead."""
    paths = [path.get("d") for path in ElementTree.fromstring(source).iter(f"{SVG}path")]
    numbers = [re.findall(r"-?[\d.]+", path) for path in paths if path.endswith("Z")]
    return [[(float(x), float(y)) for x, y in zip(n[::2], n[1::2], strict=True)] for n in numbers]


@pytest.mark.parametrize("style", ["circuit", "detail", "card"])
def test_the_two_heads_of_a_square_are_apart(style):
    """Both wires of x * x are strong; between their heads there is a gap."""
    above, below, *_ = heads(draw(square(), style, engine="builtin").svg())

    assert max(y for _, y in above) + 1.0 <= min(y for _, y in below)


@pytest.mark.parametrize("style", ["circuit", "detail"])
def test_a_wire_reaches_its_head_level(style):
    """The head points along the last stretch, and the curve does not turn back inside it."""
    source = draw(graphs.shared(), style, engine="builtin").svg()
    for tip, left, right in heads(source):
        assert tip[1] == pytest.approx((left[1] + right[1]) / 2.0, abs=0.02)

    for d in re.findall(r'<path d="(M[^"Z]*)" fill="none"', source):
        xs = [float(x) for x in re.findall(r"(-?[\d.]+),", d)]
        assert xs[::3] == sorted(xs[::3])


def test_columns_of_text_stand_below_each_other_with_wide_letters():
    """A letter of Chinese takes two columns of a terminal, an accent of its own takes none."""
    wide, accented = Value(2.0, "漢字"), Value(3.0, "e\u0301")

    assert str(draw(graphs.backward(wide * accented))) == (
        "×        6  ∇ 1\n├─ 漢字  2  ∇ 3\n└─ e\u0301     3  ∇ 2"
    )


@pytest.mark.parametrize("text", ["stale: its inputs", "now give 25", "−inf"])
def test_a_warning_is_as_wide_as_measured(images, text):
    """It is bold, and stands beside the bars of a card without touching them."""
    line = Line(text, "warning")
    left, right = ink(images, written(text, "warning"))

    assert right - left <= text_width(line) <= right - left + 4.0
