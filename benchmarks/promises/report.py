"""The table of promises: for a terminal, as JSON, and as docs/promises.md."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.promises.promise import KEPT, MISSED, ROOT, Promise

RESULTS = ROOT / "benchmarks" / "results" / "promises.json"
PAGE = ROOT / "docs" / "promises.md"
HEAD = ("promise", "target", "measured", "")
PEERS = ("micrograd", "microgpt's Value", "PyTorch 0-d", "others")
Rows = Mapping[str, Mapping[str, Any]]

_ABOUT = """# Promises

`python -m benchmarks promises` measures each of these with its stated number of cases, and writes
this page and [benchmarks/results/promises.json](../benchmarks/results/promises.json); `--only NAME`
runs some, `--quick` runs all with fewer cases and writes nothing. The ordinary suite has a smaller
number of cases of each. The figures of peers were measured on the same tests and this kind of
machine.
"""


def as_text(rows: Rows) -> str:
    """The table for a terminal: promise, target, measured, pass."""
    widths = (22, 34, 52)
    lines = [_line(HEAD, widths), "-" * (sum(widths) + 14)]
    for name, row in rows.items():
        cells = (f"{name}: {row['what']}", row["target"], row["measured"])
        wrapped = [textwrap.wrap(c, w) for c, w in zip(cells, widths, strict=True)]
        for k in range(max(map(len, wrapped))):
            part = [column[k] if k < len(column) else "" for column in wrapped]
            lines.append(_line((*part, row["verdict"] if k == 0 else ""), widths))
    return "\n".join(lines)


def faults(rows: Rows) -> str:
    """Each promise that was missed, with what was found."""
    parts = []
    for name, row in rows.items():
        if row["verdict"] == MISSED:
            found = [textwrap.indent(line, "  ") for line in row["faults"][:5]]
            parts.append("\n".join([f"missed: {name}, {row['measured']}", *found]))
    return "\n".join(parts) or "missed: nothing"


def as_markdown(rows: Rows, promises: Iterable[Promise]) -> str:
    """The whole page."""
    head = ["promise", "target", "measured", "", *PEERS]
    lines = [" | ".join(["", *head, ""]).strip(), "|" + "---|" * len(head)]
    for promise in promises:
        if promise.name in rows:
            row = rows[promise.name]
            cells = [promise.what, row["target"], row["measured"], row["verdict"], *promise.peers]
            lines.append(" | ".join(["", *map(_cell, cells), ""]).strip())
    kept = [row for row in rows.values() if row["verdict"] == KEPT]
    dates = sorted({row["date"] for row in rows.values()})
    setting = (
        f"{len(kept)} of {len(rows)} kept, measured {' to '.join(dates[:1] + dates[1:][-1:])}. "
        "Seconds are CPU time, the best of three."
    )
    missed = [f"- {name}: {row['measured']}" for name, row in rows.items()
              if row["verdict"] == MISSED]  # fmt: skip
    end = ["", "## Missed", "", *missed] if missed else []
    return "\n".join([_ABOUT, *lines, "", setting, *end, ""])


def write(rows: Rows, promises: Iterable[Promise]) -> None:
    """Keep the rows with those of earlier runs, and make the page of all of them."""
    order = [promise.name for promise in promises]
    before = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    every = {**before, **rows}
    every = {name: every[name] for name in order if name in every}
    _save(RESULTS, json.dumps(every, indent=2, ensure_ascii=False) + "\n")
    _save(PAGE, as_markdown(every, promises))


def _save(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _line(cells: Iterable[str], widths: tuple[int, ...]) -> str:
    pairs = zip(cells, (*widths, 0), strict=True)
    return "  ".join(f"{cell:<{width}}" for cell, width in pairs).rstrip()


def _cell(text: str) -> str:
    return str(text).replace("|", "\\|").replace("\n", " ")
