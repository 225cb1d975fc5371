"""A file is whole or not there."""

import io
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import Mock

import pytest

from tinygrad_edu.engine.errors import FileError, SettingError
from tinygrad_edu.shared.files import as_path, read_limited, writable_folder, write_atomically


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


@pytest.mark.slow
def test_a_killed_writer_never_loses_the_file(tmp_path):
    """SIGKILL at any moment: the file holds one of the contents in whole."""
    path = tmp_path / "a.txt"
    write_atomically(path, b"0" * 100_000)
    program = (
        "import sys, pathlib, itertools\n"
        "from tinygrad_edu.shared.files import write_atomically\n"
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


def test_a_link_stays_one_and_the_file_it_leads_to_is_replaced(tmp_path):
    """A results folder kept elsewhere is written where it is, there or not yet there."""
    (tmp_path / "far").mkdir()
    link, real = tmp_path / "a.txt", tmp_path / "far" / "b.txt"
    link.symlink_to(real)

    for content in (b"first", b"second"):
        write_atomically(link, content)

        assert link.is_symlink()
        assert real.read_bytes() == content
    assert os.listdir(tmp_path / "far") == ["b.txt"]


def test_a_loop_of_links_is_refused(tmp_path):
    """It leads to no file; both links stay."""
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")

    with pytest.raises(FileError, match="a can't be written: Too many levels"):
        write_atomically(tmp_path / "a", b"new")

    assert (tmp_path / "a").is_symlink()


def test_a_pipe_is_not_replaced_by_a_file(tmp_path):
    """Nor is a device, such as /dev/null, by one who may; the refusal says what it is."""
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(FileError, match="pipe can't be written: it is a device, not a file"):
        write_atomically(tmp_path / "pipe", b"new")

    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o755])
def test_a_private_file_stays_private(tmp_path, mode):
    """The mode of the file before is the mode of the file after."""
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")
    path.chmod(mode)

    write_atomically(path, b"new")

    assert path.stat().st_mode & 0o777 == mode


def test_a_new_file_has_the_mode_of_the_umask(tmp_path):
    """As every program's files, not a temporary file's 0600."""
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "a.txt", b"new")
    finally:
        os.umask(before)

    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("path", ["a\0b", "a\ud800b"])
@pytest.mark.parametrize(
    "use", [as_path, lambda path: write_atomically(path, b""), writable_folder]
)
def test_a_name_that_no_file_can_have_is_refused(use, path, tmp_path, monkeypatch):
    """A null, or half of a surrogate pair; nothing is written under a part of the name."""
    monkeypatch.chdir(tmp_path)

    with pytest.raises(FileError, match="can't be the name of a file"):
        use(path)

    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("path", [None, 3, True, ["x"], io.BytesIO()])
def test_what_is_no_path_is_refused(path):
    """Numbers, lists, open files: the error shows what was given."""
    with pytest.raises(SettingError, match="the path is "):
        write_atomically(path, b"")


class PathLike:
    """A path in a form of its own, as some libraries have them."""

    def __init__(self, path):
        self.path = path

    def __fspath__(self):
        """Return the path as text or as bytes."""
        return self.path


@pytest.mark.parametrize(
    "form", [str, Path, os.fsencode, PathLike, lambda path: PathLike(os.fsencode(path))]
)
def test_a_path_may_have_every_form_that_open_takes(form, tmp_path):
    """Text, bytes, and objects that are paths, also of a name that is not UTF-8."""
    for name in ("a.txt", "é.txt", os.fsdecode(b"\xff.txt")):
        path = tmp_path / name

        write_atomically(form(str(path)), b"new")

        assert path.read_bytes() == b"new"


@pytest.mark.parametrize("mode", [0o444, 0o400, 0o555, 0o000])
def test_a_read_only_file_is_refused(tmp_path, mode):
    """As open does, also for root; it stays as it is, and the Fix makes it writable."""
    path = tmp_path / "my model.json"
    path.write_bytes(b"old")
    path.chmod(mode)

    with pytest.raises(FileError, match=r"my model.json can't be written: it is read-only") as info:
        write_atomically(path, b"new")

    path_mode = path.stat().st_mode & 0o777
    subprocess.run(str(info.value).rpartition("shell: ")[2], shell=True, check=True)
    assert path_mode == mode
    assert os.listdir(tmp_path) == [path.name]
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"


