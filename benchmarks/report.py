"""What was measured against what was promised: one table, as text and as README's Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

RESULTS = Path(__file__).parent / "results" / "eager.json"
README = Path(__file__).parents[1] / "README.md"
START, END = "<!-- figures: python -m benchmarks readme -->", "<!-- end of figures -->"
OURS, PEER = "tinygrad_edu", "micrograd"


class Line(NamedTuple):
    """One line of the table; ``target`` and ``verdict`` are "" where nothing was promised."""

    what: str
    ours: str
    peer: str
    ratio: str
    target: str = ""
    verdict: str = ""


HEAD = Line("", OURS, PEER, "ratio", "target", "")


def lines(figures: Mapping[str, Any]) -> list[Line]:
    """The table of one run of ``python -m benchmarks eager``."""
    moons, graph, chain = figures["moons"], figures["graph"], figures["chain"]
    nodes = f"{graph['nodes'][OURS]:,}"
    on, off = "collector on", "collector off"
    return [
        _versus(f"moons training step, {on}", moons[on], least=8.0),
        _versus(f"moons training step, {off}", moons[off], least=2.0),
        _versus(f"random graph of {nodes} nodes, {on}", graph[on], least=4.0),
        _versus(f"random graph of {nodes} nodes, {off}", graph[off]),
        _per_node("time per node, moons, " + off, moons[off]["ns_per_node"], "ns"),
        _per_node("memory per node", graph["bytes_per_node"], "bytes", most=160.0),
        _chain("build", chain),
        _chain("backward", chain, most=2.0),
        _chain("delete", chain, most=0.2),
    ]


def as_text(figures: Mapping[str, Any]) -> str:
    """The table for a terminal."""
    table = [HEAD, *lines(figures)]
    widths = [max(len(line[column]) for line in table) for column in range(len(HEAD))]
    rows = [_join(line, widths) for line in table]
    return "\n".join([rows[0], "-" * len(rows[0]), *rows[1:], "", _setting(figures)])


def as_markdown(figures: Mapping[str, Any]) -> str:
    """Write what was promised of that table for README.md."""
    head = Line(*(cell or " " for cell in HEAD))
    ruler = Line("---", "---:", "---:", "---:", "---", "---")
    promised = [line for line in lines(figures) if line.target]
    rows = ["| " + " | ".join(line) + " |" for line in [head, ruler, *promised]]
    return "\n".join([*rows, "", _setting(figures)])


def with_figures(readme: str, figures: Mapping[str, Any]) -> str:
    """The text of a README with the block of these figures made anew."""
    return with_block(readme, START, END, as_markdown(figures))


def with_block(readme: str, start: str, end: str, block: str) -> str:
    """The text with what stands between two markers replaced."""
    before, found, rest = readme.partition(start)
    _, ended, after = rest.partition(end)
    if not found or not ended:
        raise ValueError(f"no block between {start!r} and {end!r} in the README: add both lines.")
    return f"{before}{start}\n{block}\n{end}{after}"


def missed(figures: Mapping[str, Any]) -> list[str]:
    """What was promised and not reached."""
    return [line.what for line in lines(figures) if line.verdict == "missed"]


def load(path: Path = RESULTS) -> dict[str, Any]:
    """The figures of a finished run."""
    figures: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return figures


def _versus(what: str, figures: Mapping[str, Any], least: float | None = None) -> Line:
    ours, peer = (f"{1e3 * figures['seconds'][name]:.1f} ms" for name in (OURS, PEER))
    ratio = figures["ratio"]
    target = f"at least {least:g} x" if least else ""
    return Line(what, ours, peer, f"{ratio:.2f} x", target, _verdict(least, ratio, least))


def _per_node(
    what: str, figures: Mapping[str, float], unit: str, most: float | None = None
) -> Line:
    ours, peer = (f"{figures[name]:,.0f} {unit}" for name in (OURS, PEER))
    ratio = f"{figures[PEER] / figures[OURS]:.2f} x"
    target = f"at most {most:g} {unit}" if most else ""
    return Line(what, ours, peer, ratio, target, _verdict(most, most, figures[OURS]))


def _chain(what: str, figures: Mapping[str, Any], most: float | None = None) -> Line:
    """One line of the chain, in the slower of the two collector modes."""
    seconds = max(figures[mode][what] for mode in ("collector on", "collector off"))
    peer = f"RecursionError beyond {figures['deepest'][PEER]:,}" if what == "backward" else ""
    target = f"at most {most:g} s" if most else ""
    name = f"chain of {figures['nodes']:,} nodes: {what}"
    return Line(name, f"{seconds:.2f} s", peer, "", target, _verdict(most, most, seconds))


def _verdict(promised: float | None, larger: float | None, smaller: float | None) -> str:
    """Whether ``larger`` is at least ``smaller``, one of which was promised."""
    if promised is None or larger is None or smaller is None:
        return ""
    return "reached" if larger >= smaller else "missed"


def _setting(figures: Mapping[str, Any]) -> str:
    return (
        f"Medians of CPU time in one process on {figures['date']}: Python {figures['python']}, "
        f"{figures['machine']}, {figures['cpus']} CPUs, "
        f"micrograd {figures['versions'][PEER]}; memory as `tracemalloc` counts it, "
        "after a backward pass."
    )


def _join(cells: Iterable[str], widths: Iterable[int]) -> str:
    """A line of the terminal's table: the first column to the left, the others to the right."""
    first, *others = zip(cells, widths, strict=True)
    return f"{first[0]:<{first[1]}}  " + "  ".join(f"{cell:>{width}}" for cell, width in others)
