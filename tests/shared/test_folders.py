"""Folders of results: whenever a process is killed, the files are of one run."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest

from tinygrad_edu.engine.errors import FileError
from tinygrad_edu.shared.folders import alone_in, beside, replacing, uninterrupted

NAMES = ("index.html", "model.json", "old.png", "new.png")
KILLED = """
import os, sys
from pathlib import Path
from tinygrad_edu.shared.folders import replacing
folder, steps = Path(sys.argv[1]), int(sys.argv[2])
def dying(real):
    def call(*words, **more):
        global steps
        if steps == 0:
            os._exit(9)
        steps -= 1
        return real(*words, **more)
    return call
os.replace, os.mkdir, os.unlink = map(dying, (os.replace, os.mkdir, os.unlink))
with replacing(folder, ("index.html", "model.json", "old.png", "new.png")) as new:
    for name in ("index.html", "model.json", "new.png"):
        (new / name).write_text("new")
"""


@pytest.fixture
def folder(tmp_path):
    """A folder with an old report, and a file of the user's."""
    for name in ("index.html", "model.json", "old.png", "notes.txt"):
        (tmp_path / name).write_text("old")
    return tmp_path


def report(folder):
    """The files of the report, with what is in them."""
    return {name: (folder / name).read_text() for name in NAMES if (folder / name).exists()}


def test_a_new_report_replaces_all_of_the_old_one(folder):
    """What only the old one had is gone; what is not of the report stays."""
    with replacing(folder, NAMES) as new:
        for name in ("index.html", "new.png"):
            (new / name).write_text("new")

    assert report(folder) == {"index.html": "new", "new.png": "new"}
    assert {file.name for file in folder.iterdir()} == {"index.html", "new.png", "notes.txt"}


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_what_breaks_off_leaves_the_old_report(folder, error):
    """And nothing beside it."""
    before = sorted(folder.iterdir())
    with pytest.raises(error), replacing(folder, NAMES) as new:  # noqa: PT012
        (new / "index.html").write_text("new")
        raise error

    assert report(folder) == dict.fromkeys(("index.html", "model.json", "old.png"), "old")
    assert sorted(folder.iterdir()) == before


@pytest.mark.slow
@pytest.mark.parametrize("steps", range(14))
def test_a_process_that_is_killed_leaves_files_of_one_report(folder, steps):
    """At each call that changes the folder; a page is there only when all the others are.

    What is missing was not lost: the older report is in the hidden folder beside.
    """
    run = subprocess.run([sys.executable, "-c", KILLED, folder, str(steps)], check=False)

    found = report(folder)
    assert run.returncode in (0, 9)
    assert len({*found.values()}) <= 1
    if "index.html" in found:
        assert len(found) == 3
    hidden = {file.name: file for file in folder.glob(".new.report.*/replaced/*")}
    if "old" in found.values() or not found:
        assert {*found, *hidden} >= {"index.html", "model.json", "old.png"}

    with replacing(folder, NAMES) as new:
        (new / "index.html").write_text("newest")

    assert not [*folder.glob(".new.*")]
    assert report(folder) == {"index.html": "newest"}


def test_a_folder_that_can_t_be_replaced_is_named(folder):
    """The error says which folder, and what to do."""
    with pytest.raises(FileError, match="can't be written"), replacing(folder, NAMES):
        raise PermissionError(13, "Permission denied")


def test_one_writer_at_a_time(tmp_path):
    """A second one, in another thread or process, is refused; afterwards the folder is free."""
    refused = []

    def second():
        try:
            with alone_in(tmp_path):
                refused.append(False)
        except FileError as error:
            refused.append(str(error))

    with alone_in(tmp_path):
        thread = Thread(target=second)
        thread.start()
        thread.join()
    second()

    assert "another run is writing" in refused[0]
    assert refused[1] is False
    assert [*tmp_path.iterdir()] == []


def test_ctrl_c_waits_for_the_end_of_a_moment():
    """The block is done whole, then Ctrl-C counts."""
    done = []
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012
        with uninterrupted():
            os.kill(os.getpid(), signal.SIGINT)
            done.append(True)
        done.append(False)

    assert done == [True]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize(
    ("folder", "other"), [("report", "report-2"), ("a b/c", "'a b/c-2'"), ("/x/y", "/x/y-2")]
)
def test_another_folder_is_named_as_it_is_typed(folder, other):
    """Words with spaces are quoted."""
    assert beside(Path(folder)) == other
