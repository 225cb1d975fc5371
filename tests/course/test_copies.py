"""Copies of the notebooks: with what they need, and never over a learner's own work."""

import os
import shutil

import pytest

from tinygrad_edu.course import copies, copy_notebooks
from tinygrad_edu.engine.errors import FileError, SettingError


@pytest.fixture
def course(tmp_path, monkeypatch):
    """Three files of a course, as in a checkout."""
    folder = tmp_path / "source"
    (folder / "figures").mkdir(parents=True)
    (folder / "02_b.ipynb").write_text("two")
    (folder / "01_a.ipynb").write_text("one")
    (folder / "figures" / "x.svg").write_text("<svg/>")
    (folder / "ruff.toml").write_text("no")
    (folder / ".ipynb_checkpoints").mkdir()
    (folder / ".ipynb_checkpoints" / "01_a.ipynb").write_text("no")
    monkeypatch.setattr(copies, "CHECKOUT", folder)
    monkeypatch.setattr(copies, "INSTALLED", "not there")
    return folder


def test_notebooks_are_copied_with_what_they_need(course, tmp_path):
    """Folders, too; settings of tools and hidden files not; and it is said how to start."""
    copied = copy_notebooks(tmp_path / "mine")

    assert copied.copied == ("01_a.ipynb", "02_b.ipynb", "figures/x.svg")
    assert (tmp_path / "mine" / "figures" / "x.svg").read_text() == "<svg/>"
    assert len(os.listdir(tmp_path / "mine")) == 3
    assert "jupyter lab" in str(copied)
    assert "begin with 01_a.ipynb" in str(copied)


def test_changed_notebooks_are_never_overwritten(course, tmp_path):
    """What the learner wrote stays; what is missing comes back; the rest is counted."""
    mine = tmp_path / "mine"
    copy_notebooks(mine)
    (mine / "01_a.ipynb").write_text("my answers")
    (mine / "02_b.ipynb").unlink()

    again = copy_notebooks(mine)

    assert (mine / "01_a.ipynb").read_text() == "my answers"
    assert (again.copied, again.kept) == (("02_b.ipynb",), ("01_a.ipynb",))
    assert again.unchanged == ("figures/x.svg",)
    assert "not overwritten" in str(again)


def test_a_folder_in_the_place_of_a_notebook_is_kept(course, tmp_path):
    """It is not the learner's fault, and no traceback."""
    (tmp_path / "mine" / "01_a.ipynb").mkdir(parents=True)

    assert copy_notebooks(tmp_path / "mine").kept == ("01_a.ipynb",)


def test_a_notebook_that_can_not_be_read_is_kept(course, tmp_path, monkeypatch):
    """Whoever changed its permissions."""
    copy_notebooks(tmp_path / "mine")

    def refused(self):
        raise PermissionError

    monkeypatch.setattr(copies.Path, "read_bytes", refused)

    assert not copies._holds(tmp_path / "mine" / "01_a.ipynb", b"one")


@pytest.mark.parametrize(("folder", "error"), [(3, SettingError), ("a\0b", FileError)])
def test_what_can_not_be_a_folder_is_refused(course, folder, error):
    """In words, as everywhere."""
    with pytest.raises(error):
        copy_notebooks(folder)


def test_an_installation_without_notebooks_says_so(course, tmp_path):
    """As of a wheel that was built wrongly."""
    shutil.rmtree(course)

    with pytest.raises(FileError, match="not in this installation"):
        copy_notebooks(tmp_path / "mine")


def test_a_target_that_is_a_file_is_refused(course, tmp_path):
    """Before anything is copied."""
    (tmp_path / "mine").write_text("a file")

    with pytest.raises(FileError, match="can't be written to"):
        copy_notebooks(tmp_path / "mine")


def test_the_notebooks_of_the_checkout_are_found():
    """Unless a test says otherwise, the course is that of the project."""
    assert copies.CHECKOUT.name == "notebooks"
    assert (copies.CHECKOUT.parent / "tinygrad_edu" / "course").is_dir()
