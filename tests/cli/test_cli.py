"""The command line as a whole: its help, its exit codes, and readers and disks that fail it."""

import os
import subprocess
import sys

import pytest

from tests.cli.processes import start
from tinygrad_edu.cli import main

COMMANDS = ["demo", "train", "diagnose", "gradients", "draw", "course", "worksheet"]


def test_an_unknown_option_is_refused_with_exit_code_2(capsys):
    """argparse's own refusal."""
    with pytest.raises(SystemExit, match="2"):
        main(["demo", "--speed", "9"])

    assert "--speed" in capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_examples(command, capsys):
    """Every help ends with commands to copy: a command's with its own, the first with all."""
    for words in ([command, "--help"], ["--help"]):
        with pytest.raises(SystemExit, match="0"):
            main(words)

        examples = capsys.readouterr().out.partition("examples:")[2]
        assert f"tinygrad-edu {command} " in examples
        assert "exit codes: 0 done" in examples


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
