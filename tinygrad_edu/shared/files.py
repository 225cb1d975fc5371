"""Files that are never half written: each is written beside its place, then renamed into it."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from shlex import quote
from tempfile import TemporaryFile
from typing import Any

from tinygrad_edu.engine.errors import FileError, SettingError


def as_path(path: Any) -> Path:
    """Return the path, after checking that the system can have a file of that name.

    Raises
    ------
    SettingError
        If it is not what ``open`` takes as a path: text, bytes or an ``os.PathLike``.
    FileError
        If no file can have that name.
    """
    try:
        path = os.fsdecode(path)
        encoded = os.fsencode(path)
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


def replaceable(path: Any) -> tuple[Path, os.stat_result | None]:
    """Follow links to where a file is; return that path, and the status of the file if it is there.

    Raises
    ------
    FileError
        If the file is read-only, or if something else is there, such as a folder or a device, or a
        link that leads nowhere.
    """
    path = as_path(path)
    real = Path(os.path.realpath(path))
    try:
        status = real.stat()
        if stat.S_ISREG(status.st_mode):
            os.close(os.open(real, os.O_WRONLY))  # as open would, but the content stays
    except FileNotFoundError as error:
        if not path.parent.is_dir():  # "missing/.." is a place for realpath, and none for open
            raise _unwritable(path, error) from None
        return real, None
    except PermissionError as error:
        raise _read_only(path, str(error.strerror)) from None
    except OSError as error:
        raise _unwritable(path, error) from None
    if not stat.S_ISREG(status.st_mode):
        kind = "folder" if stat.S_ISDIR(status.st_mode) else "device"
        raise FileError(
            f"{path} can't be written: it is a {kind}, not a file.",
            fix="pass the name of a file that exists or can be created.",
        )
    if not status.st_mode & 0o222:  # root may write it nevertheless, but it is protected
        raise _read_only(path, f"mode {status.st_mode & 0o777:o}")
    return real, status


def write_atomically(path: str | os.PathLike[str], content: bytes) -> None:
    """Replace a file by new content, or leave it as it was: never half of it.

    The mode and the owner of the file before are kept, as far as the system permits. A link stays
    one: the file it leads to is replaced. Other hard links to the file before keep its content.

    Raises
    ------
    SettingError
        If the path is not what ``open`` takes as a path.
    FileError
        If the folder is not there, can't be written to, or is full, or if what is there is
        read-only, or not a file.
    """
    real, status = replaceable(path)
    mode = 0o666 if status is None else status.st_mode & 0o777  # the umask makes 0666 less
    temporary = real.parent / f".new.{token_hex(8)}"  # known before it is there: Ctrl-C removes it
    try:
        with open(temporary, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            if status is not None:
                _adopt(temporary, status)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
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
        TemporaryFile(dir=path).close()
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


def _read_only(path: Path, why: str) -> FileError:
    return FileError(
        f"{path} can't be written: it is read-only ({why}).",
        where="it is unchanged",
        fix=f"pass another name, or permit writing in a shell: chmod u+w {quote(str(path))}",
    )


def _adopt(file: Path, status: os.stat_result) -> None:
    """Give a file the owner and the mode of another."""
    with suppress(OSError, AttributeError):  # not ours to give away; Windows has no owners
        os.chown(file, status.st_uid, status.st_gid)
    os.chmod(file, status.st_mode & 0o777)


def _sync(folder: Path) -> None:
    """Bring the new name to the disk, too, if the system can; the file is whole either way."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
