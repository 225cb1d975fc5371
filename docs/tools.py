"""What building needs from outside: npm, pip, and words on the way."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tinygrad_edu.engine.errors import TinygradEduError
from tinygrad_edu.shared.arguments import extra

ROOT = Path(__file__).parents[1]
SHIPPED = ("setup.cfg", "pyproject.toml", "README.md", "LICENSE")


class SiteError(TinygradEduError, RuntimeError):
    """The site can't be built: says what is missing or went wrong."""


def need(module: str, package: str) -> Any:
    """Import a module of the extra ``site``; raise MissingExtraError, with the pip command."""
    return extra(module, package, "the site", "site")


def say(text: str) -> None:
    """Print what is being done now."""
    print(f"  {text} ...", flush=True)


def run(command: Sequence[str | Path], where: Path, what: str) -> str:
    """Run a program and return its output; raise SiteError, with the end of it, if it fails."""
    words = [str(word) for word in command]
    result = subprocess.run(
        words, cwd=where, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if result.returncode:
        said = "\n".join((result.stdout + result.stderr).strip().splitlines()[-15:])
        raise SiteError(
            f"{what} failed: {Path(words[0]).name} ended with {result.returncode}.\n{said}",
            fix=f"run it by hand to see all that it says: {shlex.join(words)}",
        )
    return result.stdout


def npm_package(name: str, version: str, into: Path) -> Path:
    """Download an npm package and return its folder, unpacked; raise SiteError without npm."""
    npm = shutil.which("npm")
    if npm is None:
        raise SiteError(
            f"npm is not on PATH, and {name} comes from there.",
            expected="npm 7 or newer",
            fix="install npm (Debian: apt install npm), then run the command again.",
        )
    into.mkdir(parents=True, exist_ok=True)
    pack = [npm, "pack", f"{name}@{version}", "--silent", "--pack-destination", into]
    run(pack, into, f"npm pack {name}")
    (archive,) = into.glob("*.tgz")
    with tarfile.open(archive) as packed:
        members = [m for m in packed.getmembers() if m.name.startswith("package/") and m.isreg()]
        members = [m for m in members if ".." not in Path(m.name).parts]
        # Python 3.10.12 and 3.11.4 were the first to know filters
        safely: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        packed.extractall(into, members, **safely)
    archive.unlink()
    return into / "package"


def pip_wheels(requirements: Iterable[str], python: str, into: Path) -> list[Path]:
    """Download pure wheels for a version of Python, without what they require."""
    anywhere = (f"--python-version={python}", "--platform=any", "--implementation=py", "--abi=none")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += [*anywhere, "--only-binary=:all:", "--dest", str(into), *requirements]
    run(command, ROOT, "pip download")
    return sorted(into.glob("*.whl"))


def own_wheel(room: Path) -> Path:
    """Build the project's wheel from a copy, since building leaves files behind."""
    copy, out = room / "source", room / "wheel"
    clean = shutil.ignore_patterns("__pycache__")
    for folder in ("tinygrad_edu", "notebooks"):  # the wheel brings the notebooks, too
        shutil.copytree(ROOT / folder, copy / folder, ignore=clean)
    for name in SHIPPED:
        shutil.copy(ROOT / name, copy)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    run([*pip, "--wheel-dir", out, copy], room, "pip wheel .")
    (wheel,) = out.glob("*.whl")
    return wheel
