"""``tinygrad-edu gradients`` and ``draw``: what is printed or written, and what is refused."""

import json

from tinygrad_edu.cli import main

NEURON = ["gradients", "sigmoid(w0*x0 + w1*x1 + w2)", "w0=2", "x0=-1", "w1=-3", "x1=-2", "w2=-3"]


def test_gradients_prints_a_table(capsys):
    """The neuron of Das and Varma: 0.73 out, and a line for each name and step."""
    assert main(NEURON) == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["value", "gradient"]
    assert lines[1].split() == ["w0", "2", "-0.196612"]
    assert lines[-1].endswith("0.731059          1")
    assert len(lines) == 11


def test_an_expression_of_numbers_alone_has_its_value(capsys):
    """It has neither names nor steps, but a result."""
    assert main(["gradients", "1 + 2"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split() == ["1", "+", "2", "3", "1"]


def test_gradients_for_programs_is_json(capsys):
    """All digits, and names for what JSON has no number for."""
    assert main([*NEURON, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["value"] == 1 / (1 + 2.718281828459045**-1)
    assert set(answer["gradients"]) == {"w0", "x0", "w1", "x1", "w2"}

    assert main(["gradients", " -x ", "x=2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["expression"] == "-x"
    assert main(["gradients", "log(x)", "x=0", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["value"] == "-inf"


def test_an_expression_may_begin_with_a_minus(capsys):
    """``-x`` is arithmetic, not an option."""
    assert main(["gradients", "-x", "x=3"]) == 0

    assert capsys.readouterr().out.splitlines()[1].split() == ["x", "3", "-1"]


def test_a_table_of_a_long_expression_stays_narrow(capsys):
    """Each step is shown by the beginning of its text, on one line."""
    code = main(["gradients", "(" + "x-x*" * 500 + "\nx)", "x=1"])

    lines = capsys.readouterr().out.splitlines()
    assert code == 0
    assert len(lines) == 2 + 1_000
    assert max(map(len, lines)) < 110


def test_draw_prints_a_tree_or_writes_a_figure(tmp_path, capsys):
    """Without a file the tree of text; with one, the figure of the kind that its ending names."""
    file = tmp_path / "neuron.html"

    assert main(["draw", "sigmoid(w*x)", "w=2", "x=-1"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "σ        0.119  ∇ 1"
    assert main(["draw", "-x", "x=2", "-o", str(file), "--theme", "dark", "--step", "0"]) == 0
    assert capsys.readouterr().out == f"figure: {file}\n"
    assert file.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
