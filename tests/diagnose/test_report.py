"""The diagnosis as a folder: words, numbers, pictures."""

import json
import math
from random import Random

import pytest

from tinygrad_edu import nn
from tinygrad_edu.diagnose.report import diagnose_report
from tinygrad_edu.engine.errors import FileError, SettingError

RNG = Random(1)
X = [[RNG.gauss(0.0, 1.0), RNG.gauss(0.0, 1.0)] for _ in range(12)]
Y = [x[0] - x[1] for x in X]


def mlp(depth=2, activation="tanh"):
    """A small network for the samples above."""
    return nn.MLP(2, [4] * (depth - 1) + [1], activation=activation, rng=Random(0))


def test_every_file_is_written_whole(tmp_path):
    """The folder is made; text, JSON and PNG files open; nothing else is left there."""
    folder = tmp_path / "a" / "b"

    flow, files = diagnose_report(folder, mlp(), nn.mse, X, Y, learning_rate=0.05)

    assert sorted(path.name for path in folder.iterdir()) == sorted(files)
    assert flow.verdict in (folder / "diagnosis.txt").read_text(encoding="utf-8")
    numbers = json.loads((folder / "diagnosis.json").read_text(encoding="utf-8"))
    assert numbers["gradient_flow"]["loss"] == flow.loss
    assert len(numbers["loss_surface"]["losses"]) == 25
    for name in ("gradient_flow", "learning_rate", "loss_surface"):
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_the_fault_is_in_the_files(tmp_path):
    """In words and among the numbers."""
    diagnose_report(tmp_path, mlp(12, "sigmoid"), nn.mse, X, Y)

    numbers = json.loads((tmp_path / "diagnosis.json").read_text(encoding="utf-8"))
    assert [f["fault"] for f in numbers["gradient_flow"]["findings"]] == ["vanishing"]
    assert "vanishing: layer0" in (tmp_path / "diagnosis.txt").read_text(encoding="utf-8")


def test_numbers_that_json_does_not_have_are_null(tmp_path):
    """A model that is broken is diagnosed, too, and its file is JSON."""
    model = mlp()
    model.layers[0].neurons[0].w[0].data = math.inf

    flow, _ = diagnose_report(tmp_path, model, nn.mse, X, Y, learning_rate=0.1)

    assert flow.faults == ["not finite"]
    text = (tmp_path / "diagnosis.json").read_text(encoding="utf-8")
    assert "NaN" not in text
    assert "Infinity" not in text
    assert json.loads(text)["gradient_flow"]["layers"][0]["weight"]["norm"] is None


@pytest.mark.slow
def test_the_same_seed_gives_the_same_files(tmp_path):
    """Words and numbers are the same to the byte."""
    for name in ("one", "two"):
        diagnose_report(tmp_path / name, mlp(), nn.mse, X, Y, rng=Random(3))

    for file in ("diagnosis.txt", "diagnosis.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_a_folder_that_can_t_be_is_refused_before_any_work(tmp_path):
    """No minutes are lost."""
    (tmp_path / "file").write_text("here", encoding="utf-8")
    calls = []

    with pytest.raises(FileError, match="can't be written"):
        diagnose_report(tmp_path / "file", mlp(), lambda *a: calls.append(a), X, Y)

    assert calls == []


@pytest.mark.promise(name="settings")
def test_settings_are_refused(tmp_path):
    """By name, as where they are used."""
    with pytest.raises(SettingError, match="rng"):
        diagnose_report(tmp_path, mlp(), nn.mse, X, Y, rng=5)
