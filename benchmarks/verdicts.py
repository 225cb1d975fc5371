"""The figures of ``python -m benchmarks compiled`` as tables, and what was promised of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

OURS, STRAIGHT, HAND, SLOWEST = "ours, numpy", "ours, python", "NumPy by hand", "micrograd"
NOT_MEASURED, REACHED, MISSED = "not measured", "reached", "missed"


class Verdict(NamedTuple):
    """A promise, what was measured of it, and whether it was kept."""

    what: str
    target: str
    measured: str
    verdict: str


def verdicts(figures: Mapping[str, Any]) -> list[Verdict]:
    """All promises, in the order of the tables."""
    moons, digits, mnist = figures["workloads"].items()
    return [
        _hand(moons, most=1.0),
        _least(f"{_short(moons[0])}: micrograd's time", 8000, _ratio(moons[1], SLOWEST)),
        _least(
            f"{_short(moons[0])}: micrograd's time in straight-line Python's",
            200,
            moons[1]["contenders"][STRAIGHT].get("micrograd_ratio"),
        ),
        _hand(digits, most=1.1),
        _hand(mnist, most=1.2),
        _most(f"{_short(mnist[0])}: graph and program made", 3.0, mnist[1]["compile_seconds"]),
        *map(_million, figures["million"]),
    ]


def missed(figures: Mapping[str, Any]) -> list[str]:
    """What was promised and not reached."""
    return [line.what for line in verdicts(figures) if line.verdict == MISSED]


def as_text(figures: Mapping[str, Any]) -> str:
    """What was measured, for a terminal."""
    parts: list[str] = []
    for name, work in figures["workloads"].items():
        made = f"{work['compile_seconds']:.2f} s and {work['compile_mib']:.0f} MiB"
        parts += [f"{name}: {work['nodes']:,} nodes, graph and program made in {made}"]
        parts += [*_aligned(_contenders(work["contenders"])), ""]
    parts += ["A million nodes", *_aligned(_cases(figures["million"])), ""]
    return "\n".join([*parts, _setting(figures)])


def promised(figures: Mapping[str, Any]) -> str:
    """What was promised and whether it was kept, for a terminal; of a full run only."""
    head = Verdict("", "target", "measured", "")
    failed = "; ".join(missed(figures)) or "nothing"
    return "\n".join(["Promised", *_aligned([head, *verdicts(figures)]), "", f"missed: {failed}"])


def _contenders(rows: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, ...]]:
    yield "", "a step", "ratio to ours", "steps", "threads", "losses apart", "descents"
    for name, row in rows.items():
        if "absent" in row:
            yield name, row["absent"], "", "", "", "", ""
            continue
        threads = f"{row['threads']:.2f}" if "threads" in row else ""
        apart, descents = f"{row['losses_apart']:.0e}", str(row["descents"])
        ratio = f"{row['ratio']:,.2f}" if row["ratio"] < 100 else f"{row['ratio']:,.0f}"
        yield name, f"{row['us']:,.1f} µs", ratio, str(row["steps"]), threads, apart, descents


def _cases(rows: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, ...]]:
    yield "", "nodes", "build", "compile", "memory at most", "a step", ""
    for row in rows:
        stages = [
            f"{row[key]:.2f} s" if key in row else ""
            for key in ("build_seconds", "compile_seconds", "run_seconds")
        ]
        memory = f"{row['peak_mib']:,.0f} MiB" if "peak_mib" in row else ""
        stopped = f"stopped at {row['stopped']}" if "stopped" in row else ""
        nodes = f"{row.get('nodes', row['asked']):,}"
        yield _case(row), nodes, *stages[:2], memory, stages[2], stopped


def _million(row: Mapping[str, Any]) -> Verdict:
    """Compiled within both limits; and if it then ran, to the graph's own result."""
    measured = row.get("stopped") or (
        f"{row['compile_seconds']:.1f} s, {row['peak_mib'] / 1024:.2f} GiB"
    )
    within = "stopped" not in row and row["compile_seconds"] <= 60.0 and row["peak_mib"] <= 4096.0
    target = "at most 60 s, 4 GiB"
    return Verdict(_case(row), target, measured, REACHED if within else MISSED)


def _case(row: Mapping[str, Any]) -> str:
    return f"{row['graph']} of {row['asked']:,}, target {row['target']}"


def _hand(named: tuple[str, Mapping[str, Any]], most: float) -> Verdict:
    name, work = named
    ratio = 1.0 / work["contenders"][HAND]["ratio"]
    what = f"{_short(name)}: in times of NumPy by hand"
    return Verdict(what, f"at most {most:g} x", f"{ratio:.2f} x", _kept(ratio <= most))


def _least(what: str, least: float, measured: float | None) -> Verdict:
    target = f"at least {least:,} x"
    if measured is None:
        return Verdict(what, target, "", NOT_MEASURED)
    return Verdict(what, target, f"{measured:,.0f} x", _kept(measured >= least))


def _most(what: str, most: float, seconds: float) -> Verdict:
    return Verdict(what, f"at most {most:g} s", f"{seconds:.2f} s", _kept(seconds <= most))


def _kept(kept: bool) -> str:
    return REACHED if kept else MISSED


def _ratio(work: Mapping[str, Any], name: str) -> float | None:
    ratio: float | None = work["contenders"][name].get("ratio")
    return ratio


def _short(name: str) -> str:
    return name.partition(",")[0]


def _aligned(rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Columns to the right, the first and the words to the left; long words widen no column."""
    table = list(rows)
    widths = [max(len(row[i]) for row in table if row[2]) for i in range(len(table[0]))]
    widths[0] = max(len(row[0]) for row in table)
    lines = []
    for first, *cells in table:
        pairs = zip(cells, widths[1:], strict=True)
        lines.append("  ".join([f"  {first:<{widths[0]}}", *(f"{c:>{w}}" for c, w in pairs)]))
    return [line.rstrip() for line in lines]


def _setting(figures: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in figures["versions"].items())
    return (
        f"Medians of CPU time in one process on {figures['date']}: Python {figures['python']}, "
        f"{figures['machine']}, {figures['cpus']} CPUs; {versions}. float64, one thread each."
    )
