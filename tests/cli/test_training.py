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
from tinygrad_edu.cli import main
from tinygrad_edu.cli.training import EXAMPLES

QUICK = ["train", "--samples", "40", "--hidden", "4", "--epochs", "2", "--quiet"]
DIVERGES = ["--optimizer", "sgd", "--learning-rate", "1e300"]
REPORT = ["history.json", "index.html", "loss.png", "gradients.png", "model.json", "network.svg"]
DEMO = [*REPORT, "confusion.png", "digits.png", "neuron.svg"]


@pytest.mark.slow
def test_the_demo_trains_and_reports_without_dot_and_scikit_learn(tmp_path):
    """On a machine that has neither the whole report is written all the same."""
    folder = tmp_path / "report"
    (tmp_path / "sklearn.py").write_text("raise ImportError('not here')")
    paths = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    without = os.environ | {"PATH": str(tmp_path), "PYTHONPATH": paths}
    demo = start("demo", "--epochs", 1, "--hidden", 4, "--out", folder, env=without)

    out, err = demo.communicate(timeout=120)

    assert demo.returncode == 0, err
    assert re.search(r"^digits: [\d.]+% of 359 held-out samples right, .* after 1 epoch", out, re.M)
    assert {*os.listdir(folder)} == {*DEMO, "run.json"}
    assert "0.731" in (folder / "neuron.svg").read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "files"),
    [
        (["demo", "--epochs", "500", "--hidden", "4"], DEMO),
        ([*QUICK, "--epochs", "50000", "--eager"], REPORT),
    ],
    ids=["demo", "train"],
)
def test_ctrl_c_ends_training_with_a_complete_report(words, files, tmp_path):
    """The exit code is 130, as ``--help`` says; the report is whole, and its headline says so."""
    run = start(*words, "--out", tmp_path)
    end = time.monotonic() + 60
    while not (tmp_path / "run.json").exists() and time.monotonic() < end:
        time.sleep(0.05)

    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=60)

    assert run.returncode == 130, err
    assert "stopping: writing the report …" in err
    assert "stopped by Ctrl-C" in out
    assert {*files} <= {*os.listdir(tmp_path)}
    assert "stopped by Ctrl-C" in (tmp_path / "index.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_report_is_of_one_run_whenever_ctrl_c_is_pressed(tmp_path):
    """Once and twice, early and late: the old report or the new one; a shell sees exit code 130."""
    words = ["demo", "--hidden", "4", "--epochs", "1", "--out", str(tmp_path)]
    assert main(words) == 0
    old = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert main(words) == 2  # a finished run is not overwritten
    words = [*words[:-3], "3000", "--seed", "1", *words[-2:], "--overwrite", "--quiet"]

    for wait in (0.8, 2.0):
        for presses in (1, 2):
            run = start(*words)
            for _ in range(presses):
                time.sleep(wait)
                run.send_signal(signal.SIGINT)
            _, err = run.communicate(timeout=60)

            assert run.returncode in (130, -signal.SIGINT), err  # by the signal: not yet begun
            new = {file.name: file.read_bytes() for file in tmp_path.glob("[!.]*")}
            same = {name for name in new if name != "run.json" and new[name] == old.get(name)}
            assert same in (set(), {*old} - {"run.json"}, {"neuron.svg"})


@pytest.mark.slow
def test_two_runs_do_not_share_a_folder(tmp_path):
    """The second one is refused while the first one trains."""
    first = start(*QUICK[:-1], "--quiet", "--epochs", 50_000, "--out", tmp_path)
    end = time.monotonic() + 60
    while not (tmp_path / "run.json").exists() and time.monotonic() < end:
        time.sleep(0.05)

    second = start(*QUICK, "--overwrite", "--out", tmp_path)
    _, err = second.communicate(timeout=60)
    first.send_signal(signal.SIGINT)
    first.communicate(timeout=60)

    assert second.returncode == 2
    assert "another run is writing" in err
    assert first.returncode == 130


def test_a_run_is_resumed_only_where_there_is_one(tmp_path, capsys):
    """Nothing is begun, no folder made, and both options together are refused."""
    out = tmp_path / "nothing"

    assert main([*QUICK, "--resume", "--out", str(out)]) == 2
    assert "there is no run to resume" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.slow
def test_a_rate_never_jumps_when_a_run_is_resumed(tmp_path, capsys):
    """A schedule that ends with the run is one of so many epochs; without one, epochs may grow."""
    line, even = (
        [*QUICK, "--schedule", kind, "--out", str(tmp_path / kind)]
        for kind in ("linear", "constant")
    )
    assert main(line) == main(even) == 0

    assert main([*line, "--resume", "--epochs", "4"]) == 2
    assert "epochs was 2, is 4" in capsys.readouterr().err
    assert main([*line, "--resume"]) == 0
    assert main([*even, "--resume", "--epochs", "1"]) == 2
    assert "has 2 already" in capsys.readouterr().err
    assert main([*even, "--resume", "--overwrite"]) == 2


@pytest.mark.slow
def test_what_can_t_be_written_after_the_training_is_a_failure(tmp_path, capsys, monkeypatch):
    """Exit code 1: 2 is for what is refused before work started."""
    monkeypatch.setattr("tinygrad_edu.experiments.report.save", full_disk)

    assert main([*QUICK, "--out", str(tmp_path)]) == 1

    assert "No space left" in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["run.json"]


@pytest.mark.parametrize(
    "words", [["course"], ["worksheet", "--no-pdf"], ["draw", "x", "x=1", "-o", "a.svg"]]
)
def test_a_disk_that_is_full_is_a_failure_of_every_command(words, tmp_path, capsys, monkeypatch):
    """The folder was fine, so work had begun."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tinygrad_edu.shared.files.os.replace", full_disk)

    assert main(words) == 1

    assert "No space left" in capsys.readouterr().err


def full_disk(*words, **facts):
    """Do as a disk without room."""
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize(
    ("module", "command", "name"),
    [("sklearn.datasets", "train", "sklearn"), ("matplotlib", "demo", "demo")],
)
def test_a_missing_extra_is_named_before_training(module, command, name, tmp_path):
    """One line with the pip command, exit code 1, and no minutes lost first."""
    program = (
        f"import sys; sys.modules[{module!r}] = None\n"
        "from tinygrad_edu.cli import main\n"
        f"sys.exit(main([{command!r}, '--out', {str(tmp_path / 'r')!r}]))"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 1
    assert f'pip install "tinygrad_edu[{name}]"' in done.stderr


@pytest.mark.slow
def test_train_writes_a_report(tmp_path, capsys):
    """A page, pictures, the model, its history and its state; the headline is printed."""
    code = main([*QUICK, "--data", "iris", "--out", str(tmp_path / "out")])

    assert code == 0
    assert re.match(r"iris: [\d.]+% of 8 held-out samples right", capsys.readouterr().out)
    assert {*os.listdir(tmp_path / "out")} == {*REPORT, "confusion.png", "run.json"}
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
    assert main([*QUICK, "--patience", "0", "--overwrite", "--out", str(tmp_path)]) == 2
    assert main([*QUICK, *DIVERGES, "--overwrite", "--out", str(tmp_path)]) == 1
    assert (tmp_path / "run.json").read_bytes() == before


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


@pytest.mark.slow
def test_diagnose_names_the_fault(tmp_path, capsys):
    """Eight sigmoid layers vanish; text, numbers and pictures are in the folder."""
    words = ["diagnose", "--samples", "30", "--activation", "sigmoid", "--hidden", *["8"] * 8]

    code = main([*words, "--out", str(tmp_path), "--quiet"])

    out = capsys.readouterr().out
    assert code == 0
    assert "vanishing: layer1 gets" in out
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


def test_ctrl_c_while_a_report_is_written_says_how_to_get_it(tmp_path, capsys, monkeypatch):
    """Exit code 130, nothing of a report; the run is kept, and --resume writes its report."""
    words = [*QUICK, "--out", str(tmp_path)]

    with monkeypatch.context() as patch:
        patch.setattr("tinygrad_edu.experiments.report.save", press_ctrl_c)
        assert main(words) == 130

    err = capsys.readouterr().err
    assert "run.json keeps the run: repeat the command with --resume" in err
    assert os.listdir(tmp_path) == ["run.json"]
    assert main([*words, "--resume"]) == 0
    assert {*REPORT} <= {*os.listdir(tmp_path)}


def test_ctrl_c_before_the_first_epoch_is_kept_leaves_an_older_run_whole(
    tmp_path, capsys, monkeypatch
):
    """A report of a run without a file could not go on; beside the file of another it would lie."""
    words = [*QUICK, "--out", str(tmp_path)]
    assert main(words) == 0
    old = {file.name: file.read_bytes() for file in tmp_path.iterdir()}

    monkeypatch.setattr("tinygrad_edu.train.resume.save", press_ctrl_c)
    assert main([*words, "--overwrite", "--seed", "1"]) == 130

    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == old


def press_ctrl_c(*words, **facts):
    """Stand for a function in which the user presses Ctrl-C."""
    raise KeyboardInterrupt


@pytest.mark.slow
def test_the_examples_of_train_work_in_their_order(tmp_path, monkeypatch):
    """Pasted one after another into one folder, none is refused."""
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"{i * 7 % 5},{i % 3},{i * 1.5}\n" for i in range(40))
    (tmp_path / "my.csv").write_text("rooms,floor,price\n" + rows)

    for line in EXAMPLES["train"].splitlines():
        words = re.split(r"\s{3,}", line.strip())[0].split()[1:]  # what follows is a remark
        assert main([*words, "--quiet"]) == 0, line
