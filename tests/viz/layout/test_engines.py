"""The choice of who lays out: dot where it is and fast enough, else the next engine."""

import subprocess

import pytest

from tests import graphs
from tinygrad_edu import Value, draw
from tinygrad_edu.engine.errors import MissingExtraError, SettingError
from tinygrad_edu.viz.layout import graphviz


def test_without_dot_the_next_engine_draws(monkeypatch):
    """Neither a missing dot nor one that hangs is an exception in a notebook's cell."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(graphviz.COMMANDS, "pygraphviz", ("no such program",))

    assert draw(graphs.shared()).svg() == draw(graphs.shared(), engine="builtin").svg()
    with pytest.raises(MissingExtraError, match="'dot' did not answer"):
        draw(graphs.shared(), engine="dot").svg()


def test_a_dot_that_hangs_is_given_up(monkeypatch):
    """After the time limit the built-in layout draws, and the same Graphviz is not asked twice."""
    asked = []

    def hang(command, source):
        asked.append(command)
        raise subprocess.TimeoutExpired(command, 10.0)

    monkeypatch.setattr(graphviz, "run_graphviz", hang)

    assert draw(graphs.shared()).svg() == draw(graphs.shared(), engine="builtin").svg()
    assert asked == [("dot", "-Tjson0")]
    with pytest.raises(SettingError, match="pygraphviz was stopped"):
        draw(graphs.shared(), engine="pygraphviz").svg()


def test_large_graphs_never_reach_dot(monkeypatch):
    """More than 2,000 nodes: the built-in layout, and dot refuses in words."""
    chain = Value(1.0)
    for _ in range(1100):
        chain = chain + 1.0

    def never(command, source):
        raise AssertionError(f"{command} was called")

    monkeypatch.setattr(graphviz, "run_graphviz", never)
    draw(chain, "card", max_nodes=None).svg()
    with pytest.raises(SettingError, match="too many for dot"):
        draw(chain, "card", max_nodes=None, engine="dot").svg()


def test_a_chain_that_shares_a_leaf_is_not_given_to_dot(monkeypatch):
    """63 nodes whose wires cross 1,900 columns take dot minutes; the built-in layout, a moment."""
    monkeypatch.setattr(graphviz, "run_graphviz", lambda *_: pytest.fail("dot was asked"))
    w, y = Value(1.5, "w"), Value(1.0, "x")
    for _ in range(60):
        y = y * w

    assert draw(y).svg().startswith("<svg")


def test_an_ordinary_network_is_given_to_dot(monkeypatch):
    """So the test above can fail."""
    asked = []
    monkeypatch.setattr(graphviz, "run_graphviz", lambda command, _: asked.append(command[0]))

    draw(graphs.network()).svg()

    assert asked == ["dot", graphviz.COMMANDS["pygraphviz"][0]]
