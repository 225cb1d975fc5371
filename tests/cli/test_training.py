"""``tinygrad-edu demo``, ``train`` and ``diagnose``: reports, Ctrl-C, and what is refused."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from tests.cli.processes import start
from tinygrad_edu import nn
from tinygrad_edu.cli import main

QUICK = ["train", "--samples", "40", "--hidden", "4", "--epochs", "2", "--quiet"]
DIVERGES = ["--optimizer", "sgd", "--learning-rate", "1e300"]
REPORT = ["history.json", "index.html", "loss.png", "gradients.png", "model.json", "network.svg"]
DEMO = [*REPORT, "confusion.png", "digits.png", "neuron.svg"]


@pytest.mark.slow
def test_the_demo_trains_and_reports_without_dot(tmp_path):
    """On a machine without ``dot`` the whole report is written all the same."""
    folder = tmp_path / "report"
    without = os.environ | {"PATH": str(tmp_path)}
    demo = start("demo", "--epochs", 1, "--hidden", 4, "--out", folder, env=without)

    out, err = demo.communicate(timeout=120)

    assert demo.returncode == 0, err
    assert re.search(
        r"^digits: [\d.]+% of 359 held-out samples right, .* after 1 epochs", out, re.M
    )
    assert {*os.listdir(folder)} == {*DEMO, "run.json"}
    assert "0.731" in (folder / "neuron.svg").read_text()


@pytest.mark.slow
def test_ctrl_c_ends_the_demo_with_a_complete_report(tmp_path):
    """The demo stopped in training: exit code 0, the same files, and the headline says so."""
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
    assert {*DEMO} <= {*os.listdir(folder)}
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
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 1
    assert 'pip install "tinygrad_edu[demo]"' in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--epochs", "0", "--out", "{tmp}/r"], "epochs is 0"),
        (["--hidden", "-1", "--out", "{tmp}/r"], "hidden[0] is -1"),
        (["--out", "{tmp}/taken"], "can't be written to"),
    ],
)
def test_the_demo_refuses_in_words(words, said, capsys, tmp_path):
    """Exit code 2, one worded error on standard error, nothing on standard output."""
    (tmp_path / "taken").write_text("")

    assert main(["demo", *(word.replace("{tmp}", str(tmp_path)) for word in words)]) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert "Fix" in err


@pytest.mark.slow
@pytest.mark.parametrize("data", ["spiral", "iris"])
def test_train_writes_a_report(data, tmp_path, capsys):
    """A page, pictures, the model, its history and its state; the headline is printed."""
    picture = {"spiral": "decision.png", "iris": "confusion.png"}[data]

    code = main([*QUICK, "--data", data, "--out", str(tmp_path / "out")])

    assert code == 0
    assert re.match(rf"{data}: [\d.]+% of 8 held-out samples right", capsys.readouterr().out)
    assert {*os.listdir(tmp_path / "out")} == {*REPORT, picture, "run.json"}
    assert len(json.loads((tmp_path / "out" / "history.json").read_text())["loss"]) == 2


@pytest.mark.slow
def test_a_stopped_run_goes_on_with_resume(tmp_path, capsys):
    """Two epochs, then two more, are four in one go."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    main([*QUICK, "--epochs", "4", "--out", str(whole)])
    main([*QUICK, "--epochs", "2", "--out", str(parts)])

    main([*QUICK, "--epochs", "4", "--out", str(parts), "--resume"])

    models = [json.loads((folder / "model.json").read_text()) for folder in (whole, parts)]
    assert models[0]["parameters"] == models[1]["parameters"]
    assert models[0]["facts"]["settings"] == models[1]["facts"]["settings"]
    assert "after 4 epochs" in capsys.readouterr().out.splitlines()[-2]


@pytest.mark.slow
def test_a_refused_run_keeps_the_file_of_the_run_before(tmp_path, capsys):
    """Refused for its settings or its network, or so fast that no epoch ends."""
    main([*QUICK, "--out", str(tmp_path)])
    before = (tmp_path / "run.json").read_bytes()

    assert main([*QUICK, "--hidden", "5", "--seed", "1", "--resume", "--out", str(tmp_path)]) == 2
    assert "hidden was [4], is [5]; seed was 0, is 1." in capsys.readouterr().err
    assert main([*QUICK, "--patience", "0", "--out", str(tmp_path)]) == 2
    assert main([*QUICK, *DIVERGES, "--out", str(tmp_path)]) == 1
    assert (tmp_path / "run.json").read_bytes() == before


@pytest.mark.slow
def test_a_run_begins_anew_without_resume(tmp_path, capsys):
    """The first epoch replaces the file that is there, whatever its settings were."""
    for seed in ("0", "1"):
        main([*QUICK, "--seed", seed, "--out", str(tmp_path)])

    facts = nn.read(tmp_path / "run.json")
    assert len(facts["history"]["loss"]) == 2
    assert facts["settings"]["seed"] == 1


