"""A verdict is shown once, as text or HTML; a wrong one raises where CI=true."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from tinygrad_edu.course import Verdict, WrongAnswer, check
from tinygrad_edu.course import verdict as verdicts


def test_a_wrong_answer_raises_in_ci(monkeypatch, capsys):
    """CI=true: a notebook run with a wrong answer fails, after it was shown."""
    monkeypatch.setenv("CI", "true")

    with pytest.raises(WrongAnswer, match="remember_1: The sign is wrong"):
        check.remember_1(8)

    assert "not yet" in capsys.readouterr().out


def test_html_says_in_words_what_it_says_in_colour():
    """Status as sign and word; what a learner wrote is escaped."""
    html = Verdict("x", "wrong", "<script>")._repr_html_()

    assert "✗ x: not yet" in html
    assert "&lt;script&gt;" in html


@pytest.fixture
def shell(monkeypatch):
    """A notebook's shell that writes down what is displayed."""
    shown = []
    cell = SimpleNamespace(execution_count=1, shown=shown)
    display = SimpleNamespace(display=lambda bundle, raw: shown.append(bundle))
    ipython = SimpleNamespace(get_ipython=lambda: cell, display=display)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    return cell


def test_in_a_notebook_html_is_shown_once(shell, capsys):
    """The last line of a cell is displayed again by Jupyter: that shows nothing more."""
    verdict = check.remember_1(-8)
    verdict._ipython_display_()

    assert len(shell.shown) == 1
    assert "right" in shell.shown[0]["text/html"]
    assert capsys.readouterr().out == ""


def test_in_another_cell_it_is_shown_again(shell):
    """A verdict kept in a variable."""
    verdict = check.remember_1(-8)
    shell.execution_count = 2
    verdict._ipython_display_()

    assert len(shell.shown) == 2


def test_two_checks_in_one_cell_are_both_shown(shell):
    """Not only the last line of it."""
    check.remember_1(-8)
    check.remember_3(3)._ipython_display_()

    assert len(shell.shown) == 2


def test_ipython_in_a_terminal_prints(monkeypatch, capsys):
    """There is no HTML there."""
    terminal = type("TerminalInteractiveShell", (), {"execution_count": 1})()
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: terminal))

    check.remember_1(-8)

    assert "right" in capsys.readouterr().out
    assert verdicts._notebook() is None


def test_a_terminal_without_the_signs_shows_the_words():
    """As Windows has them: the verdict is not lost."""
    code = "from tinygrad_edu.course import check; check.remember_1(8)"
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}

    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False
    )

    assert "? remember_1: not yet\n  The sign is wrong" in run.stdout, run.stderr
