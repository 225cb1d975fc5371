"""The command line as a whole: its help, its exit codes, and readers and disks that fail it."""

import os
import re
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
    ("demo --hidden -1", "--hidden is -1"),
    ("demo --out taken", "can't be written to"),
    ("train --out stopped", "run.json can't be written: it is a folder"),
    ("train --out stopped --resume", "run.json can't be written: it is a folder"),
    ("train --data mnist", "data is 'mnist'"),
    ("train --activation swish", "activation is 'swish'"),
    ("train --optimizer lion", "optimizer is 'lion'"),
    ("train --initializer ones", "initializer is 'ones'"),
    ("train --schedule random", "schedule is 'random'"),
    ("train --norm group", "norm is 'group'"),
    ("train --hidden 8 0", "--hidden is 0"),
    ("train --epochs 0", "epochs is 0"),
    ("train --batch-size -2", "--batch-size is -2"),
    ("train --learning-rate nan", "--learning-rate is nan"),
    ("train --learning-rate -1", "--learning-rate is -1"),
    ("train --momentum 0.9", "momentum is given for adam"),
    ("train --dropout 1", "dropout is 1.0"),
    ("train --l2 -1", "--l2 is -1"),
    ("train --patience 0", "patience is 0"),
    ("train --stop-below inf", "--stop-below is inf"),
    ("train --clip-norm 0", "--clip-norm is 0"),
    ("train --clip-norm 1 --clip-value 1", "both --clip-norm and --clip-value"),
    ("train --test-share 1", "--test-share is 1.0"),
    ("train --samples 0", "samples is 0"),
    ("train --noise -1", "noise is -1"),
    ("train --data iris --noise 1", "--noise is 1, but iris was measured"),
    ("train --warm-up -1", "--warm-up is -1"),
    ("train --hidden 100000000000", "a network of 500,000,000,002 weights"),
    ("train --hidden 3500 200", "a network of 711,102 weights"),
    ("train --hidden" + " 1" * 60, "in 61 layers"),
    ("train --epochs 10000000", "--epochs is 10,000,000, each of 5 updates: a history of"),
    ("train --test-share 0.001", "0 of 200 samples are held out"),
    ("train --samples 2", "--samples is 2"),
    ("train --samples 10 --test-share 0.01", "0 of 10 samples are held out"),
    ("train --data iris --samples 200", "--samples is 200, but iris has 150"),
    ("train --target y", "--target is given for moons"),
    ("train --task regression", "--task is given for moons"),
    ("train --data none.csv", "none.csv: can't be read"),
    ("train --data ''", "--data is ''"),
    ("train --data stopped", "stopped: a folder or device"),
    ("diagnose --data none.csv", "none.csv: can't be read"),
    ("train --resume", "there is no run to resume"),
    ("demo --resume", "there is no run to resume"),
    ("diagnose --out taken", "can't be written to"),
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


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["demo", "--sped", "9"], "Did you mean --seed?"),
        (["train", "--optimiser", "adam"], "Did you mean --optimizer?"),
        (["draw", "x", "x=1", "--them", "dark", "--stile=card"], "Did you mean --style?"),
        (["trian"], "Did you mean train?"),
        (["demo", "--zzz"], "See --help."),
        (["demo", "--epochs", "many"], "invalid int value: 'many'"),
        (["course", ""], "the path is empty"),
        (["demo", "--out", " "], "the path is empty"),
        (["draw", "x", "x=1", "-o", ""], "the path is empty"),
        (["worksheet", "--class-list", ""], "the path is empty"),
    ],
)
def test_an_unknown_word_is_refused_with_the_nearest(words, said, capsys, tmp_path, monkeypatch):
    """argparse's own refusals, exit code 2; nothing is written."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="2"):
        main(words)

    assert said in capsys.readouterr().err
    assert [*tmp_path.iterdir()] == []


def test_without_a_command_help_is_shown(capsys):
    """Somebody who types the bare name wants to know what there is."""
    assert main([]) == 0

    assert "examples:" in capsys.readouterr().out


OPTION = re.compile(
    r"(?:for example|pass|draw points:|sgd:) (--?[a-z][\w-]*) (\S+?)[.,]?(?: --|$| )"
)


@pytest.mark.parametrize(
    "words",
    [words for words, _ in REFUSED if words.startswith("train ") and "is a folder" not in words],
)
def test_a_fix_speaks_the_command_line(words, capsys, tmp_path, monkeypatch):
    """No Python in it; the option it names, put in place of the refused one, is not refused."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "stopped" / "run.json").mkdir(parents=True)
    main(shlex.split(words))
    err = capsys.readouterr().err
    fix = err.splitlines()[-1].partition(" : ")[2]

    assert not re.search(r"\w=|\(\w|\b[a-z]+_size|-\w+_", fix)
    found = OPTION.search(fix)
    if found is None or found[1] == "--out" or "only one of the two" in fix:
        return
    monkeypatch.setattr("tinygrad_edu.experiments.run", lambda *a, **k: ("done", ["-"], False))
    option, value = found[1], found[2]
    kept = re.sub(rf" {option}((?: [^-\s]\S*)+| -?\d\S*)", "", words)
    assert main([*shlex.split(kept), option, value]) == 0, (kept, option, value)


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
