"""A figure in Graphviz's language, for those who go on from there."""

import json

import pytest

from tests import graphs
from tinygrad_edu import draw
from tinygrad_edu.viz.layout.graphviz import run_graphviz


@pytest.mark.parametrize("graph", ["neuron", "shared"])
@pytest.mark.parametrize("style", ["circuit", "detail", "card", "micrograd"])
def test_dot_source(graph, style, golden):
    """What Graphviz gets: every label, color and width."""
    golden(f"{graph}-{style}.dot", draw(getattr(graphs, graph)(), style).source)


@pytest.mark.parametrize("depth", [1, 2])
def test_folded_dot_source(depth, golden):
    """A network by layers, and by neurons."""
    golden(f"network-folded-{depth}.dot", draw(graphs.network(), "folded", depth=depth).source)


@pytest.mark.parametrize("style", ["circuit", "card", "folded", "micrograd"])
def test_dot_draws_what_the_figure_has(style, with_dot):
    """Every node, wire and frame, found by its id, and each frame inside its parent."""
    drawing = draw(graphs.network(), style)

    answer = json.loads(run_graphviz(("dot", "-Tjson"), drawing.source))

    objects, figure = answer["objects"], drawing.figure
    assert {o["id"] for o in objects if "id" in o} >= {node.id for node in figure.nodes}
    assert sorted(e["id"] for e in answer["edges"]) == sorted(wire.id for wire in figure.wires)
    frames = {o["name"]: o for o in objects if o["name"].startswith("cluster_")}
    assert len(frames) == len(figure.clusters)
    for i, cluster in enumerate(figure.clusters):
        inner = [figure.clusters.index(c) for c in figure.clusters if c.parent == cluster.id]
        held = [objects[at]["name"] for at in frames[f"cluster_{i}"].get("subgraphs", [])]
        assert held == [f"cluster_{k}" for k in inner]
