"""Folders of results: one process writes at a time, and all the files are of one run."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from tinygrad_edu.engine.errors import FileError

STAGED = ".new.report."  # how the name of a folder begins whose files are not complete yet


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Refuse a folder that another process writes to; the system frees it when a process dies.

    Where the system has no such locks, as on Windows, nothing is checked.

    Raises
    ------
    FileError
        If another block, of this process or of another, is writing to the folder.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FileError(
                f"another run is writing to the folder {folder} at this moment.",
                fix=f"wait until it has ended, or choose another folder: --out {beside(folder)}",
            ) from None
        except OSError:  # a file system without locks
            pass
        yield
    finally:
        os.close(handle)


def beside(folder: Path) -> str:
    """Return the name of another folder beside a folder, as it is typed on a command line."""
    return shlex.quote(str(folder.parent / f"{folder.resolve().name}-2"))


@contextmanager
def replacing(folder: Path, names: Collection[str]) -> Iterator[Path]:
    """Yield an empty folder; at the end of the block its files replace those of ``names``.

    An error or Ctrl-C in the block leaves the folder as it was. Then the old files go, the page
    ``index.html`` first, and the new ones come, the page last: whenever a process is killed, the
    files beside each other are of one report. The old ones are deleted when all the new ones are
    in their places; until then they are in the hidden folder, whose name begins with
    ``.new.report.``. Call it inside :func:`alone_in`, since it deletes what killed processes left.
    """
    for left in folder.glob(f"{STAGED}*"):
        shutil.rmtree(left, ignore_errors=True)
    staged = Path(mkdtemp(dir=folder, prefix=STAGED))
    try:
        yield staged
        files = sorted(staged.iterdir(), key=_page_last)
        old = staged / "replaced"
        with uninterrupted():
            old.mkdir()
            for name in sorted(names, key=_page_last, reverse=True):
                if os.path.lexists(folder / name):
                    os.replace(folder / name, old / name)
            for file in files:
                os.replace(file, folder / file.name)
    except OSError as error:
        raise FileError(
            f"the report in {folder} can't be written: {error.strerror or error}.",
            fix="choose a folder that is writable and has room, for example with --out.",
        ) from None
    finally:
        with uninterrupted():
            shutil.rmtree(staged, ignore_errors=True)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C back until the end of the block, which should take no longer than a moment."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals come to the main thread alone
        return
    pressed: list[tuple[Any, ...]] = []
    before = signal.signal(
        signal.SIGINT, lambda *signal_and_frame: pressed.append(signal_and_frame)
    )
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed and callable(before):
        before(*pressed[0])


def _page_last(file: str | Path) -> tuple[bool, str]:
    name = Path(file).name
    return name == "index.html", name
