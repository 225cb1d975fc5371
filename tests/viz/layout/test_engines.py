"""The choice of who lays out: dot where it is and fast enough, else the next engine."""

import subprocess

import pytest

from tests import graphs
from tinygrad_edu import Value, draw
from tinygrad_edu.engine.errors import MissingExtraError, SettingError
from tinygrad_edu.viz.layout import graphviz

SHARED = Value(1.5, "w")


def test_without_dot_the_next_engine_draws(monkeypatch):
    """Neither a missing dot nor one that hangs is an exception in a notebook's cell."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(graphviz.COMMANDS, "pygraphviz", ("no such program",))

    assert draw(graphs.shared()).svg() == draw(graphs.shared(), engine="builtin").svg()
    with pytest.raises(MissingExtraError, match="engine='builtin': the built-in"):
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


@pytest.mark.parametrize(("times", "step"), [(1100, lambda x: x + 1.0), (60, lambda x: x * SHARED)])
def test_large_graphs_never_reach_dot(times, step, monkeypatch):
    """More than 2,000 nodes; or 63 whose wires cross 1,900 columns, which take dot minutes."""
    monkeypatch.setattr(graphviz, "run_graphviz", lambda *_: pytest.fail("dot was asked"))
    root = graphs.doubled(Value(1.0, "x"), times, step)

    assert draw(root, "card", max_nodes=None).svg().startswith("<svg")
    if times > 1000:
        with pytest.raises(SettingError, match="too many for dot"):
            draw(root, "card", max_nodes=None, engine="dot").svg()


def test_an_ordinary_network_is_given_to_dot(monkeypatch):
    """So the test above can fail."""
    asked = []
    monkeypatch.setattr(graphviz, "run_graphviz", lambda command, _: asked.append(command[0]))

    draw(graphs.network()).svg()

    assert asked == ["dot", graphviz.COMMANDS["pygraphviz"][0]]
