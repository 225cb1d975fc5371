"""The API reference: a page for each room with public names, from their docstrings."""

from __future__ import annotations

import re
from importlib import import_module
from importlib.util import find_spec
from inspect import getdoc, isclass, isroutine, signature
from pathlib import Path
from types import ModuleType
from typing import Any

from docs.figures import table
from docs.pages import fence
from tinygrad_edu.engine import functions, ops

ROOMS = (
    "nn",
    "train",
    "diagnose",
    "viz",
    "explain",
    "compiler",
    "gradcheck",
    "experiments",
    "course",
)
PACKAGE = "tinygrad_edu"
_ROLE = re.compile(r":(?:class|func|meth|mod):(?:`~?([^`]*)`|<code>~?)")
_TYPE = re.compile(
    r"\(<code>((?:(?!</code>).)*)</code>(?:,\s*default:\s*(<code>[^<]*</code>)\s*)?\)"
    r'(\s*–)\s*<div class="doc-md-description">\s*(<p>)?(.?)'
)
_TAG, _QUOTED = re.compile("<[^>]*>"), re.compile("``([^`]*)``")
_RETURN = re.compile(r'<code>([^<]*)</code>\s*–(\s*<div class="doc-md-description">\s*</div>)')


def add_reference(staging: Path) -> list[dict[str, str]]:
    """Write the pages into ``reference/``; their titles and paths, in order."""
    (staging / "reference").mkdir()
    entries = []
    for name in (PACKAGE, *(f"{PACKAGE}.{room}" for room in ROOMS)):
        path = f"reference/{name.rpartition('.')[2]}.md"
        (staging / path).write_text(room_page(import_module(name)), encoding="utf-8")
        entries.append({name: path})
    return entries


def room_page(module: ModuleType) -> str:
    """Write the page of a module: what it is for, and each of its public names.

    The package's own page leads on to a room's where that room explains the name.
    """
    names: list[str] = list(module.__all__)
    things = {name: getattr(module, name) for name in names}
    elsewhere = {n: room for n, thing in things.items() if (room := _room(thing, module))}
    here = {name: thing for name, thing in things.items() if name not in elsewhere}
    rows = [n for n, f in here.items() if _home(f) == functions.__name__ and n in ops.TABLE]
    parts = [f"# {module.__name__}", getdoc(module) or "", _import_line(module, names)]
    rest = sorted(here, key=lambda name: not _is_defined(here[name]))  # constants last
    parts += [_entry(name, here[name], module) for name in rest if name not in rows]
    if rows:
        parts.append(_functions(rows))
    if elsewhere:
        links = [f"[`{n}`]({room}.md#{_anchor(things[n])})" for n, room in elsewhere.items()]
        parts += ["## In the rooms", "Explained where they live: " + ", ".join(links) + "."]
    return "\n\n".join(parts) + "\n"


def tidied(html: str) -> str:
    """Rewrite a built page: types that are phrases read as such, and the roles of Sphinx go."""

    def without_role(match: re.Match[str]) -> str:
        return "<code>" if match.group(1) is None else match.group(1)

    def phrase(match: re.Match[str]) -> str:
        words, default, dash, paragraph, first = match.groups(default="")
        words = _QUOTED.sub(r"<code>\1</code>", _TAG.sub("", words))
        words = words[1:-1] if words[:1] + words[-1:] == "()" else words
        default = f" (default: {default})" if default else ""
        # a lower-case word goes on with the phrase, and "<" says that there is none
        dash = "" if first == "<" or first.islower() else dash
        start = f'<div class="doc-md-description">{paragraph}{first}'
        return f'<span class="doc-type">{words}</span>{default}{dash} {start}'

    html = _RETURN.sub(r'<span class="doc-type">\1</span>\2', _ROLE.sub(without_role, html))
    return _TYPE.sub(phrase, html)


def _entry(name: str, thing: Any, module: ModuleType) -> str:
    """Write about a class or function by its docstring, wherever it is defined; or a constant."""
    if _hides_a_module(thing):
        call = fence(f"{name}{signature(thing)}", "python")
        title = f'## <code class="doc-symbol doc-symbol-function"></code> {name}'
        return f"{title} {{ #{_anchor(thing)} }}\n\n{call}\n\n{getdoc(thing) or ''}"
    if _is_defined(thing):
        return f"::: {_anchor(thing)}"
    kind = type(thing)
    if isinstance(thing, dict) and all(isinstance(value, str) for value in thing.values()):
        body = table(("", "meaning"), [(f"`{key}`", value) for key, value in thing.items()], 2)
    elif isinstance(thing, dict):
        body = f"A dict of {len(thing)}: " + ", ".join(f"`{key}`" for key in thing) + "."
    elif isinstance(thing, list | tuple | set | frozenset):
        body = f"{kind.__name__}: " + ", ".join(f"`{entry}`" for entry in thing) + "."
    else:
        body = f"An instance of `{kind.__name__}`. " + (getdoc(kind) or "")
    return f"## `{name}` {{ #{module.__name__}.{name} }}\n\n{body}"


def _functions(names: list[str]) -> str:
    """Write a table of the primitives as functions, with the formulas of their rows."""
    rows = []
    for name in names:
        row = ops.TABLE[name]
        arguments = "x" if len(row.domain) == 1 else "x, y"
        formula = row.formula.replace("|x|", r"\lvert x \rvert")
        rows.append((f"`{name}({arguments})`", f"${formula}$"))
    intro = "Of numbers a number, of at least one Value a Value. Their slopes are in the table of "
    return f"## Functions\n\n{intro}`ops.py`.\n\n" + table(("function", "value"), rows, left=2)


def _import_line(module: ModuleType, names: list[str]) -> str:
    if module.__name__ == PACKAGE:
        return f"```python\nfrom {PACKAGE} import {names[1]}\n```"
    room = module.__name__.rpartition(".")[2]
    return f"```python\nfrom {PACKAGE} import {room}   # then {room}.{names[-1]}, ...\n```"


def _room(thing: Any, module: ModuleType) -> str:
    """Return the room that explains a name of the package's own page; "" if this page does."""
    parts = _home(thing).split(".")
    inside = module.__name__ == PACKAGE and len(parts) > 1 and parts[1] in ROOMS
    return parts[1] if inside else ""


def _anchor(thing: Any) -> str:
    return f"{_home(thing)}.{thing.__qualname__}"


def _home(thing: Any) -> str:
    return str(getattr(thing, "__module__", ""))


def _is_defined(thing: Any) -> bool:
    """Return whether a thing is a class or a function, which has a docstring of its own."""
    return isclass(thing) or isroutine(thing)


def _hides_a_module(thing: Any) -> bool:
    """Return whether a module beside a function has its name: mkdocstrings would show that."""
    package = isroutine(thing) and hasattr(import_module(_home(thing)), "__path__")
    return package and find_spec(_anchor(thing)) is not None
