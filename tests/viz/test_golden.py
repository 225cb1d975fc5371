"""Figures as text, compared with files that were looked at: pytest --update-golden writes them."""

from pathlib import Path

import pytest

from tests import graphs
from tinygrad_edu.viz import draw

GOLDEN = Path(__file__).parent / "golden"
GRAPHS = {"neuron": graphs.neuron, "shared": graphs.shared}
STYLES = ("circuit", "detail", "card", "micrograd")


def compare(name, text, request):
    """The text is that of the file; with --update-golden it becomes it, and the test is skipped."""
    file = GOLDEN / name
    if request.config.getoption("--update-golden"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
        pytest.skip(f"{name} was written: look at it")
    assert text == file.read_text(encoding="utf-8"), "if it is meant: pytest --update-golden"


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("graph", GRAPHS)
def test_dot_source(graph, style, request):
    """What Graphviz gets: every label, colour and width."""
    compare(f"{graph}-{style}.dot", draw(GRAPHS[graph](), style).source, request)


@pytest.mark.parametrize("depth", [1, 2])
def test_folded_dot_source(depth, request):
    """A network by layers, and by neurons."""
    source = draw(graphs.network(), "folded", depth=depth).source
    compare(f"network-folded-{depth}.dot", source, request)


@pytest.mark.parametrize("graph", [*GRAPHS, "network"])
def test_text(graph, request):
    """What a terminal gets."""
    root = (GRAPHS | {"network": graphs.network})[graph]()
    compare(f"{graph}.txt", f"{draw(root)}\n", request)


@pytest.mark.parametrize("graph", GRAPHS)
def test_steps(graph, request):
    """Every sentence of the stepper, with the rule below it."""
    steps = draw(GRAPHS[graph]()).figure.steps
    lines = [f"{step.phase} {step.ring} {step.text}\n    {step.rule}" for step in steps]
    compare(f"{graph}-steps.txt", "\n".join(lines) + "\n", request)