def test_a_file_that_may_not_be_opened_for_writing_is_refused(tmp_path, monkeypatch):
    """Whatever its mode says: of another user, immutable, or on a disk that is read-only."""
    (tmp_path / "a.txt").write_bytes(b"old")
    reasons = [
        (PermissionError(13, "Permission denied"), r"read-only \(Permission denied\)"),
        (PermissionError(1, "Operation not permitted"), r"read-only \(Operation not permitted\)"),
        (OSError(30, "Read-only file system"), "Read-only file system"),
    ]
    for error, message in reasons:
        monkeypatch.setattr(os, "open", Mock(side_effect=error))

        with pytest.raises(FileError, match=message):
            write_atomically(tmp_path / "a.txt", b"new")

    assert (tmp_path / "a.txt").read_bytes() == b"old"


def test_a_link_to_a_read_only_file_is_refused(tmp_path):
    """It is the file that is protected, not the link."""
    (tmp_path / "a.txt").write_bytes(b"old")
    (tmp_path / "a.txt").chmod(0o444)
    (tmp_path / "link").symlink_to("a.txt")

    with pytest.raises(FileError, match="link can't be written: it is read-only"):
        write_atomically(tmp_path / "link", b"new")

    assert (tmp_path / "a.txt").read_bytes() == b"old"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("missing/a.txt", "No such file or directory"),
        ("missing/../a.txt", "No such file or directory"),
        ("file/a.txt", "Not a directory"),
        ("folder", "it is a folder, not a file"),
        (".", "it is a folder, not a file"),
        ("a" * 300, "File name too long"),
    ],
)
def test_a_place_where_no_file_can_be_is_refused(path, message, tmp_path):
    """In words, and nothing is left there."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"old")

    with pytest.raises(FileError, match=f"can't be written: {message}"):
        write_atomically(tmp_path / path, b"new")

    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]


@pytest.mark.parametrize("moment", ["open", "fsync", "replace", "chmod"])
def test_ctrl_c_leaves_no_temporary_file(moment, tmp_path, monkeypatch):
    """At whichever moment: the file is old or new, and nothing else is there."""
    path, real = tmp_path / "a.txt", getattr(os, moment)
    path.write_bytes(b"old")

    def interrupted(name, *args, **settings):
        result = real(name, *args, **settings)
        if moment != "open" or ".new." in str(name):
            raise KeyboardInterrupt
        return result

    monkeypatch.setattr(os, moment, interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, b"new")

    assert path.read_bytes() == (b"new" if moment == "replace" else b"old")
    assert os.listdir(tmp_path) == ["a.txt"]


def test_two_writers_at_once_leave_the_content_of_one(tmp_path):
    """Each writes beside the file under a name of its own; the last that renames wins."""
    path = tmp_path / "a.txt"
    contents = [str(i).encode() * 50_000 for i in range(8)]

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda content: write_atomically(path, content), contents * 4))

    assert path.read_bytes() in contents
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_private_file_is_private_at_every_moment(tmp_path, monkeypatch):
    """Also the temporary one, while it is written."""
    path, modes = tmp_path / "a.txt", []
    path.write_bytes(b"old")
    path.chmod(0o600)
    monkeypatch.setattr(os, "fsync", lambda file: modes.append(os.fstat(file).st_mode & 0o777))

    write_atomically(path, b"new")

    assert modes[0] == 0o600


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root")
def test_a_file_stays_that_of_its_owner(tmp_path):
    """Where root saves over a file of somebody else."""
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")
    os.chown(path, 1234, 1235)

    write_atomically(path, b"new")

    assert (path.stat().st_uid, path.stat().st_gid) == (1234, 1235)


def test_no_more_is_read_than_allowed(tmp_path):
    """A file that is too large, and devices and pipes, are refused before they are read."""
    path = tmp_path / "a.txt"
    path.write_bytes(b"12345")

    assert read_limited(path, 5) == b"12345"
    with pytest.raises(FileError, match=r"list .*a.txt: 5 bytes, at most 4 allowed"):
        read_limited(path, 4, "list")
    os.mkfifo(tmp_path / "pipe")
    for endless in ("/dev/zero", tmp_path / "pipe"):
        with pytest.raises(FileError, match=f"{endless}: a folder or device, not a file"):
            read_limited(endless, 4)
