"""The course in the browser: JupyterLite, with Pyodide and all wheels beside it."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from docs.tools import SiteError, need, own_wheel, run, say
from docs.wheels import python_for_browsers

TITLE = "tinygrad_edu: the course"
APPS = ("lab", "notebooks", "tree")
EXTENSION = "@jupyterlite/pyodide-kernel-extension"
PLUGIN = f"{EXTENSION}:kernel"
# cells off the screen are drawn when there is time, so that a search finds what is in them
SETTINGS = {"@jupyterlab/notebook-extension:tracker": {"windowingMode": "defer"}}


def build_browser(notebooks: Iterable[Path], out: Path, room: Path) -> None:
    """Build the course with these notebooks into a folder to be made; ``room`` is to work in."""
    for package in ("jupyterlite-core", "jupyter-server"):  # the second lists the notebooks
        need(package.replace("-", "_"), package)
    kernel = need("jupyterlite_pyodide_kernel.constants", "jupyterlite-pyodide-kernel")
    lite, contents = room / "lite", room / "contents"
    contents.mkdir(parents=True)
    for notebook in notebooks:
        shutil.copy(notebook, contents)
    say("the project's own wheel")
    own = own_wheel(room)
    say(f"pyodide {kernel.PYODIDE_VERSION} by npm, the wheels of its kernel by pip")
    extension = labextension(EXTENSION)
    names = python_for_browsers(
        kernel.PYODIDE_VERSION,
        kernel=extension / "static" / "pypi",
        own=own,
        out=lite / "static" / "pyodide",
        room=room,
    )
    files = {
        "jupyter-lite.json": _settings(names),
        "overrides.json": SETTINGS,
        "jupyter_lite_config.json": _config(contents, out, extension),
    }
    for name, content in files.items():
        (lite / name).write_text(json.dumps(content, indent=2), encoding="utf-8")
    say("JupyterLite")
    run([sys.executable, "-m", "jupyterlite_core.app", "build"], lite, "jupyter lite build")


def labextension(name: str) -> Path:
    """Find the folder of an installed extension of JupyterLab."""
    paths = need("jupyter_core.paths", "jupyter-core")
    folders = [Path(folder, name) for folder in paths.jupyter_path("labextensions")]
    found = next((folder for folder in folders if folder.is_dir()), None)
    if found is None:
        raise SiteError(
            f"the extension {name} of JupyterLab is not installed.",
            where=", ".join(map(str, folders)),
            fix='pip install -e ".[site]"',
        )
    return found


def _settings(packages: list[str]) -> dict[str, Any]:
    """Return the settings of the page: Pyodide from here, all packages at once, none from PyPI."""
    kernel = {"disablePyPIFallback": True, "loadPyodideOptions": {"packages": packages}}
    return {
        "jupyter-lite-schema-version": 0,
        "jupyter-config-data": {
            "appName": TITLE,
            "appUrl": "./tree",
            "litePluginSettings": {PLUGIN: kernel},
        },
    }


def _config(contents: Path, out: Path, extension: Path) -> dict[str, Any]:
    """Return the settings of the build: this extension alone, whatever else is installed."""
    return {
        "LiteBuildConfig": {
            "contents": [str(contents)],
            "output_dir": str(out.absolute()),
            "apps": list(APPS),
            "no_sourcemaps": True,
            "ignore_sys_prefix": ["federated_extensions"],
            "federated_extensions": [str(extension)],
        }
    }
