"""C as a shared library: compiled by the machine's own compiler, kept in the user's cache."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import platform
import shutil
import stat
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from tempfile import mkdtemp
from time import time
from typing import Any
from weakref import finalize

from tinygrad_edu.compiler.c_writer import HEADER, KERNELS
from tinygrad_edu.engine.errors import MissingExtraError

# None of these changes a number: C's errno and the processor's flags are not read. A product may be
# added to a sum unrounded (-ffp-contract=fast), as BLAS does.
EXACT = ("-march=native", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast")
# Clang would unroll loops of many lengths, which takes up to 10 times as long to compile
FAST = ("-O2", "-ftree-vectorize", "-fno-unroll-loops")
QUICK = ("-O1",)  # for long texts, which optimizing takes minutes
LONG = 300_000  # characters
APART = '-DFUNCTION=__attribute__((visibility("hidden")))'  # kernels, and what calls them
NAMES = ("cc", "gcc", "clang")
KEPT = 500  # libraries in the cache; of more, old ones go

_FUNCTION = ctypes.CFUNCTYPE(ctypes.c_int)


class Library:
    """Machine code that is loaded, until nobody holds it or a function of it any more.

    Unlike a ``CDLL`` it keeps no functions, which would hold it in a circle.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._loaded = ctypes.CDLL(str(path))
        except OSError as error:
            raise MissingExtraError(
                f"the machine code of a program can not be loaded: {error}",
                fix=f"delete the folder {path.parent}, or set XDG_CACHE_HOME to one that programs "
                "may run from.",
            ) from error
        closing = finalize(self, _close, self._loaded._handle)
        closing.atexit = False  # a thread may run until then

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        function: Any = _FUNCTION(ctypes.cast(self._loaded[name], ctypes.c_void_p).value or 0)
        function.library = self
        return function


def library(text: str) -> Library:
    """Compile a text, unless the cache has it already, and load it; it may call the kernels.

    Raises
    ------
    MissingExtraError
        If there is no C compiler, or if it fails.
    """
    flags = [*(QUICK if len(text) > LONG else FAST), "-shared", APART, str(kernels())]
    last = ["-lm"]
    if "Free Software Foundation" in version(compiler()):
        flags += ["--param", "vect-epilogues-nomask=0"]  # 0.6 of the time to compile
        if platform.libc_ver()[0] == "glibc" and platform.machine() == "x86_64":
            flags, last = [*flags, "-DLIBMVEC"], ["-lmvec", "-lm"]
    return Library(made(text, ".so", flags, last))


def kernels() -> Path:
    """Compile what all programs call, once."""
    return made(HEADER + KERNELS, ".o", ("-O3", "-c", APART))


def made(text: str, suffix: str, flags: Sequence[str], last: Sequence[str] = ()) -> Path:
    """Return the file that a text is compiled to, from the cache if it is there.

    It is compiled in a folder of its own, and then renamed: nobody sees half a file.
    """
    command, flags = compiler(), [*EXACT, *flags]
    facts = text, suffix, *command, *flags, *last, version(command), machine()
    path = folder() / (sha256("\0".join(facts).encode()).hexdigest() + suffix)
    if path.exists() and is_ours(path):
        os.utime(path)
        return path
    room = Path(mkdtemp(dir=path.parent))
    try:
        source, result = room / "program.c", room / f"program{suffix}"
        source.write_text(text, encoding="utf-8")
        done = said_by([*command, "-fPIC", "-o", str(result), str(source), *flags, *last])
        if done.returncode:
            lines = done.stderr.splitlines() or [f"it ended with {done.returncode}"]
            error = next((line for line in lines if "error" in line), lines[0])
            raise _failed(command, error.strip())
        result.chmod(stat.S_IRWXU)
        os.replace(result, path)
    finally:
        shutil.rmtree(room, ignore_errors=True)
    tidy(path.parent)
    return path


def said_by(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a compiler, and return what it says, in English."""
    rooms = {"ZIG_GLOBAL_CACHE_DIR": str(folder() / "zig")}  # zig keeps files, too
    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            env={**rooms, **os.environ, "LC_ALL": "C"},
        )
    except OSError as error:
        raise _failed(command, str(error)) from error


def _failed(command: Sequence[str], said: str) -> MissingExtraError:
    name = "ziglang" if "ziglang" in command else command[0]
    return MissingExtraError(
        f"the C compiler {name} failed: {said:.200}",
        fix='choose another target, for example target="numpy".',
    )


def tidy(room: Path) -> None:
    """Delete libraries that nobody has used for an hour, if there are many."""
    libraries = [*room.glob("*.so")]
    for path in libraries if len(libraries) > KEPT else ():
        with suppress(OSError):  # another process may be tidying, too
            if time() - path.stat().st_mtime > 3600:
                path.unlink()


@cache
def compiler() -> tuple[str, ...]:
    """Find the C compiler: on PATH, or the one that the package ziglang brings."""
    for name in NAMES:
        if found := shutil.which(name):
            return (found,)
    if importlib.util.find_spec("ziglang"):
        return (sys.executable, "-m", "ziglang", "cc")
    raise MissingExtraError(
        f"there is no C compiler: none of {', '.join(NAMES)} is on PATH.",
        fix='pip install "tinygrad_edu[c]", which brings one',
    )


@cache
def version(command: tuple[str, ...]) -> str:
    """Return what a compiler says of itself."""
    return said_by([*command, "--version"]).stdout


@cache
def machine() -> str:
    """Say for which processor the code is, since a folder may be shared between machines."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line for line in lines if line.startswith(("flags", "Features")))
    except (OSError, StopIteration):
        return f"{platform.machine()} {platform.processor()}"


def folder() -> Path:
    """Return the folder that libraries are kept in: in the user's cache, or one of this process."""
    try:
        home = Path(os.environ.get("XDG_CACHE_HOME", ""))
        path = (home if home.is_absolute() else Path.home() / ".cache") / "tinygrad_edu" / "c"
        path.mkdir(parents=True, exist_ok=True, mode=stat.S_IRWXU)
        if is_ours(path.parent) and is_ours(path) and os.access(path, os.W_OK | os.X_OK):
            return path
    except (OSError, RuntimeError):  # RuntimeError: there is no home
        pass
    own = own_folder(os.getpid())
    if not (own.is_dir() and is_ours(own)):  # somebody has tidied up
        own_folder.cache_clear()
    return own_folder(os.getpid())


@cache
def own_folder(process: int) -> Path:
    """Make a folder for a process: nobody else can write to it, nor know its name before."""
    path = mkdtemp(prefix="tinygrad_edu-")
    finalize(own_folder, _delete, path, process)
    return Path(path)


def is_ours(path: Path) -> bool:
    """Check that nobody else may have written this: what is loaded runs with our rights."""
    found = path.stat()
    mine = not hasattr(os, "getuid") or found.st_uid == os.getuid()
    return mine and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _close(handle: int) -> None:
    import _ctypes

    if hasattr(_ctypes, "dlclose"):
        _ctypes.dlclose(handle)


def _delete(path: str, process: int) -> None:
    if os.getpid() == process:  # a process that was forked ends earlier
        shutil.rmtree(path, ignore_errors=True)
