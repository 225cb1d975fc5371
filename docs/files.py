"""The list of files: one line per module, the first sentence of its docstring."""

from __future__ import annotations

import ast
from pathlib import Path

from docs.tools import ROOT

PAGE = ROOT / "docs" / "files.md"
PACKAGE = ROOT / "tinygrad_edu"
INTRO = """# Files

Every module of the package, room by room, with the first sentence of its docstring.
`python -m docs files` writes this page. The tests stand in the same tree: those of
`tinygrad_edu/nn/layers.py` are in `tests/nn/test_layers.py`.
"""


def files_page() -> str:
    """Write the list of all modules, with a heading for each room."""
    rooms = sorted(init.parent for init in PACKAGE.rglob("__init__.py"))
    return INTRO + "".join(map(_room, rooms))


def _room(room: Path) -> str:
    """Write the heading of a room, what it is for, and its modules."""
    name = room.relative_to(ROOT).as_posix()
    modules = sorted(file for file in room.glob("*.py") if file.stem != "__init__")
    lines = [f"- [`{file.name}`](../{name}/{file.name}): {summary(file)}" for file in modules]
    return "\n".join(["", f"## {name}/", "", summary(room / "__init__.py"), "", *lines, ""])


def summary(file: Path) -> str:
    """Return the first sentence of a module's docstring."""
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    paragraph = " ".join(text.partition("\n\n")[0].split()).replace("``", "`")
    sentence, found, _ = paragraph.partition(". ")
    return sentence + "." if found else paragraph
