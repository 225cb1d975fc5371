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
FAST = ("-O2", "-ftree-vectorize")
QUICK = ("-O1",)  # for long texts, which optimizing takes minutes
LONG = 300_000  # characters
NAMES = ("cc", "gcc", "clang")
KEPT = 500  # libraries in the cache; of more, old ones go


def library(text: str) -> Any:
    """Compile a program, unless the cache has it already, and load it.

    Raises
    ------
    MissingExtraError
        If there is no C compiler, or if it fails.
    """
    flags = [*(QUICK if len(text) > LONG else FAST)]
    if "Free Software Foundation" in version(compiler()):  # 0.6 of the time to compile
        flags += ["--param", "vect-epilogues-nomask=0"]
    path = made(text, ".so", (*flags, "-shared", str(kernels())), libraries())
    loaded = ctypes.CDLL(str(path))
    finalize(loaded, _close, loaded._handle)
    return loaded


@cache
def kernels() -> Path:
    """Compile what all programs call, once."""
    hidden = '-DFUNCTION=__attribute__((visibility("hidden")))'
    return made(HEADER + KERNELS, ".o", ("-O3", "-c", hidden))


def made(text: str, suffix: str, flags: Sequence[str], last: Sequence[str] = ()) -> Path:
    """Return the file that a text is compiled to, from the cache if it is there.

    It is compiled in a folder of its own, and then renamed: nobody sees half a file.
    """
    command = [*compiler()]
    flags = [*EXACT, *flags]
    facts = text, suffix, *command, *flags, version(compiler()), machine()
    path = folder() / (sha256("\0".join(facts).encode()).hexdigest() + suffix)
    if path.exists() and is_ours(path):
        os.utime(path)
        return path
    room = Path(mkdtemp(dir=path.parent))
    try:
        source, result = room / "program.c", room / f"program{suffix}"
        source.write_text(text, encoding="utf-8")
        done = subprocess.run(
            [*command, "-fPIC", "-o", str(result), str(source), *flags, *last],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            said = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr)
            raise MissingExtraError(
                f"the C compiler {command[0]} failed: {said.strip():.200}",
                fix='choose another target, for example target="numpy".',
            )
        result.chmod(stat.S_IRWXU)
        os.replace(result, path)
    finally:
        shutil.rmtree(room, ignore_errors=True)
    tidy(path.parent)
    return path


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
    said = subprocess.run(
        [*command, "--version"], stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    return said.stdout


@cache
def machine() -> str:
    """Say for which processor the code is, since a folder may be shared between machines."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line for line in lines if line.startswith(("flags", "Features")))
    except (OSError, StopIteration):
        return f"{platform.machine()} {platform.processor()}"


@cache
def libraries() -> tuple[str, ...]:
    """Name the libraries of mathematics: glibc has one of vectors."""
    glibc = platform.libc_ver()[0] == "glibc" and platform.machine() == "x86_64"
    return ("-lmvec", "-lm") if glibc else ("-lm",)


@cache
def folder() -> Path:
    """Return the folder that libraries are kept in: in the user's cache, or one of this process."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    path = Path(home) / "tinygrad_edu" / "c"
    try:
        path.mkdir(parents=True, exist_ok=True, mode=stat.S_IRWXU)
        if is_ours(path) and os.access(path, os.W_OK | os.X_OK):
            return path
    except OSError:
        pass
    mine = mkdtemp(prefix="tinygrad_edu-")  # nobody else can write to it, nor know its name
    finalize(compiler, shutil.rmtree, mine, ignore_errors=True)
    return Path(mine)


def is_ours(path: Path) -> bool:
    """Check that nobody else may have written this: what is loaded runs with our rights."""
    found = path.stat()
    mine = not hasattr(os, "getuid") or found.st_uid == os.getuid()
    return mine and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _close(handle: int) -> None:
    import _ctypes

    if hasattr(_ctypes, "dlclose"):
        _ctypes.dlclose(handle)
