"""draw: its settings, its files, what a notebook gets, and machines without dot."""

import base64
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from tests import graphs
from tinygrad_edu import Value, draw, explain, nn, topological_order
from tinygrad_edu.engine.errors import FileError, MissingExtraError, SettingError
from tinygrad_edu.viz.reading import Reading

STYLES = ("circuit", "detail", "card", "folded", "micrograd")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"style": "pretty"}, "style is 'pretty'"),
        ({"theme": "neon"}, "theme is 'neon'"),
        ({"engine": "fdp"}, "engine is 'fdp'"),
        ({"depth": 0}, "depth is 0"),
        ({"max_nodes": -1}, "max_nodes is -1"),
        ({"style": []}, r"style is \[\]"),
        ({"theme": []}, r"theme is \[\]"),
        ({"engine": {}}, "engine is {}"),
        ({"highlight": 3}, "highlight is 3"),
        ({"highlight": [3]}, r"highlight is \[3\]"),
        ({"highlight": "ab"}, "highlight is 'ab'"),
        ({"highlight": ["ab"]}, r"highlight is \['ab'\]"),
        ({"highlight": None}, "highlight is None"),
        ({"highlight": [(Value(1.0) + 1.0, 2)]}, r"highlight is \[\(Value"),
        ({"highlight": [(Value(1.0) + 1.0, -1)]}, r"highlight is \[\(Value"),
        ({"highlight": [(Value(1.0) + 1.0, "a")]}, r"highlight is \[\(Value"),
        ({"highlight": [(Value(1.0), 0)]}, r"highlight is \[\(Value"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(settings, said):
    """Before anything is drawn, with the allowed ones."""
    with pytest.raises(SettingError, match=said):
        draw(graphs.shared(), **settings)


@pytest.mark.parametrize(
    "root", [3.0, None, "loss", [], {}, {"loss": Value(1.0)}, [Value(1.0), 3.0], [[Value(1.0)]]]
)
def test_other_things_than_values_are_refused(root):
    """A number, a dict, a list in which not all are Values: in words."""
    with pytest.raises(SettingError, match="draw takes the result of a graph, or a list of"):
        draw(root)


def several(kind):
    """Return results that have something in common."""
    a, b = Value(2.0, "a"), Value(3.0, "b")
    product = a * b
    total = product + a
    total.backward()
    return {
        "above each other": [product, total],
        "in the other order": [total, product],
        "the same twice": [total, total],
        "a leaf": [a, total],
        "apart": [a.relu(), b.tanh()],
        "a constant": [total, Value(1.0).detach()],
        "a model's outputs": nn.MLP(2, [3, 2])([1.0, 2.0]),
    }[kind]


KINDS = ["above each other", "in the other order", "the same twice", "a leaf", "apart"]
KINDS += ["a constant", "a model's outputs"]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("kind", KINDS)
def test_several_results_are_drawn_in_one_figure(kind, style):
    """Every value once, every step drawable, one wire out of each result where there are wires."""
    roots = several(kind)

    figure = draw(roots, style=style, engine="builtin")

    assert len(figure.reading.order) == len(set(figure.reading.order))
    assert set(figure.reading.order) == {v for root in roots for v in topological_order(root)}
    leaving = [wire for wire in figure.figure.wires if wire.id.startswith("wout")]
    assert len(leaving) == (len(set(roots)) if style in ("circuit", "detail", "folded") else 0)
    for step in range(len(figure.steps)):
        ElementTree.fromstring(figure.svg(step))
    assert figure.html()
    assert str(figure)


def test_the_last_step_of_several_results_hides_nothing():
    """A result inside another one's graph shows its gradient when that has come to it."""
    figure = draw(several("above each other"), engine="builtin")

    assert "hidden" not in figure.svg(-1)
    assert [s.text for s in figure.steps if "Backward" in s.text] == [
        "Backward from the result +: its gradient is 1"
    ]


def test_of_many_values_all_results_are_drawn():
    """Whatever max_nodes says; the others are one box."""
    roots = several("above each other")

    figure = draw(roots, max_nodes=1, engine="builtin")

    assert figure.reading.shown == roots
    assert figure.reading.hidden == 2


def test_the_notebook_gets_a_static_image_and_text():
    """Without scripts the image is left; without HTML, the tree."""
    figure = draw(graphs.neuron(), engine="builtin")

    bundle = figure._repr_mimebundle_()

    assert set(bundle) == {"text/plain", "text/html"}
    assert bundle["text/plain"].startswith("σ")
    data = bundle["text/html"].split("data:image/svg+xml;base64,")[1].split('"')[0]
    assert base64.b64decode(data).decode() == figure.svg()
    assert len(bundle["text/html"]) - len(data) < 20_000


@pytest.mark.parametrize("ending", ["svg", "html", "txt", "dot", "png", "pdf", "gif"])
def test_every_format_is_saved(tmp_path, ending):
    """The file begins as its kind does."""
    starts = {
        "svg": b"<svg", "html": b"<!DOCTYPE html", "txt": "σ".encode(), "dot": b"digraph",
        "png": b"\x89PNG", "pdf": b"%PDF", "gif": b"GIF89a",
    }  # fmt: skip
    try:
        file = draw(graphs.neuron()).save(tmp_path / f"figure.{ending}")
    except MissingExtraError as error:
        pytest.skip(str(error))

    assert file.read_bytes().startswith(starts[ending])


def test_what_can_not_be_saved_is_refused(tmp_path):
    """An unknown ending, a step that is not there, a folder that is not there."""
    figure = draw(graphs.neuron(), engine="builtin")

    with pytest.raises(SettingError, match="does not end in a format"):
        figure.save(tmp_path / "figure.bmp")
    with pytest.raises(SettingError, match="None"):
        figure.save(None)
    with pytest.raises(FileError, match="name of a file"):
        figure.save("figure\0.svg")
    with pytest.raises(SettingError, match="there is no step 99"):
        figure.save(tmp_path / "figure.html", step=99)
    with pytest.raises(SettingError, match=r"step is 0, but .*shows no single step"):
        figure.save(tmp_path / "figure.pdf", step=0)
    with pytest.raises(FileError, match="can't be written"):
        figure.save(tmp_path / "missing" / "figure.svg")
    assert list(tmp_path.iterdir()) == []


def test_a_drawing_is_of_the_moment_it_was_made():
    """Another backward pass does not change a figure that was made before it."""
    root = graphs.neuron()
    figure = draw(root, engine="builtin")
    text = figure.text

    root.zero_grad()

    assert figure.text == text
    assert "−0.197" in figure.svg()


def test_a_path_of_explain_is_highlighted():
    """The wires of one path, and no others, are drawn in the colour of what is active."""
    root = graphs.shared()
    x = next(v for v in Reading(root).order if v.label == "x")
    paths = explain(x, root).paths

    source = draw(root, highlight=paths[0], engine="builtin").svg()

    bright = [
        g for g in ElementTree.fromstring(source) if "#bf8700" in ElementTree.tostring(g).decode()
    ]
    assert len(bright) == len(paths[0].wires)


@pytest.mark.parametrize("engine", ["builtin", "dot"])
def test_the_same_graph_is_the_same_picture(engine, with_dot):
    """Byte for byte, in another process too, whatever the hash seed."""
    code = (
        "from tests import graphs; from tinygrad_edu import draw;"
        f"print(draw(graphs.network(), 'card', engine={engine!r}).svg())"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=Path(__file__).parents[2],
            env={"PYTHONHASHSEED": seed, "PATH": "/usr/bin:/bin"},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2")
    ]  # fmt: skip

    assert runs[0] == runs[1]
    assert runs[0].count('class="node"') > 30
