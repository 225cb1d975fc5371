"""The command line as a person meets it: right and wrong words, Ctrl-C, no ``dot``, no extras."""

import json
import os
import re
import signal
import subprocess
import sys

import pytest

from tinygrad_edu.cli import main

NEURON = ["gradients", "sigmoid(w0*x0 + w1*x1 + w2)", "w0=2", "x0=-1", "w1=-3", "x1=-2", "w2=-3"]


def start(*words, **settings):
    """The command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "tinygrad_edu", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **settings,
    )


def test_gradients_prints_a_table(capsys):
    """The book's neuron: 0.73 out, and a line for each name and step."""
    assert main(NEURON) == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["value", "gradient"]
    assert lines[1].split() == ["w0", "2", "-0.196612"]
    assert lines[-1].endswith("0.731059          1")
    assert len(lines) == 11


def test_gradients_for_programs_is_json(capsys):
    """All digits, and names for what JSON has no number for."""
    assert main([*NEURON, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["value"] == 1 / (1 + 2.718281828459045**-1)
    assert set(answer["gradients"]) == {"w0", "x0", "w1", "x1", "w2"}

    assert main(["gradients", "log(x)", "x=0", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["value"] == "-inf"


def test_an_expression_may_begin_with_a_minus(capsys):
    """``-x`` is arithmetic, not an option."""
    assert main(["gradients", "-x", "x=3"]) == 0

    assert capsys.readouterr().out.splitlines()[1].split() == ["x", "3", "-1"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["gradients", "x +", "x=1"], "is not an expression"),
        (["gradients", "x", "x=one"], "is no name with a number"),
        (["gradients", "x", "x=1", "x=2"], "a name got two values"),
        (["gradients", "y", "x=1"], "the name 'y' has no value"),
        (["demo", "--epochs", "0", "--out", "{tmp}/r"], "epochs is 0"),
        (["demo", "--hidden", "-1", "--out", "{tmp}/r"], "-1"),
        (["demo", "--out", "{tmp}/taken"], "can't be written to"),
    ],
)
def test_wrong_words_are_refused_with_exit_code_2(words, said, capsys, tmp_path):
    """One worded error on standard error, nothing on standard output."""
    (tmp_path / "taken").write_text("")

    assert main([word.replace("{tmp}", str(tmp_path)) for word in words]) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert "Fix" in err


def test_an_unknown_option_is_refused_with_exit_code_2(capsys):
    """argparse's own refusal."""
    with pytest.raises(SystemExit, match="2"):
        main(["demo", "--speed", "9"])

    assert "--speed" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--help"], ["demo", "--help"], ["gradients", "--help"]])
def test_help_has_examples(words, capsys):
    """Every help ends with commands to copy."""
    with pytest.raises(SystemExit, match="0"):
        main(words)

    assert "tinygrad-edu gradients" in capsys.readouterr().out.partition("examples:")[2]


@pytest.mark.slow
def test_the_demo_trains_and_reports_without_dot(tmp_path):
    """A machine without ``dot``: the whole report all the same."""
    folder = tmp_path / "report"
    demo = start("demo", "--epochs", 1, "--hidden", 4, "--out", folder, env=without_dot(tmp_path))

    out, err = demo.communicate(timeout=120)

    assert demo.returncode == 0, err
    assert "held-out digits right after 1 epochs" in out
    assert sorted(os.listdir(folder)) == [
        "digits.png", "gradients.png", "history.json", "index.html", "loss.png", "model.json",
        "network.svg", "neuron.svg",
    ]  # fmt: skip
    assert "0.731" in (folder / "neuron.svg").read_text()
    page = (folder / "index.html").read_text()
    assert json.dumps("∂L/∂w0 += 0.197 × −1 = −0.197")[1:-1] in page  # a step of the neuron
    assert "<td>∂L/∂W<sub>1</sub> = ΔA<sub>1</sub>ᵀ X<sub>1</sub></td><td>∂L/∂W = ΔZᵀ</td>" in page
    assert not re.search(r"(src|href)=\"(?!data:)", page)


@pytest.mark.slow
def test_ctrl_c_leaves_a_complete_report(tmp_path):
    """Stopped in the middle of training: the same files, and the headline says so."""
    folder = tmp_path / "report"
    demo = start("demo", "--epochs", 500, "--hidden", 4, "--out", folder)
    seen = ""
    while "epoch   2" not in seen:
        line = demo.stdout.readline()
        assert line or demo.poll() is None, demo.stderr.read()
        seen += line

    demo.send_signal(signal.SIGINT)
    out, err = demo.communicate(timeout=60)

    assert demo.returncode == 0, err
    assert "stopped by Ctrl-C" in out
    assert {"model.json", "index.html", "digits.png", "loss.png"} <= set(os.listdir(folder))
    assert "stopped by Ctrl-C" in (folder / "index.html").read_text()


@pytest.mark.parametrize("module", ["sklearn.datasets", "matplotlib"])
def test_a_missing_extra_is_named_before_training(module, tmp_path):
    """One line with the pip command, exit code 1, and no minutes lost first."""
    program = (
        f"import sys; sys.modules[{module!r}] = None\n"
        "from tinygrad_edu.cli import main\n"
        f"sys.exit(main(['demo', '--out', {str(tmp_path / 'r')!r}]))"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=False
    )

    assert done.returncode == 1
    assert 'pip install "tinygrad_edu[demo]"' in done.stderr


def test_a_reader_that_stops_early_is_no_error():
    """``tinygrad-edu gradients ... | head -1`` ends quietly."""
    line = f"{sys.executable} -m tinygrad_edu gradients 'x' x=1 | true"

    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)

    assert done.stderr == ""


@pytest.mark.parametrize(
    "words", [["draw", "x*x", "x=2"], ["gradients", "x" * 99, "x" * 99 + "=2"]]
)
def test_output_that_knows_no_nabla_gets_a_question_mark(words):
    """Where the terminal is not UTF-8, the rest is printed all the same."""
    out, err = start(*words, env=os.environ | {"PYTHONIOENCODING": "ascii"}).communicate(timeout=60)

    assert err == ""
    assert "?" in out


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_output_that_cannot_be_written_is_an_error():
    """A full disk: one worded error, exit code 1, no traceback."""
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(
            [sys.executable, "-m", "tinygrad_edu", "gradients", "x*x", "x=2"],
            stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False,
        )  # fmt: skip

    assert done.returncode == 1
    assert done.stderr.startswith("tinygrad-edu: the output can't be written: No space left")
    assert len(done.stderr.splitlines()) == 2


def without_dot(tmp_path):
    """An environment in which no program called ``dot`` is found."""
    return os.environ | {"PATH": str(tmp_path)}


def test_draw_prints_a_tree_or_writes_a_figure(tmp_path, capsys):
    """Without a file the tree of text; with one, the figure of the kind that its ending names."""
    file = tmp_path / "neuron.html"

    assert main(["draw", "sigmoid(w*x)", "w=2", "x=-1"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "σ        0.119  ∇ 1"
    assert main(["draw", "-x", "x=2", "-o", str(file), "--theme", "dark", "--step", "0"]) == 0
    assert capsys.readouterr().out == f"figure: {file}\n"
    assert file.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--style", "pretty"], "style is 'pretty'"),
        (["--theme", "neon"], "theme is 'neon'"),
        (["--engine", "fdp"], "engine is 'fdp'"),
        (["-o", "figure.bmp"], "names no kind of figure"),
        (["-o", "figure.html", "--step", "99"], "there is no step 99"),
        (["--step", "99"], "--step is 99, but printed text shows no single step"),
        (["-o", "figure.txt", "--step", "0"], "step is 0, but 'figure.txt' shows no single step"),
        (["-o", "no/such/folder/figure.svg"], "can't be written"),
    ],
)
def test_draw_refuses_in_words(words, said, capsys, tmp_path, monkeypatch):
    """Exit code 2, the setting by name, and what is allowed."""
    monkeypatch.chdir(tmp_path)

    assert main(["draw", "x*x", "x=2", *words]) == 2

    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_table_of_a_long_expression_stays_narrow(capsys):
    """Each step is shown by the beginning of its text, on one line."""
    code = main(["gradients", "(" + "x-x*" * 500 + "\nx)", "x=1"])

    lines = capsys.readouterr().out.splitlines()
    assert code == 0
    assert len(lines) == 2 + 1_000
    assert max(map(len, lines)) < 110
