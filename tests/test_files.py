"""A file is whole or not there."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tinygrad_edu.errors import FileError
from tinygrad_edu.files import writable_folder, write_atomically


def test_new_content_replaces_the_old_and_leaves_nothing_else(tmp_path):
    """After a write there is the file, with the new content, and no temporary one."""
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")

    write_atomically(path, b"new")

    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_write_that_fails_leaves_the_old_content(tmp_path, monkeypatch):
    """Where the disk is full, what stood there before is unchanged, and the message says so."""
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FileError, match="No space left on device"):
        write_atomically(path, b"new")

    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_killed_writer_never_loses_the_file(tmp_path):
    """SIGKILL at any moment: the file holds one of the contents in whole."""
    path = tmp_path / "a.txt"
    write_atomically(path, b"0" * 100_000)
    program = (
        "import sys, pathlib, itertools\n"
        "from tinygrad_edu.files import write_atomically\n"
        "print(flush=True)\n"
        "for i in itertools.count():\n"
        "    write_atomically(pathlib.Path(sys.argv[1]), str(i % 10).encode() * 100_000)\n"
    )
    for attempt in range(8):
        writer = subprocess.Popen([sys.executable, "-c", program, path], stdout=subprocess.PIPE)
        writer.stdout.readline()
        time.sleep(0.003 * attempt)
        writer.send_signal(signal.SIGKILL)
        writer.communicate()

        content = path.read_bytes()

        assert len(content) == 100_000
        assert len(set(content)) == 1


def test_a_folder_that_cannot_be_used_is_found_at_once(tmp_path):
    """A file in the place of the folder is refused in words."""
    (tmp_path / "taken").write_text("")

    with pytest.raises(FileError, match="taken can't be written to"):
        writable_folder(tmp_path / "taken")


def test_a_folder_is_made_with_its_parents(tmp_path):
    """``--out a/b`` works in a fresh place, and leaves no probe behind."""
    folder = writable_folder(tmp_path / "a" / "b")

    assert folder.is_dir()
    assert os.listdir(folder) == []
