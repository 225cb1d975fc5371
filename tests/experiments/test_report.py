"""The report: every part is there, and the pictures show what the model did."""

import json
import re
from dataclasses import asdict

import pytest

from tinygrad_edu import nn
from tinygrad_edu.compiled.program import network_equations
from tinygrad_edu.experiments import Experiment
from tinygrad_edu.experiments.report import (
    Data,
    equations_table,
    network_figure,
    plot_confusion,
    plot_digits,
    plot_gradients,
    plot_history,
    write_report,
)
from tinygrad_edu.train import DATA_SETS, History, Split

HEADINGS = [
    "Loss and accuracy", "Predictions on held-out samples", "Size of the gradient in each layer",
    "How the gradient flows now", "The matrices in it", "The network, folded to its layers",
    "Settings", "Epochs",
]  # fmt: skip


@pytest.fixture(scope="module", params=["spiral", "iris"])
def report(request, tmp_path_factory):
    """The folder, settings and history of a report on data with two features, or with four."""
    folder = tmp_path_factory.mktemp("report")
    settings = Experiment(data=request.param, samples=40, hidden=[4], epochs=2)
    model, split = settings.network(), settings.load()
    history = settings.train(model, split, progress=False)
    data = Data(settings.source, split, settings.loss)
    write_report(folder, "A <title>", "in short", asdict(settings), model, history, data)
    return folder, settings, history


def test_the_page_has_every_part(report):
    """Curves, predictions, gradients, equations, figure, settings, epochs; no network needed."""
    folder, settings, history = report

    page = (folder / "index.html").read_text(encoding="utf-8")

    assert re.findall("<h2>(.*?)</h2>", page) == HEADINGS
    assert all(f">{name}</td>" in page for name in asdict(settings))
    assert f"epoch   2: loss {history.loss[1]:.4f}" in page
    assert not re.search(r'(src|href)="(?!data:)', page)


def test_the_files_keep_what_the_page_shows(report):
    """All numbers of the history, the model with its settings, and every picture."""
    folder, settings, history = report
    picture = "decision.png" if settings.data == "spiral" else "confusion.png"

    assert {file.name for file in folder.iterdir()} == {
        "index.html", "history.json", "model.json", "loss.png", "gradients.png", "network.svg",
        picture,
    }  # fmt: skip
    assert json.loads((folder / "history.json").read_text()) == asdict(history)
    assert nn.read(folder / "model.json")["settings"] == asdict(settings)


@pytest.mark.slow
def test_a_run_without_an_epoch_has_a_report(tmp_path):
    """Ctrl-C came in the first one."""
    settings = Experiment(samples=40, hidden=[4])
    model, split = settings.network(), settings.load()

    data = Data(settings.source, split, settings.loss)
    write_report(tmp_path, "title", "headline", asdict(settings), model, History(), data)

    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert re.findall("<h2>(.*?)</h2>", page) == HEADINGS
    assert "none was finished" in page


def test_what_takes_minutes_with_a_large_network_is_left_out(tmp_path, monkeypatch):
    """The page says so, and has all the rest."""
    monkeypatch.setattr("tinygrad_edu.experiments.report.LARGE", 10)
    settings = Experiment(samples=40, hidden=[4])
    model, split = settings.network(), settings.load()
    data = Data(settings.source, split, settings.loss)

    files = write_report(tmp_path, "title", "headline", asdict(settings), model, History(), data)

    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "would take minutes with 22 weights" in page
    assert "network.svg" not in files
    assert "<h2>The matrices in it</h2>" in page


@pytest.mark.parametrize("validation", [[], [0.6, 0.4]])
def test_curves_have_a_point_per_epoch(validation):
    """Training and, where there are any, held-out samples; the loss of each batch beneath."""
    history = History(
        loss=[0.5, 0.3],
        accuracy=[0.7, 0.9],
        batch_loss=[0.6, 0.4, 0.3, 0.3],
        validation_loss=validation,
        validation_accuracy=validation,
    )

    left, right = plot_history(history).axes

    batches, training, *held_out = left.get_lines()
    assert list(batches.get_xdata()) == [0.5, 1.0, 1.5, 2.0]
    assert list(training.get_ydata()) == history.loss
    assert [list(line.get_ydata()) for line in held_out] == [validation] * bool(validation)
    assert list(right.get_lines()[0].get_ydata()) == history.accuracy


def test_gradients_have_a_line_per_layer():
    """Named in the legend, which stands beside the lines."""
    history = History(gradient=[{"in": 0.1, "out": 0.2}, {"in": 0.01, "out": 0.3}])

    (ax,) = plot_gradients(history).axes

    assert [list(line.get_ydata()) for line in ax.get_lines()] == [[0.1, 0.01], [0.2, 0.3]]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["in", "out"]


def test_confusion_counts_true_classes_by_predicted_ones():
    """Rows are the true classes, in order; a dot stands for none."""
    (ax,) = plot_confusion(DATA_SETS["iris"], [0, 1, 2, 2, 1], [0, 1, 1, 2, 1]).axes

    shown = [text.get_text() for text in ax.texts]

    assert shown == ["1", "·", "·", "·", "2", "1", "·", "·", "1"]
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == ["setosa", "versicolor", "virginica"]


def test_mistaken_digits_come_first():
    """Each with what it is; the title counts them."""
    split = Split(X=[], y=[], X_test=[[0.0] * 64] * 3, y_test=[1, 2, 3])

    figure = plot_digits([1, 7, 3], split)

    (ax,) = figure.axes
    assert [text.get_text() for text in ax.texts] == ["7, is 2", "1", "3"]
    assert ax.get_title() == "1 of 3 held-out digits wrong (orange)"


def test_the_networks_own_gradients_are_left_alone():
    """The figure is drawn from a copy."""
    settings = Experiment(samples=40, hidden=[4])
    model = settings.network()
    for parameter in model.parameters():
        parameter.grad = 0.125

    network_figure(model, Data(settings.source, settings.load(), settings.loss))

    assert {parameter.grad for parameter in model.parameters()} == {0.125}


def test_equations_have_subscripts_and_the_textbooks_beside_them():
    """The 0 of a maximum is a number, not a subscript."""
    equations = network_equations(nn.MLP(2, [3, 3]), nn.cross_entropy, [0.5, 1.0], 0)

    table = re.sub(' style="[^"]*"', "", equations_table(equations))

    assert "<td>∂L/∂b<sub>1</sub> = Σ<sub>rows</sub> ΔA<sub>1</sub></td><td>∂L/∂B = Δ</td>" in table
    assert "<td>Z<sub>1</sub> = max(A<sub>1</sub>, 0)</td><td>Z = f(A)</td>" in table
    assert "<td>∂L/∂W<sub>1</sub> = ΔA<sub>1</sub>ᵀ X</td><td>∂L/∂W = ΔZᵀ</td>" in table
