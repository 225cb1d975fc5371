"""The command line as a whole: its help, its exit codes, and readers and disks that fail it."""

import os
import shlex
import subprocess
import sys

import pytest

from tests.cli.processes import start
from tinygrad_edu.cli import main

COMMANDS = ["demo", "train", "diagnose", "gradients", "draw", "course", "worksheet"]


REFUSED = [
    ("gradients 'x +' x=1", "is not an expression"),
    ("gradients x x=one", "expected name=number, got 'x=one'"),
    ("gradients x x=1 x=2", "a name got two values"),
    ("gradients y x=1", "the name 'y' has no value"),
    ("draw x*x x=2 --style pretty", "style is 'pretty'"),
    ("draw x*x x=2 --theme neon", "theme is 'neon'"),
    ("draw x*x x=2 --engine fdp", "engine is 'fdp'"),
    ("draw x*x x=2 -o figure.bmp", "does not end in a format"),
    ("draw x*x x=2 -o figure.html --step 99", "there is no step 99"),
    ("draw x*x x=2 --step 99", "--step is 99, but printed text shows no single step"),
    ("draw x*x x=2 -o a.txt --step 0", "step is 0, but 'a.txt' shows no single step"),
    ("draw x*x x=2 -o no/such/folder/figure.svg", "can't be written"),
    ("worksheet --level 9", "level is 9"),
    ("worksheet --class-list none.txt", "none.txt"),
    ("worksheet -o taken/a.html", "can't be written to"),
    ("course taken", "can't be written to"),
    ("demo --epochs 0", "epochs is 0"),
    ("demo --hidden -1", "hidden[0] is -1"),
    ("demo --out taken", "can't be written to"),
    ("train --out stopped", "run.json can't be written: it is a folder"),
    ("train --out stopped --resume", "run.json can't be written: it is a folder"),
    ("train --data mnist", "data is 'mnist'"),
    ("train --activation swish", "activation is 'swish'"),
    ("train --optimizer lion", "optimizer is 'lion'"),
    ("train --initializer ones", "initializer is 'ones'"),
    ("train --schedule random", "schedule is 'random'"),
    ("train --norm group", "norm is 'group'"),
    ("train --hidden 8 0", "hidden[1] is 0"),
    ("train --epochs 0", "epochs is 0"),
    ("train --batch-size -2", "batch_size is -2"),
    ("train --learning-rate nan", "learning_rate is nan"),
    ("train --learning-rate -1", "learning_rate is -1"),
    ("train --momentum 0.9", "momentum is given for adam"),
    ("train --dropout 1", "dropout is 1.0"),
    ("train --l2 -1", "strength is -1"),
    ("train --patience 0", "patience is 0"),
    ("train --stop-below inf", "stop_below is inf"),
    ("train --clip-norm 0", "limit is 0"),
    ("train --clip-norm 1 --clip-value 1", "both clip_norm and clip_value"),
    ("train --test-share 1", "test_share is 1.0"),
    ("train --samples 0", "samples is 0"),
    ("train --noise -1", "noise is -1"),
    ("train --data iris --noise 1", "noise"),
    ("train --warm-up -1", "warm_up is -1"),
    ("train --hidden 100000000000", "a network of 500,000,000,002 weights"),
    ("train --norm batch --samples 40 --batch-size 31", "leave a batch of one sample"),
]


@pytest.mark.promise(name="settings")
@pytest.mark.parametrize(("words", "said"), REFUSED)
def test_what_can_t_be_done_is_refused_before_work_starts(
    words, said, capsys, tmp_path, monkeypatch
):
    """Exit code 2, a worded error with a fix, nothing on standard output, and no file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").touch()
    (tmp_path / "stopped" / "run.json").mkdir(parents=True)

    code = main(shlex.split(words))

    out, err = capsys.readouterr()
    assert code == 2
    assert out == ""
    assert said in err
    assert "Fix" in err
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["taken"]


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
        done = start("gradients", "x*x", "x=2", stdout=full)
        _, err = done.communicate(timeout=60)

    assert done.returncode == 1
    assert err.startswith("tinygrad-edu: the output can't be written: No space left")
    assert len(err.splitlines()) == 2
