"""Files that are whole or not there: written beside their place, then renamed into it."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from tempfile import mkstemp

from tinygrad_edu.errors import FileError


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file by new content, or leave it as it was: never half of it.

    Raises
    ------
    FileError
        If the folder is not there, can't be written to, or is full.
    """
    temporary = ""
    try:
        handle, temporary = mkstemp(dir=path.parent, prefix=".new.")
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
        _sync(path.parent)
    except OSError as error:
        raise FileError(
            f"{path} can't be written: {error.strerror or error}.",
            where="what stood there before is unchanged",
            fix="choose a folder that exists, is writable and has room.",
        ) from None
    finally:
        with suppress(OSError):
            os.unlink(temporary)


def writable_folder(path: Path) -> Path:
    """The folder, made if it is not there; FileError, before any work, if it can't be used."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        handle, name = mkstemp(dir=path, prefix=".probe.")
        os.close(handle)
        os.unlink(name)
    except OSError as error:
        raise FileError(
            f"the folder {path} can't be written to: {error.strerror or error}.",
            fix="choose another one with --out FOLDER.",
        ) from None
    return path


def _sync(folder: Path) -> None:
    """Bring the new name to the disk, too, where the system can; the file is whole either way."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _umask() -> int:
    """The process's umask; reading it means setting it for a moment."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
