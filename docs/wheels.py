"""Python in the browser: Pyodide, the wheels it runs, and the list by which it finds them."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from docs.tools import SiteError, npm_package, pip_wheels

# what Pyodide loads; the rest of its npm package serves other uses
RUNTIME = ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip")
LOCK = "pyodide-lock.json"
KERNEL_NEEDS = ("micropip", "ipython", "jedi")  # of those that Pyodide's list knows
BESIDES = ("comm", "graphviz")  # the kernel's and our own requirement, which it does not know
KERNEL = ("piplite", "pyodide_kernel", "ipykernel")  # wheels that come with the kernel


def python_for_browsers(version: str, kernel: Path, own: Path, out: Path, room: Path) -> list[str]:
    """Fill a folder with Pyodide and all wheels of the course; the names of these packages.

    Pyodide's list is replaced by one of the wheels that are here. The originals of some were
    built elsewhere, with other checksums; and what is not here can't be asked for elsewhere.
    ``version`` is that of the npm package ``pyodide`` for which the kernel was made, ``kernel`` the
    folder of the kernel's own wheels, ``own`` the project's wheel; ``room`` is for downloads.
    """
    package = npm_package("pyodide", version, room / "pyodide")
    out.mkdir(parents=True)
    for name in RUNTIME:
        shutil.copy(_there(package / name, version), out)
    lock = json.loads((package / LOCK).read_text(encoding="utf-8"))
    known = lock["packages"]
    wanted = _with_requirements(known, KERNEL_NEEDS)
    exact = [f"{name}=={known[name]['version']}" for name in wanted]
    python = ".".join(lock["info"]["python"].split(".")[:2])
    wheels = pip_wheels([*exact, *BESIDES], python, room / "wheels")
    wheels += [_one(kernel, name) for name in KERNEL]
    entries = [_entry(shutil.copy(wheel, out), known) for wheel in [*wheels, own]]
    lock["packages"] = dict(sorted(entries))
    (out / LOCK).write_text(json.dumps(lock, indent=1), encoding="utf-8")
    return list(lock["packages"])


def _with_requirements(known: Mapping[str, Any], names: tuple[str, ...]) -> list[str]:
    """Return packages of Pyodide's list, and all that they need."""
    found: dict[str, None] = {}
    waiting = list(names)
    while waiting:
        name = _normal(waiting.pop())
        if name not in found:
            found[name] = None
            waiting += known[name]["depends"]
    return sorted(found)


def _entry(file: str | Path, known: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Describe a wheel as the list does."""
    wheel = Path(file)
    name, version = wheel.name.split("-")[:2]
    with zipfile.ZipFile(wheel) as archive:
        tops = {path.partition("/")[0].removesuffix(".py") for path in archive.namelist()}
    return _normal(name), {
        "name": _normal(name),
        "version": version,
        "file_name": wheel.name,
        "install_dir": "site",
        "sha256": sha256(wheel.read_bytes()).hexdigest(),
        "package_type": "package",
        "imports": sorted(top for top in tops if top.isidentifier()),
        "depends": known.get(_normal(name), {}).get("depends", []),
        "unvendored_tests": False,
    }


def _one(folder: Path, name: str) -> Path:
    """Find the wheel of a package in a folder."""
    wheels = sorted(folder.glob(f"{name}-*.whl"))
    if len(wheels) != 1:
        raise SiteError(
            f"{folder} has {len(wheels)} wheels of {name}.",
            expected="one wheel, which jupyterlite-pyodide-kernel brings",
            fix="pip install --force-reinstall jupyterlite-pyodide-kernel",
        )
    return wheels[0]


def _there(file: Path, version: str) -> Path:
    """Return a file of Pyodide; raise SiteError if this version has none of that name."""
    if not file.is_file():
        raise SiteError(
            f"pyodide {version} has no file {file.name}.",
            expected=", ".join(RUNTIME),
            fix="pip install --upgrade jupyterlite-pyodide-kernel",
        )
    return file


def _normal(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")
