"""Files that are never half written: each is written beside its place, then renamed into it."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from tempfile import mkstemp
from typing import Any

from tinygrad_edu.engine.errors import FileError, SettingError


def as_path(path: Any) -> Path:
    """Return the path, after checking that the system can have a file of that name.

    Raises
    ------
    SettingError
        If it is neither text nor a ``pathlib.Path``.
    FileError
        If no file can have that name.
    """
    try:
        encoded = os.fsencode(Path(path))
    except TypeError:
        raise SettingError(
            f"the path is {path!r:.60}.",
            expected="text or a pathlib.Path",
            fix="pass the path of a file, for example 'figure.svg'.",
        ) from None
    except UnicodeEncodeError:
        encoded = b"\0"
    if b"\0" in encoded:
        raise FileError(
            f"{str(path)!a:.80} can't be the name of a file.",
            where="a character that no file's name has: a null or half of a surrogate pair",
            fix="leave that character out of the name.",
        )
    return Path(path)


def replaceable(path: Any) -> tuple[Path, int]:
    """Follow links to where a file is; return that path, and the mode the file has or will get.

    Raises
    ------
    FileError
        If something else is there, such as a folder or a device, or a link that leads nowhere.
    """
    path = as_path(path)
    real = Path(os.path.realpath(path))
    try:
        mode = real.stat().st_mode
    except FileNotFoundError:
        return real, 0o666 & ~_umask()
    except OSError as error:
        raise _unwritable(path, error) from None
    if not stat.S_ISREG(mode):
        raise FileError(
            f"{path} can't be written: it is a {'folder' if stat.S_ISDIR(mode) else 'device'}, "
            "not a file.",
            fix="pass the name of a file that exists or can be created.",
        )
    return real, mode & 0o777


def write_atomically(path: str | os.PathLike[str], content: bytes) -> None:
    """Replace a file by new content, or leave it as it was: never half of it.

    The mode of the file before is kept. A link stays one: the file it leads to is replaced.

    Raises
    ------
    SettingError
        If the path is neither text nor a ``pathlib.Path``.
    FileError
        If the folder is not there, can't be written to, or is full, or if what is there is not
        a file.
    """
    real, mode = replaceable(path)
    temporary = ""
    try:
        handle, temporary = mkstemp(dir=real.parent, prefix=".new.")
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, mode)
        os.replace(temporary, real)
        _sync(real.parent)
    except OSError as error:
        raise _unwritable(path, error) from None
    finally:
        with suppress(OSError):
            os.unlink(temporary)


def read_limited(path: Any, most: int, what: str = "") -> bytes:
    """Read a file of at most so many bytes; of a device not even one byte is read.

    Raises
    ------
    FileError
        If it is larger, can't be read, or is not a file.
    """
    file = as_path(path)
    name = f"{what} {file}".strip()
    try:
        status = file.stat()
        if not stat.S_ISREG(status.st_mode):
            raise FileError(
                f"{name}: a folder or device, not a file.", fix="pass the path of the file itself."
            )
        if status.st_size > most:
            raise FileError(
                f"{name}: {status.st_size} bytes, at most {most} allowed.",
                fix="restore it from a copy, or choose another file.",
            )
        with file.open("rb") as opened:
            return opened.read(most)
    except OSError as error:
        raise FileError(
            f"{name}: can't be read: {error.strerror}.", fix="check the name and the permissions."
        ) from None


def writable_folder(path: Path) -> Path:
    """Create a folder if needed; raise FileError, before any work, if it can't be written to."""
    path = as_path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        handle, name = mkstemp(dir=path, prefix=".probe.")
        os.close(handle)
        os.unlink(name)
    except OSError as error:
        raise FileError(
            f"the folder {path} can't be written to: {error.strerror or error}.",
            fix="choose another folder, one that you may write to, for example in your home.",
        ) from None
    return path


def _unwritable(path: str | os.PathLike[str], error: OSError) -> FileError:
    return FileError(
        f"{path} can't be written: {error.strerror or error}.",
        where="what stood there before is unchanged",
        fix="choose a folder that exists, is writable and has room.",
    )


def _sync(folder: Path) -> None:
    """Bring the new name to the disk, too, if the system can; the file is whole either way."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _umask() -> int:
    """Return the process's umask, which can be read only by setting it for a moment."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
