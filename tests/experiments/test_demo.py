"""The demo: an experiment with settings of its own, and the textbook's neuron beside it."""

import json
import re

import pytest

from tinygrad_edu import nn, topological_order
from tinygrad_edu.experiments.demo import demo, textbook_neuron


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """The folder of a short demo."""
    folder = tmp_path_factory.mktemp("demo")
    demo(folder, epochs=1, hidden=4, progress=False)
    return folder


def test_the_neuron_is_the_textbooks():
    """Das and Varma's worked example: 0.73 out, and the gradients of its five leaves."""
    nodes = topological_order(textbook_neuron())

    leaves = {node.label: node.grad for node in nodes if node.op is None}
    slope = 0.7310585786300049 * (1.0 - 0.7310585786300049)
    assert nodes[-1].data == pytest.approx(0.7310585786300049)
    assert leaves == pytest.approx(
        {"w0": -slope, "x0": 2 * slope, "w1": -2 * slope, "x1": -3 * slope, "w2": slope}
    )


@pytest.mark.slow
def test_the_page_shows_the_neuron_and_the_equations(report):
    """A step of the neuron in words, and an equation beside the textbook's; no network needed."""
    page = (report / "index.html").read_text(encoding="utf-8")

    assert json.dumps("∂L/∂w0 += 0.197 × −1 = −0.197")[1:-1] in page
    assert "∂L/∂W<sub>1</sub> = ΔA<sub>1</sub>ᵀ X</td>" in page
    assert ">∂L/∂W = ΔZᵀ</td>" in page
    assert not re.search(r"(src|href)=\"(?!data:)", page)


@pytest.mark.slow
def test_the_model_is_rebuilt_from_its_file(report):
    """``nn.MLP`` of the widths in ``model.json`` takes its parameters."""
    facts = nn.read(report / "model.json")

    model = nn.MLP(64, [*facts["settings"]["hidden"], 10])
    nn.load(model, report / "model.json")

    assert "held-out samples right" in facts["headline"]


@pytest.mark.slow
def test_values_and_matrices_learn_the_same(report, tmp_path):
    """With ``eager`` the graph of Values is trained, to the same losses."""
    demo(tmp_path, epochs=1, hidden=4, progress=False, eager=True)

    losses = [json.loads((f / "history.json").read_text())["loss"] for f in (report, tmp_path)]

    assert losses[0] == pytest.approx(losses[1], rel=1e-9)
