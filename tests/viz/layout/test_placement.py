"""What every layout promises: a place for all that is in a figure."""

import re
import xml.etree.ElementTree as ElementTree

import pytest

from tests import graphs
from tinygrad_edu import draw
from tinygrad_edu.engine.errors import MissingExtraError
from tinygrad_edu.viz.drawing import STYLES
from tinygrad_edu.viz.layout.engines import ENGINES
from tinygrad_edu.viz.themes import THEMES


def ids(source):
    """The ids in a picture, in order."""
    return re.findall(r' id="([^"]*)"', source)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("engine", ENGINES)
def test_everything_in_a_figure_has_its_place(engine, style):
    """Nodes, wires, frames, numbers; the picture is the same elements, in every theme."""
    drawing = draw(graphs.network(), style, engine=engine)
    try:
        place = drawing.placement
    except MissingExtraError as error:
        pytest.skip(str(error))

    figure, builtin = drawing.figure, draw(graphs.network(), style, engine="builtin")
    assert set(place.nodes) == {node.id for node in figure.nodes}
    assert set(place.routes) == {wire.id for wire in figure.wires}
    assert set(place.labels) >= {wire.id for wire in figure.wires if wire.above or wire.below}
    assert set(place.frames) == {cluster.id for cluster in figure.clusters}
    assert all(len(route) % 3 == 1 for route in place.routes.values())
    assert all(0 <= x <= place.width and 0 <= y <= place.height for x, y in place.nodes.values())
    for theme in THEMES.values():
        drawing.theme = builtin.theme = theme
        assert ElementTree.fromstring(drawing.svg())
        assert ids(drawing.svg()) == ids(builtin.svg())
