"""The diagnosis as a folder: words, numbers, pictures."""

import json
import math
from random import Random

import pytest

from tests import networks
from tests.networks import gaussian
from tinygrad_edu import nn
from tinygrad_edu.diagnose.report import diagnose_report
from tinygrad_edu.engine.errors import FileError

X, Y = gaussian(12)


def mlp():
    """Build a small network for the samples above."""
    return networks.mlp(2, width=4)


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


def test_a_broken_model_is_diagnosed_too(tmp_path):
    """The fault is in words and among the numbers; those that JSON does not have are null."""
    model = mlp()
    model.layers[0].neurons[0].w[0].data = math.inf

    diagnose_report(tmp_path, model, nn.mse, X, Y, learning_rate=0.1)

    text = (tmp_path / "diagnosis.json").read_text(encoding="utf-8")
    flow = json.loads(text)["gradient_flow"]
    assert [finding["fault"] for finding in flow["findings"]] == ["not finite"]
    assert flow["layers"][0]["weight"]["norm"] is None
    assert "NaN" not in text
    assert "Infinity" not in text
    assert "not finite: " in (tmp_path / "diagnosis.txt").read_text(encoding="utf-8")


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
