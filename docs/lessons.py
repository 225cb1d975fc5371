"""The notebooks as pages of the documentation, with what their cells show when they are run."""

from __future__ import annotations

import os
import re
from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from docs.pages import fence, relinked
from docs.tools import ROOT, SiteError, need, say

NOTEBOOKS = ROOT / "notebooks"
PATIENCE = 600  # seconds for one cell; the notebooks themselves stay below 60 in all
BEYOND = ("numpy", "matplotlib")  # what a browser does not have here
_PROBE = f"import sys; print(*[name for name in {BEYOND} if name in sys.modules])"
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Lesson:
    """A notebook, as read or as run."""

    file: Path
    title: str  # its first heading
    question: str  # the first words set in bold
    minutes: str  # what it says of the time it takes, or ""
    cells: Sequence[Mapping[str, Any]]  # as in the file, with outputs where it was run
    beyond: tuple[str, ...] = ()  # names of BEYOND that were loaded when it ran

    @property
    def page(self) -> str:
        """Return the path of its page among the site's Markdown."""
        return f"lessons/{self.file.stem}.md"


def read_lessons(folder: Path, room: Path, *, run: bool) -> list[Lesson]:
    """Read all notebooks of a folder in order; run each in an empty folder if asked.

    Raise SiteError if a cell of a notebook fails.
    """
    nbformat = need("nbformat", "nbformat")
    lessons = []
    for file in sorted(folder.glob("*.ipynb")):
        notebook = nbformat.read(file, as_version=4)
        beyond = _run(notebook, file, room) if run else ()
        lessons.append(_lesson(file, notebook.cells, beyond))
    return lessons


def _lesson(file: Path, cells: Sequence[Mapping[str, Any]], beyond: tuple[str, ...]) -> Lesson:
    words = "\n".join(cell["source"] for cell in cells if cell["cell_type"] == "markdown")
    title, question = re.search(r"^# (.+)$", words, re.M), re.search(r"\*\*(.+?)\*\*", words)
    minutes = re.search(r"(?:takes|in|needs) about (\d+) minutes", words)
    return Lesson(
        file,
        title.group(1) if title else file.stem,
        question.group(1) if question else "",
        minutes.group(1) if minutes else "",
        cells,
        beyond,
    )


def _run(notebook: Any, file: Path, room: Path) -> tuple[str, ...]:
    """Run a notebook; which packages of BEYOND it has loaded."""
    nbclient = need("nbclient", "nbclient")
    nbformat = need("nbformat", "nbformat")
    need("ipykernel", "ipykernel")
    say(f"running {file.name}")
    work = room / file.stem
    work.mkdir(parents=True)
    notebook.cells.append(nbformat.v4.new_code_cell(_PROBE))
    where = {"metadata": {"path": str(work)}}
    quiet = {"extra_arguments": ["--log-level=ERROR"], "kernel_name": "python3"}
    client = nbclient.NotebookClient(notebook, timeout=PATIENCE, resources=where, **quiet)
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    try:
        client.execute(env=os.environ | {"PYTHONPATH": paths, "PYTHONUNBUFFERED": "1"})
    except nbclient.exceptions.CellExecutionError as error:
        last = _COLOURS.sub("", str(error)).strip().splitlines()[-1]
        raise SiteError(
            f"a cell of {file.name} failed: {last}",
            where=str(file),
            fix="mend the cell, or build without running it: python -m docs --no-run",
        ) from None
    probe = notebook.cells.pop()
    return tuple(probe.outputs[0].text.split()) if probe.outputs else ()


def add_lesson(lesson: Lesson, staging: Path, links: str) -> dict[str, str]:
    """Write the page of a lesson; the HTML of its outputs by their placeholders.

    An output is raw HTML that Markdown would spoil, so it is put in after the page is built.
    ``links`` is HTML to stand below the title.
    """
    outputs: dict[str, str] = {}
    parts: list[str] = []
    source = f"notebooks/{lesson.file.name}"
    for cell in lesson.cells:
        if cell["cell_type"] == "markdown":
            parts.append(relinked(source, cell["source"], staging))
        elif cell["cell_type"] == "code":
            parts.append(fence(cell["source"], "python"))
            shown = "\n".join(filter(None, map(_shown, _joined(cell.get("outputs", ())))))
            if shown:
                key = f"output {lesson.file.stem} {len(outputs)}"
                outputs[key] = f'<div class="output">\n{shown}\n</div>'
                parts.append(f'<div class="placeholder">{key}</div>')
    title, _, rest = parts[0].partition("\n")
    wide = "---\nhide: [toc]\n---"  # there is one heading; long lines of code take its room
    page = "\n\n".join([wide, title, links, rest.strip(), *parts[1:]])
    (staging / lesson.page).write_text(page + "\n", encoding="utf-8")
    return outputs


def with_outputs(page: str, outputs: Mapping[str, str]) -> str:
    """Put what the cells showed in the place of the placeholders of a built page."""
    mark = r'<div class="placeholder">(output [^<]+)</div>'
    return re.sub(mark, lambda match: outputs[match.group(1)], page)


def _joined(outputs: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Join what was printed in several pieces."""
    joined: list[Mapping[str, Any]] = []
    for output in outputs:
        last = joined[-1] if joined else {}
        if output["output_type"] == "stream" and last.get("name") == output["name"]:
            joined[-1] = {**last, "text": last["text"] + output["text"]}
        else:
            joined.append(output)
    return joined


def _shown(output: Mapping[str, Any]) -> str:
    """Write an output of a cell as HTML, in the richest form that a page can show."""
    if output["output_type"] == "stream":
        return _plain(output["text"], output["name"])
    if output["output_type"] == "error":
        return _plain("\n".join(output["traceback"]), "stderr")
    return next(_forms(output.get("data", {})), "")


def _forms(data: Mapping[str, str]) -> Iterator[str]:
    """Return the forms of a result that a page can show, the richest first."""
    if "text/html" in data:
        yield data["text/html"]
    if "image/svg+xml" in data:
        yield data["image/svg+xml"]
    if "image/png" in data:
        picture = data["image/png"].replace("\n", "")
        b64decode(picture, validate=True)
        alt = escape(data.get("text/plain", ""))
        yield f'<img src="data:image/png;base64,{picture}" alt="{alt}">'
    if "text/latex" in data:
        formula = data["text/latex"].strip().strip("$").strip()
        yield f'<div class="arithmatex">\\[{escape(formula)}\\]</div>'
    if "text/plain" in data:
        yield _plain(data["text/plain"], "stdout")


def _plain(text: str, name: str) -> str:
    return f'<pre class="{name}">{escape(_COLOURS.sub("", text).rstrip())}</pre>'
