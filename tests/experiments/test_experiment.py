"""``tinygrad-edu train`` and ``diagnose``: what is built, reported, resumed and refused."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import fields
from html.parser import HTMLParser

import pytest

from tinygrad_edu import nn
from tinygrad_edu.cli import main
from tinygrad_edu.engine.errors import FileError, SettingError
from tinygrad_edu.experiments.experiment import Experiment, run
from tinygrad_edu.train import SGD

QUICK = ["train", "--samples", "40", "--hidden", "4", "--epochs", "2", "--quiet"]
DIVERGES = ["--optimizer", "sgd", "--learning-rate", "1e300"]


def test_a_network_is_built_as_asked():
    """Normalisation, activation and dropout after each layer, shortcuts around equal ones."""
    settings = Experiment(
        data="wine", hidden=[6, 6], activation="tanh", norm="batch", dropout=0.25, residual=True
    )

    model = settings.network()

    assert repr(model) == (
        "Sequential(Layer(13, 6, activation='linear'), BatchNorm(6), 'tanh', Dropout(0.25), "
        "Residual(Sequential(Layer(6, 6, activation='linear'), BatchNorm(6), 'tanh', "
        "Dropout(0.25))), Layer(6, 3, activation='linear'))"
    )


def test_an_optimizer_is_built_as_asked():
    """Its rate, momentum, schedule and clipping."""
    settings = Experiment(
        optimizer="sgd", learning_rate=0.5, momentum=0.9, schedule="cosine", warm_up=10,
        clip_norm=2.0,
    )  # fmt: skip

    optimizer = settings.choose_optimizer(settings.network(), 110)

    assert isinstance(optimizer, SGD)
    assert (optimizer.learning_rate, optimizer.momentum) == (0.5, 0.9)
    assert [optimizer.schedule(step) for step in (0, 9, 10, 110)] == pytest.approx([0.1, 1, 1, 0])
    assert repr(optimizer.clip) == "ClipByNorm(2)"


def test_both_penalties_add_up():
    """L1 and L2 of the same weights."""
    model = nn.MLP(2, [3, 2])

    both = Experiment(l1=0.1, l2=0.2).penalty()

    assert both(model).data == pytest.approx(nn.L1(0.1)(model).data + nn.L2(0.2)(model).data)


class Page(HTMLParser):
    """The headings, the sources of pictures and scripts, and the links of a page."""

    def __init__(self):
        super().__init__()
        self.tags, self.sources = [], []

    def handle_starttag(self, tag, attrs):
        """Remember it."""
        self.tags.append(tag)
        self.sources += [value for name, value in attrs if name in ("src", "href")]


@pytest.mark.parametrize(
    ("data", "picture"), [("spiral", "decision.png"), ("iris", "confusion.png")]
)
def test_the_report_is_one_page_without_a_network(data, picture, tmp_path, capsys):
    """Curves, what it says of held-out samples, gradients, equations, figure, settings, epochs."""
    folder = tmp_path / "out"

    code = main([*QUICK, "--data", data, "--out", str(folder)])

    assert code == 0
    assert re.match(rf"{data}: [\d.]+% of 8 held-out samples right", capsys.readouterr().out)
    assert {*os.listdir(folder)} == {
        "run.json", "index.html", "model.json", "history.json", "loss.png", "gradients.png", picture
    }  # fmt: skip
    page = Page()
    page.feed((folder / "index.html").read_text(encoding="utf-8"))
    assert page.tags.count("h2") == 8
    assert page.sources
    assert all(source.startswith("data:") for source in page.sources)
    assert len(json.loads((folder / "history.json").read_text())["loss"]) == 2


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


def test_resuming_with_another_network_is_refused(tmp_path, capsys):
    """The state would not fit; the file stays as it is, and all that differs is named."""
    main([*QUICK, "--out", str(tmp_path)])
    before = (tmp_path / "run.json").read_bytes()

    code = main([*QUICK, "--hidden", "5", "--seed", "1", "--out", str(tmp_path), "--resume"])

    assert code == 2
    assert "hidden was [4], is [5]; seed was 0, is 1." in capsys.readouterr().err
    assert (tmp_path / "run.json").read_bytes() == before


OTHER = {
    "data": "circles", "samples": 50, "noise": 0.3, "test_share": 0.4, "raw": True, "hidden": [5],
    "activation": "tanh", "initializer": "he_normal", "norm": "layer", "dropout": 0.1,
    "residual": True, "optimizer": "rmsprop", "learning_rate": 0.5, "momentum": 0.5,
    "batch_size": 8, "schedule": "cosine", "warm_up": 3, "clip_norm": 1.0, "clip_value": 1.0,
    "l2": 0.1, "l1": 0.1, "seed": 1,
}  # fmt: skip
FREE = {"epochs": 3, "patience": 3, "stop_below": 0.1, "eager": True}


def test_a_run_is_its_settings():
    """Each setting is either compared when a run is resumed, or one that may change."""
    assert {*OTHER, *FREE} == {field.name for field in fields(Experiment)}
    assert Experiment().identity().keys() == OTHER.keys()


@pytest.mark.parametrize("name", OTHER)
def test_a_run_goes_on_with_its_own_settings_alone(name, tmp_path):
    """Other data would make the curve two halves of different runs."""
    start = {"samples": 40, "hidden": [4], "epochs": 1}
    start |= {"optimizer": "sgd"} if name == "momentum" else {}
    run(Experiment(**start), tmp_path, progress=False)

    with pytest.raises(FileError, match=rf"run with other settings: {name} was"):
        run(Experiment(**start | {name: OTHER[name]}), tmp_path, resume=True, progress=False)


def test_a_run_goes_on_with_other_limits(tmp_path):
    """Epochs, patience, a loss that is good enough, and on graphs of Values."""
    start = {"samples": 40, "hidden": [4]}
    run(Experiment(**start, epochs=1), tmp_path, progress=False)

    headline, _, _ = run(Experiment(**start | FREE), tmp_path, resume=True, progress=False)

    assert "after 3 epochs" in headline


def test_a_refused_run_keeps_the_file_of_the_run_before(tmp_path, capsys):
    """So does one whose rate is so high that no epoch ends."""
    main([*QUICK, "--out", str(tmp_path)])
    before = (tmp_path / "run.json").read_bytes()

    assert main([*QUICK, "--patience", "0", "--out", str(tmp_path)]) == 2
    assert (tmp_path / "run.json").read_bytes() == before
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


def test_a_network_that_no_memory_holds_is_refused():
    """By the number of its weights, each of which is an object."""
    assert Experiment(hidden=[1000, 900]).hidden == [1000, 900]
    for hidden in ([10**11], [1000, 1000], [1] * 500_000):
        with pytest.raises(SettingError, match=r"a network of [0-9,]+ weights"):
            Experiment(hidden=hidden)


@pytest.mark.slow
def test_ctrl_c_reports_what_was_reached(tmp_path):
    """Exit code 130, and a whole report."""
    command = [sys.executable, "-m", "tinygrad_edu", *QUICK, "--epochs", "100000", "--eager"]
    run = subprocess.Popen(
        [*command, "--out", tmp_path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    end = time.monotonic() + 60
    while not (tmp_path / "run.json").exists() and time.monotonic() < end:
        time.sleep(0.05)

    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=60)

    assert run.returncode == 130, err
    assert "stopped by Ctrl-C" in out
    assert (tmp_path / "index.html").exists()


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


def test_settings_are_refused_in_python_too():
    """When the experiment is described."""
    with pytest.raises(SettingError, match="data is 'mnist'"):
        Experiment(data="mnist")


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
def test_help_has_examples(command, capsys):
    """And names every data set."""
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])

    shown = capsys.readouterr().out
    assert f"tinygrad-edu {command} --data" in shown
    assert "breast_cancer" in shown
