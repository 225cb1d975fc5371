"""Text and shapes are as large as measured: what was reserved for them is what they take."""

import re
from io import BytesIO

import pytest

from tinygrad_edu.viz import raster
from tinygrad_edu.viz.figure import Line, Node, Wire
from tinygrad_edu.viz.layout.measure import is_round, label_size, node_size, room_of, text_width
from tinygrad_edu.viz.layout.placement import Size
from tinygrad_edu.viz.svg import _Pen
from tinygrad_edu.viz.themes import FONT, Theme

SVG = "http://www.w3.org/2000/svg"


def ink(images, source):
    """Left and right end of what is dark."""
    with images.open(BytesIO(raster._resvg(source, 4.0))) as picture:
        left, _, right, _ = picture.convert("L").point(lambda level: 255 * (level < 128)).getbbox()
    return left / 4.0, right / 4.0


def written(text, role="gradient"):
    """A line of a figure on a white ground, centerd at 100."""
    pen = _Pen(Theme(gradient="#000000", warning="#000000"), (), "", ())
    line = pen.text(Line(text, role), 100.0, 20.0, "middle")
    return (
        f'<svg xmlns="{SVG}" width="200" height="30" font-family="{FONT}">'
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
def test_a_line_with_a_nabla_is_centerd_and_as_wide_as_measured(images, text):
    """Within two points: what was reserved for it is what it takes."""
    left, right = ink(images, written(text))

    assert (left + right) / 2.0 == pytest.approx(100.0, abs=2.0)
    assert right - left == pytest.approx(text_width(Line(text, "gradient")), abs=3.0)


@pytest.mark.parametrize("text", ["stale: its inputs", "now give 25", "−inf"])
def test_a_warning_is_as_wide_as_measured(images, text):
    """It is bold, and stands beside the bars of a card without touching them."""
    line = Line(text, "warning")
    left, right = ink(images, written(text, "warning"))

    assert right - left <= text_width(line) <= right - left + 4.0


def node(form, text="x", below=()):
    """A node with one line in it."""
    return Node("v0", form, "operation", ((Line(text, "name"),),), tuple(below))


def test_a_circle_grows_into_an_ellipse_of_the_same_height():
    """A sign fits into a circle; a word stretches it, and wires then meet it at its side."""
    sign, word = node("circle", "×"), node("circle", "maximum")

    assert node_size(sign).width == node_size(sign).height == 36.0
    assert node_size(word).width > node_size(word).height == 36.0
    assert (is_round(sign), is_round(word)) == (True, False)


def test_lines_below_a_shape_have_room_and_the_shape_stays_in_the_middle():
    """As much room is kept above it, and as wide as the widest line."""
    line = Line("stale: its inputs", "warning")
    bare, noted = node("circle"), node("circle", below=[line, line])

    room = room_of(noted)

    assert room_of(bare) == node_size(bare) == node_size(noted)
    assert room.width == text_width(line)
    assert room.height == pytest.approx(36.0 + 2.0 * 2.0 * 12.0 * 1.2)
    assert not is_round(noted)


def test_the_room_on_a_wire_is_the_same_above_and_below_it():
    """The wire runs through the middle; one without numbers needs no room."""
    above, below = (Line("12", "forward"),), (Line("3", "gradient"), Line("1 × 3", "local"))

    assert label_size(Wire("w", "a", "b")) == Size(0.0, 0.0)
    assert label_size(Wire("w", "a", "b", above, below)) == label_size(
        Wire("w", "a", "b", below, above)
    )
    assert (
        label_size(Wire("w", "a", "b", above)).height
        < label_size(Wire("w", "a", "b", above, below)).height
    )