@pytest.mark.parametrize("rate", ["1e300", "1e154"])
@pytest.mark.parametrize("more", [[], ["--eager"], ["--batch-size", "4"]])
def test_divergence_is_named_with_its_epoch(rate, more, tmp_path, capsys):
    """Exit code 1, what became nan or inf, and the way out."""
    words = [*QUICK, "--epochs", "9", "--optimizer", "sgd", "--learning-rate", rate, *more]

    code = main([*words, "--out", str(tmp_path)])

    said = capsys.readouterr().err
    assert code == 1
    assert re.match(r"tinygrad-edu: training diverged in epoch \d: .* became -?(nan|inf)", said)
    assert "lower the learning rate" in said


@pytest.mark.parametrize("more", [[], ["--resume"]])
def test_a_folder_in_the_place_of_the_run_is_refused(more, tmp_path, capsys):
    """In words, before training."""
    (tmp_path / "run.json").mkdir()

    assert main([*QUICK, *more, "--out", str(tmp_path)]) == 2

    assert "run.json can't be written: it is a folder" in capsys.readouterr().err


@pytest.mark.slow
def test_ctrl_c_reports_what_was_reached(tmp_path):
    """A run stopped in training: exit code 130, and a whole report."""
    run = start(*QUICK, "--epochs", "100000", "--eager", "--out", tmp_path)
    end = time.monotonic() + 60
    while not (tmp_path / "run.json").exists() and time.monotonic() < end:
        time.sleep(0.05)

    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=60)

    assert run.returncode == 130, err
    assert "stopped by Ctrl-C" in out
    assert {*REPORT} <= {*os.listdir(tmp_path)}


@pytest.mark.promise(name="settings")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--data", "mnist"], "data is 'mnist'"),
        (["--activation", "swish"], "activation is 'swish'"),
        (["--optimizer", "lion"], "optimizer is 'lion'"),
        (["--initializer", "ones"], "initializer is 'ones'"),
        (["--schedule", "random"], "schedule is 'random'"),
        (["--norm", "group"], "norm is 'group'"),
        (["--hidden", "8", "0"], "hidden[1] is 0"),
        (["--epochs", "0"], "epochs is 0"),
        (["--batch-size", "-2"], "batch_size is -2"),
        (["--learning-rate", "nan"], "learning_rate is nan"),
        (["--learning-rate", "-1"], "learning_rate is -1"),
        (["--momentum", "0.9"], "momentum is given for adam"),
        (["--dropout", "1"], "dropout is 1.0"),
        (["--l2", "-1"], "strength is -1"),
        (["--patience", "0"], "patience is 0"),
        (["--stop-below", "inf"], "stop_below is inf"),
        (["--clip-norm", "0"], "limit is 0"),
        (["--clip-norm", "1", "--clip-value", "1"], "both clip_norm and clip_value"),
        (["--test-share", "1"], "test_share is 1.0"),
        (["--samples", "0"], "samples is 0"),
        (["--noise", "-1"], "noise is -1"),
        (["--data", "iris", "--noise", "1"], "noise"),
        (["--warm-up", "-1"], "warm_up is -1"),
        (["--hidden", "100000000000"], "a network of 500,000,000,002 weights"),
        (["--norm", "batch", "--batch-size", "31"], "leave a batch of one sample"),
    ],
)
def test_bad_values_are_refused_before_work_starts(words, said, tmp_path, capsys):
    """Exit code 2, the setting by name, its value, what is allowed; and nothing is written."""
    code = main([*QUICK, *words, "--out", str(tmp_path / "out")])

    out, err = capsys.readouterr()
    assert code == 2
    assert out == ""
    assert said in err
    assert "Fix" in err
    assert not (tmp_path / "out").exists() or os.listdir(tmp_path / "out") == []


@pytest.mark.slow
def test_diagnose_names_the_fault(tmp_path, capsys):
    """Eight sigmoid layers vanish; text, numbers and pictures are in the folder."""
    words = ["diagnose", "--samples", "30", "--activation", "sigmoid", "--hidden", *["8"] * 8]

    code = main([*words, "--out", str(tmp_path), "--quiet"])

    out = capsys.readouterr().out
    assert code == 0
    assert "vanishing: part0 gets" in out
    assert "diagnosis.txt" in out
    assert "vanishing" in (tmp_path / "diagnosis.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", ["train", "diagnose"])
def test_help_names_every_data_set(command, capsys):
    """And gives examples with them."""
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])

    shown = capsys.readouterr().out
    assert f"tinygrad-edu {command} --data" in shown
    assert "breast_cancer" in shown
