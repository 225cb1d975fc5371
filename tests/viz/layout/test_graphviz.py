"""The layout by Graphviz: what dot gets, and a dot that hangs, fails or is not there."""

import sys
from time import perf_counter

import pytest

from tests import graphs
from tinygrad_edu import draw
from tinygrad_edu.engine.errors import SettingError
from tinygrad_edu.viz.layout import graphviz

FAILING = {
    "missing": ("no such program",),
    "refusing": (sys.executable, "-c", "raise SystemExit(1)"),
}


@pytest.mark.parametrize("engine", ["dot", "pygraphviz"])
def test_an_engine_asked_by_name_is_given_up_in_time(engine, monkeypatch):
    """In a process of its own, so that it can be stopped."""
    sleep = (sys.executable, "-c", "import time; time.sleep(60)")
    monkeypatch.setitem(graphviz.COMMANDS, engine, sleep)
    monkeypatch.setattr(graphviz, "TIMEOUT", 0.2)
    start = perf_counter()

    with pytest.raises(SettingError, match=f"{engine} was stopped"):
        draw(graphs.neuron(), engine=engine).svg()

    assert perf_counter() - start < 10.0


@pytest.mark.parametrize("command", FAILING.values(), ids=FAILING)
def test_where_there_is_no_answer_there_is_no_placement(command, monkeypatch):
    """A program that is not there, and one that refuses what it reads."""
    monkeypatch.setitem(graphviz.COMMANDS, "dot", command)

    assert graphviz.place(draw(graphs.shared()).figure, "dot") is None


@pytest.mark.parametrize("style", ["circuit", "card", "folded", "micrograd"])
def test_dot_gets_ids_and_sizes_alone(style):
    """No label, no title and no number, so that none can break the layout."""
    root = graphs.network()
    for i, node in enumerate(draw(root).reading.order):
        node.label = f'secret{i}"'

    source = graphviz.dot_source(draw(root, style, max_nodes=None).figure)

    assert "secret" not in source
    assert "layer1" not in source
    assert source.count("digraph {") == 1
