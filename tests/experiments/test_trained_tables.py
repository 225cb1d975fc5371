"""``tinygrad-edu train --data my.csv``: from a user's file to a report, and to predictions."""

import csv
import json
import re
from pathlib import Path
from random import Random

import pytest

from tinygrad_edu.cli import main
from tinygrad_edu.experiments import Experiment, trained
from tinygrad_edu.experiments.report import Data, plot_boundary
from tinygrad_edu.experiments.scaling import Scaling

HOSTILE = ["<script>alert(1)</script>", "$\\frac{x}$ & _^", "'; drop\ntable", "größe 名前 \u202e"]


@pytest.fixture
def file(tmp_path, monkeypatch):
    """A function that writes a table beside which the command runs; 60 samples of 3 features."""
    monkeypatch.chdir(tmp_path)

    def write(target, names=("a", "b", "c", "y")):
        rng = Random(0)
        rows = [[rng.gauss(50.0, 20.0), rng.random(), 7.0] for _ in range(60)]
        with open("my.csv", "w", newline="", encoding="utf-8") as out:
            csv.writer(out).writerows([names, *([*row, target(row)] for row in rows)])
        return rows

    return write


def train(*words):
    """Train on the file."""
    return main(["train", "--data", "my.csv", "--quiet", *words])


@pytest.mark.slow
def test_classes_are_learned_and_predicted_by_name(file, capsys):
    """What was read is said first; the report has the names; the saved network predicts rows."""
    rows = file(lambda row: "large" if row[0] > 50.0 else "small")

    assert train() == 0

    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("my.csv: 60 samples, 3 features; the target 'y' has 2 classes")
    assert "nothing can be learned from what is the same in all lines: 'c'" in said[1]
    assert re.match(r"my.csv: (9[0-9]|100)\.\d% of 12 held-out samples right", said[2])
    predict = trained("training")
    assert predict.columns == ("a", "b", "c")
    assert predict([[90.0, 0.5, 7.0], [10.0, 0.5, 7.0]]) == ["large", "small"]
    right = [
        guess == ("large" if row[0] > 50.0 else "small")
        for guess, row in zip(predict(rows), rows, strict=True)
    ]
    assert sum(right) >= 57


@pytest.mark.slow
def test_amounts_are_learned_in_their_own_units(file, capsys):
    """The error is that of the target, and so are predictions; there is no accuracy."""
    rows = file(lambda row: 1e6 + 1e4 * row[0])

    assert train() == 0

    said = capsys.readouterr().out
    assert "the target 'y' is an amount: regression" in said
    error = float(re.search(r"root mean square error of ([\d.e+]+)", said)[1])
    assert 0.0 < error < 5e4
    predicted = trained("training")(rows)
    assert all(abs(y - 1e6 - 1e4 * row[0]) < 2e5 for y, row in zip(predicted, rows, strict=True))
    page = Path("training/index.html").read_text(encoding="utf-8")
    assert "Accuracy" not in page
    assert "amounts.png" in said


@pytest.mark.slow
def test_hostile_names_are_text_everywhere(file, capsys):
    """Markup, formulas and ends of lines in names of columns and classes."""
    file(lambda row: HOSTILE[int(row[0]) % 4], [f"{name} {i}" for i, name in enumerate(HOSTILE)])

    assert train("--epochs", "2") == 0

    page = Path("training/index.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; 0" in page
    assert json.loads(Path("training/model.json").read_text(encoding="utf-8"))["facts"][
        "classes"
    ] == sorted(HOSTILE)
    assert "\u202e" not in capsys.readouterr().out


@pytest.mark.slow
def test_a_run_is_resumed_only_with_the_same_file(file, capsys):
    """A line more is another file."""
    file(lambda row: row[0] > 50.0)
    assert train("--epochs", "2") == 0
    assert train("--epochs", "3", "--resume") == 0

    with open("my.csv", "a", encoding="utf-8") as out:
        out.write("1,2,7,True\n")

    assert train("--epochs", "4", "--resume") == 2
    assert "data was" in capsys.readouterr().err


@pytest.mark.slow
def test_the_program_in_the_report_runs(file, capsys):
    """As it stands on the page."""
    file(lambda row: row[0] > 50.0)
    assert train("--epochs", "2") == 0
    page = Path("training/index.html").read_text(encoding="utf-8")
    program = re.search(r"Use it in Python</h2>\n<pre>(.*?)</pre>", page, re.DOTALL)[1]
    capsys.readouterr()

    exec(program.replace("&#x27;", "'"), {})

    assert re.match(r"\['(True|False)'\]", capsys.readouterr().out)


def test_a_table_is_diagnosed_too(file, capsys):
    """Amounts and classes."""
    file(lambda row: row[0] * 3.5)

    assert main(["diagnose", "--data", "my.csv", "--quiet"]) == 0

    assert "regression" in capsys.readouterr().out


@pytest.mark.parametrize("raw", [False, True])
def test_a_boundary_speaks_of_the_users_columns_and_classes(raw, tmp_path):
    """And says where its axes count standard deviations: nobody is 1.3 tall."""
    people = "".join(f"{150 + i},{50 + i % 7},{'tall' if i > 20 else 'small'}\n" for i in range(40))
    path = tmp_path / "people.csv"
    path.write_text("height,weight,kind\n" + people)
    settings = Experiment(data=str(path), raw=raw)
    scaling = None if raw else Scaling.of(settings.drawn().X)
    data = Data(settings.source, settings.load(), settings.loss, scaling)

    (ax,) = plot_boundary(settings.network(), data).axes

    unit = "" if raw else ", standardized"
    assert (ax.get_xlabel(), ax.get_ylabel()) == (f"height{unit}", f"weight{unit}")
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert names == ["target small", "target tall"]
