"""A trained network as a function: what it takes, and which files it refuses."""

import pytest

from tinygrad_edu import nn
from tinygrad_edu.engine.errors import FileError, LengthError
from tinygrad_edu.experiments import Experiment, run, trained


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The report of a short run."""
    folder = tmp_path_factory.mktemp("iris")
    run(Experiment(data="iris", epochs=2, hidden=[4]), folder, progress=False)
    return folder


def test_the_folder_or_its_file_may_be_named(folder):
    """Both are the same network; no rows have no predictions."""
    rows = [[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]]

    assert trained(folder)(rows) == trained(folder / "model.json")(rows)
    assert trained(str(folder))([]) == []


def test_rows_of_other_features_are_refused(folder):
    """With the number of features that the network has."""
    with pytest.raises(LengthError, match="row 1 has 3 features"):
        trained(folder)([[1.0] * 4, [1.0] * 3])


def test_a_file_of_another_kind_is_refused(tmp_path):
    """A model that ``nn.save`` wrote, or none at all."""
    nn.save(nn.MLP(2, [2]), tmp_path / "model.json")

    with pytest.raises(FileError, match="not written by tinygrad-edu train"):
        trained(tmp_path)
    with pytest.raises(FileError, match="can't be read"):
        trained(tmp_path / "none")
