"""What every layout promises: a place for all that is in a figure."""

import pytest

from tests import graphs
from tinygrad_edu import draw
from tinygrad_edu.engine.errors import MissingExtraError
from tinygrad_edu.viz.layout.engines import ENGINES


@pytest.mark.parametrize("style", ["circuit", "card", "folded", "micrograd"])
@pytest.mark.parametrize("engine", ENGINES)
def test_everything_in_a_figure_has_its_place(engine, style):
    """Nodes, wires, frames and the numbers on wires; a route is a path of cubic curves."""
    drawing = draw(graphs.network(), style, engine=engine)
    try:
        place = drawing.placement
    except MissingExtraError as error:
        pytest.skip(str(error))

    figure = drawing.figure
    assert set(place.nodes) == {node.id for node in figure.nodes}
    assert set(place.routes) == {wire.id for wire in figure.wires}
    assert set(place.labels) >= {wire.id for wire in figure.wires if wire.above or wire.below}
    assert set(place.frames) == {cluster.id for cluster in figure.clusters}
    assert all(len(route) % 3 == 1 for route in place.routes.values())
    assert all(0 <= x <= place.width and 0 <= y <= place.height for x, y in place.nodes.values())
