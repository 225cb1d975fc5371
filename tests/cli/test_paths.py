"""Paths on the command line: refused before anything is made."""

import argparse
from pathlib import Path

import pytest

from tinygrad_edu.cli.paths import path, writable_file
from tinygrad_edu.engine.errors import FileError


@pytest.mark.parametrize("text", ["", " ", "\t\n"])
def test_an_empty_path_is_not_the_working_folder(text):
    """``pathlib.Path("")`` is."""
    with pytest.raises(argparse.ArgumentTypeError, match="the path is empty"):
        path(text)

    assert path(".") == Path()


def test_a_file_can_be_written_where_its_folder_is(tmp_path):
    """New or replaced; nothing is left behind by the probe."""
    writable_file(tmp_path / "new.svg")
    (tmp_path / "old.svg").write_text("old")
    writable_file(tmp_path / "old.svg")

    assert [file.name for file in tmp_path.iterdir()] == ["old.svg"]


def test_a_file_that_can_t_be_written_is_refused(tmp_path):
    """A folder, or in a folder that is not there, which is not made."""
    (tmp_path / "file").touch()
    for place in (tmp_path, tmp_path / "none" / "a.svg", tmp_path / "file" / "a.svg"):
        with pytest.raises(FileError, match="can't be written"):
            writable_file(place)

    assert [file.name for file in tmp_path.iterdir()] == ["file"]
