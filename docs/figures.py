"""What the benchmarks measured, from their JSON, as a page of tables."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import report

SETTING = ("benchmark", "date", "python", "machine", "cpus", "versions")
_DIGITS = 4
_UNIT = re.compile(r"(?<=[0-9]) (?=(?:[a-zµ]{1,3}|[KMG]iB|GiB)\b)")


def benchmark_page(results: Iterable[Path]) -> str:
    """Write the page: for each file what was promised, if that is known, then all it holds."""
    parts = [
        "# Benchmarks",
        "Measured by `python -m benchmarks`, which runs all contenders of a table in one "
        "process, in turns. Times are of the CPU. Every number on this page is read from the "
        "files in `benchmarks/results`; a target that was missed says so.",
    ]
    for file in results:
        figures = json.loads(file.read_text(encoding="utf-8"))
        parts += [f"## {file.stem}", _setting(figures), *_promised(file.stem, figures)]
        parts += ["### all figures", '??? note "as they are in the file"']
        rest = {name: value for name, value in figures.items() if name not in SETTING}
        parts += [_indented(block) for block in _blocks(rest)]
    return "\n\n".join(parts) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> str:
    """Write a table in Markdown: the first columns to the left, the numbers to the right."""
    ruler = ["---" if column < left else "---:" for column in range(len(head))]
    lines = [[cell or " " for cell in head], ruler, *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _promised(name: str, figures: Mapping[str, Any]) -> list[str]:
    """Write the tables of targets of the benchmarks that have some."""
    if name == "eager":
        return [report.as_markdown(figures).partition("\n\n")[0]]
    if name not in report.BENCHMARKS:
        return []
    promised = table(("promise", "target", "measured", ""), report.verdicts(figures))
    return [promised, *_contenders(figures.get("workloads", {}))]


def _contenders(workloads: Mapping[str, Any]) -> list[str]:
    """Write for each network the time of a training step of everyone that was run."""
    parts = []
    for name, work in workloads.items():
        rows = [
            [who, row["absent"], ""]
            if "absent" in row
            else [who, f"{row['us']:,.1f} µs", f"{row['ratio']:,.2f}"]
            for who, row in work["contenders"].items()
        ]
        head = (f"{work['nodes']:,} nodes", "a step", "ratio to ours")
        parts += [f"**{name}**", table(head, rows)]
    return parts


def _setting(figures: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{name} {text}" for name, text in figures.get("versions", {}).items())
    words = {"date": "on {}", "python": "Python {}", "machine": "{}", "cpus": "{} CPUs"}
    facts = [word.format(figures[name]) for name, word in words.items() if name in figures]
    return "Measured " + ", ".join(filter(None, [*facts, versions])) + "." if facts else ""


def _blocks(tree: Mapping[str, Any]) -> list[str]:
    """Write a tree of figures as bold headings and tables: what is alike becomes one table."""
    blocks: list[str] = []
    waiting: list[tuple[str, Any]] = [("", tree)]
    while waiting:
        name, node = waiting.pop()
        rows = _rows(node)
        if name:
            blocks.append(f"**{name}**")
        if rows is not None:
            blocks.append(_alike(rows))
            continue
        node = _members(node)
        plain = {key: value for key, value in node.items() if _is_plain(value)}
        if plain:
            blocks.append(table(("", "figure"), [[key, _text(v)] for key, v in plain.items()]))
        deeper = [(f"{name}: {k}" if name else k, v) for k, v in node.items() if k not in plain]
        waiting += reversed(deeper)
    return blocks


def _rows(node: Any) -> dict[str, dict[str, Any]] | None:
    """Return the rows of a table if all members of a node are alike, else None."""
    members = _members(node)
    flat = {key: value for key, value in members.items() if isinstance(value, dict)}
    alike = len(flat) == len(members) and all(
        _is_plain(value) for row in flat.values() for value in row.values()
    )
    return flat if alike else None


def _members(node: Any) -> Mapping[str, Any]:
    """Return what is in a node by name, or by number."""
    return {str(i): x for i, x in enumerate(node)} if isinstance(node, list) else node


def _alike(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Write one table of rows, with all columns that any of them has."""
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    body = [
        [name, *(_text(row[column]) if column in row else "" for column in columns)]
        for name, row in rows.items()
    ]
    return table(("", *columns), body)


def _is_plain(value: Any) -> bool:
    """Return whether a value fits a cell: a number, a word, or a list of them."""
    if isinstance(value, list):
        return not any(isinstance(entry, dict | list) for entry in value)
    return not isinstance(value, dict)


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.{_DIGITS}g}"


def _cell(text: str) -> str:
    """Write the text of a cell, in which a number stays with its unit."""
    return _UNIT.sub("\u00a0", text.replace("|", "\\|").replace("\n", " "))


def _indented(block: str) -> str:
    return "\n".join(f"    {line}" for line in block.splitlines())
