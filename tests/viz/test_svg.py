"""A picture as SVG: its size, its arrowheads, and text that is never markup."""

import re
import xml.etree.ElementTree as ElementTree

import pytest

from tests import graphs
from tinygrad_edu import draw

SVG = "{http://www.w3.org/2000/svg}"
STYLES = ("circuit", "detail", "card", "micrograd", "folded")


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("root", [graphs.square, graphs.neuron, graphs.shared])
def test_a_figure_has_one_size_in_whole_points(root, style):
    """Width and height are those of its view box and of its ground."""
    top = ElementTree.fromstring(draw(root(), style, engine="builtin").svg())
    size = top.get("width"), top.get("height")

    assert all(map(str.isdigit, size))
    assert top.get("viewBox").split() == ["0", "0", *size]
    ground = top.find(f"{SVG}rect")
    assert (ground.get("width"), ground.get("height")) == size


def heads(source):
    """The corners of each arrowhead."""
    paths = [path.get("d") for path in ElementTree.fromstring(source).iter(f"{SVG}path")]
    numbers = [re.findall(r"-?[\d.]+", path) for path in paths if path.endswith("Z")]
    return [[(float(x), float(y)) for x, y in zip(n[::2], n[1::2], strict=True)] for n in numbers]


@pytest.mark.parametrize("style", ["circuit", "detail", "card"])
def test_the_two_heads_of_a_square_are_apart(style):
    """Both wires of x * x are strong; between their heads there is a gap."""
    above, below, *_ = heads(draw(graphs.square(), style, engine="builtin").svg())

    assert max(y for _, y in above) + 1.0 <= min(y for _, y in below)


@pytest.mark.parametrize("style", ["circuit", "detail"])
def test_a_wire_reaches_its_head_level(style):
    """The head points along the last stretch, and the curve does not turn back inside it."""
    source = draw(graphs.shared(), style, engine="builtin").svg()
    curves = re.findall(r'<path d="(M[^"Z]*)" fill="none"', source)
    assert len(heads(source)) == len(curves) == source.count('class="wire"') > 5
    for tip, left, right in heads(source):
        assert tip[1] == pytest.approx((left[1] + right[1]) / 2.0, abs=0.02)

    for d in curves:
        xs = [float(x) for x in re.findall(r"(-?[\d.]+),", d)]
        assert xs[::3] == sorted(xs[::3])
