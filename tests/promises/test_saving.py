"""A save that is broken off, anywhere and by anything, never costs the file of before."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.promises.saver import limited, save_step, step_in
from tinygrad_edu.engine.errors import FileError

pytestmark = pytest.mark.promise(name="interrupted")
ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path):
    """A file of step 1."""
    save_step(1, tmp_path / "model.json")
    return tmp_path / "model.json"


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 64 KiB, which only root can mount."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", disk]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("a small disk can't be mounted here")
    yield disk
    subprocess.run(["umount", disk], check=True)


def refuses(path, **facts):
    """Saving fails in words that name the file."""
    with pytest.raises(FileError, match="can't be written") as caught:
        save_step(2, path, **facts)
    assert str(caught.value).startswith(f"{path} ")
    assert "Fix" in str(caught.value)


@pytest.mark.slow
def test_a_killed_process_never_loses_the_file(tmp_path, cases, measured):
    """Killed at each byte of the new file, and by SIGKILL at so many moments."""
    command = [sys.executable, "tests/promises/saver.py", tmp_path, str(cases)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    measured(done.stdout.strip())


def test_a_byte_that_is_refused_does_not_cost_the_file(path, measured):
    """The system refuses each byte in turn; the save fails in words and leaves nothing behind."""
    length = path.stat().st_size
    for limit in range(length):
        with limited(limit):
            refuses(path)
        assert step_in(path) == 1

    assert os.listdir(path.parent) == [path.name]
    measured(f"{length:,} refused a byte")


def test_a_full_disk_does_not_cost_the_file(small_disk, measured):
    """With more or less room left; and when the disk can only be read."""
    path, filler = small_disk / "model.json", small_disk / "filler"
    save_step(1, path)
    for room in (0, 4_096, 8_192, 12_288):
        filler.write_bytes(b"")
        free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_bsize
        filler.write_bytes(b"x" * (free - room))
        refuses(path, note="y" * 50_000)
        assert step_in(path) == 1
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    refuses(path)
    assert step_in(path) == 1
    measured("4 on a full disk, 1 on a read-only disk")


def test_a_folder_that_is_gone_is_said(path):
    """Deleted between two saves."""
    shutil.rmtree(path.parent)

    refuses(path)


def test_a_save_into_the_file_itself_would_lose_it(path):
    """So the tests above can fail: half of it is there, which is not a model."""
    good = path.read_bytes()
    with limited(len(good) // 2), pytest.raises(OSError, match="too large"):
        path.write_bytes(good)

    with pytest.raises(FileError, match="not JSON"):
        step_in(path)
