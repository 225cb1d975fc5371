"""The figures of the benchmarks as tables, and what was promised of them."""

from __future__ import annotations

import json
import operator
import os
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

RESULTS = Path(__file__).parent / "results"
README = Path(__file__).parents[1] / "README.md"
START, END = "<!-- figures: python -m benchmarks readme -->", "<!-- end of figures -->"
NOT_MEASURED, REACHED, MISSED = "not measured", "reached", "missed"
BOUNDS = {"at least": operator.ge, "at most": operator.le, "above": operator.gt}
ENGINES = OURS, PEER = "tinygrad_edu", "micrograd"
Figures = Mapping[str, Any]
Row = tuple[str, ...]


class Verdict(NamedTuple):
    """A promise, what was measured of it, and whether it was kept."""

    what: str
    target: str
    measured: str
    verdict: str


def judged(
    what: str, bound: str, target: float, measured: float | None, unit: str, digits: int = 2
) -> Verdict:
    """Compare a figure with its target, which is a bound of BOUNDS and a number."""
    words = f"{bound} {target:,g} {unit}"
    if measured is None:
        return Verdict(what, words, "", NOT_MEASURED)
    kept = BOUNDS[bound](measured, target)
    return Verdict(what, words, f"{measured:,.{digits}f} {unit}", REACHED if kept else MISSED)


def load(name: str = "eager") -> dict[str, Any]:
    """Read the figures of a finished run."""
    text = (RESULTS / f"{name}.json").read_text(encoding="utf-8")
    figures: dict[str, Any] = json.loads(text)
    return figures


def setting_of(benchmark: str, *packages: str) -> dict[str, Any]:
    """Return what a run's figures begin with: its name, the day, the machine and the versions."""
    return {
        "benchmark": benchmark,
        "date": date.today().isoformat(),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "versions": {name: _version(name) for name in (OURS, *packages)},
    }


def as_text(figures: Figures) -> str:
    """Show what was measured, for a terminal."""
    tables, _, note = BENCHMARKS[figures["benchmark"]]
    parts = [line for title, rows in tables(figures) for line in (title, *aligned(rows), "")]
    return "\n".join([*parts, f"{_setting(figures)} {note}"])


def verdicts(figures: Figures) -> list[Verdict]:
    """Judge all that was promised of a benchmark."""
    return list(BENCHMARKS[figures["benchmark"]][1](figures))


def promised(figures: Figures) -> str:
    """Show what was promised and whether it was kept, for a terminal; of a full run only."""
    lines = verdicts(figures)
    missed = "; ".join(line.what for line in lines if line.verdict == MISSED) or "nothing"
    head = Verdict("", "target", "measured", "")
    return "\n".join(["Promised", *aligned([head, *lines]), "", f"missed: {missed}"])


def as_markdown(figures: Figures) -> str:
    """Write what was promised of the eager engine, for README.md."""
    rows = {row[0]: row for row in _eager_rows(figures)}
    lines = [(*rows[line.what], line.target, line.verdict) for line in verdicts(figures)]
    head = (" ", *ENGINES, "ratio", "target", " ")
    ruler = ("---", "---:", "---:", "---:", "---", "---")
    table = ["| " + " | ".join(line) + " |" for line in (head, ruler, *lines)]
    return "\n".join([*table, "", f"{_setting(figures)} {BENCHMARKS['eager'][2]}"])


def with_figures(readme: str, figures: Figures) -> str:
    """Return the text of a README with the block of these figures made anew."""
    before, found, rest = readme.partition(START)
    _, ended, after = rest.partition(END)
    if not found or not ended:
        raise ValueError(f"no block between {START!r} and {END!r} in the README: add both lines.")
    return f"{before}{START}\n{as_markdown(figures)}\n{END}{after}"


def aligned(rows: Iterable[Row]) -> list[str]:
    """Put columns to the right, the first to the left; a shorter row widens none but the first."""
    table = list(rows)
    whole = [row for row in table if len(row) == len(table[0])]
    widths = [max(map(len, column)) for column in zip(*whole, strict=True)]
    widths[0] = max(len(row[0]) for row in table)
    lines = []
    for name, *cells in table:
        pairs = zip(cells, widths[1:], strict=False)
        padded = [f"{name:<{widths[0]}}", *(f"{cell:>{width}}" for cell, width in pairs)]
        lines.append("  ".join(["", *padded]).rstrip())
    return lines


def _setting(figures: Figures) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in figures["versions"].items())
    return (
        f"Medians of CPU time in one process on {figures['date']}: Python {figures['python']}, "
        f"{figures['machine']}, {figures['cpus']} CPUs; {versions}."
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


# --- eager ---


def _eager_rows(figures: Figures) -> Iterator[Row]:
    moons, graph, chain = figures["moons"], figures["graph"], figures["chain"]
    yield "", *ENGINES, "ratio"
    for name, part in (("moons training step", moons), (_graph(figures), graph)):
        for mode in ("collector on", "collector off"):
            ours, peer = (f"{1e3 * part[mode]['seconds'][who]:.1f} ms" for who in ENGINES)
            yield f"{name}, {mode}", ours, peer, f"{part[mode]['ratio']:.2f} x"
    for name, each, unit in (
        ("time per node, moons, collector off", moons["collector off"]["ns_per_node"], "ns"),
        ("memory per node", graph["bytes_per_node"], "bytes"),
    ):
        ours, peer = (f"{each[who]:,.0f} {unit}" for who in ENGINES)
        yield name, ours, peer, f"{each[PEER] / each[OURS]:.2f} x"
    for stage in ("build", "backward", "delete"):
        beyond = f"RecursionError beyond {chain['deepest'][PEER]:,}" if stage == "backward" else ""
        yield _chain(figures, stage), f"{_seconds(figures, stage):.2f} s", beyond, ""


def _eager_verdicts(figures: Figures) -> Iterator[Verdict]:
    for name, part, mode, least in (
        ("moons training step", "moons", "collector on", 8.0),
        ("moons training step", "moons", "collector off", 2.0),
        (_graph(figures), "graph", "collector on", 4.0),
    ):
        yield judged(f"{name}, {mode}", "at least", least, figures[part][mode]["ratio"], "x")
    held = figures["graph"]["bytes_per_node"][OURS]
    yield judged("memory per node", "at most", 160.0, held, "bytes", 0)
    for stage, most in (("backward", 2.0), ("delete", 0.2)):
        yield judged(_chain(figures, stage), "at most", most, _seconds(figures, stage), "s")


def _graph(figures: Figures) -> str:
    return f"random graph of {figures['graph']['nodes'][OURS]:,} nodes"


def _chain(figures: Figures, stage: str) -> str:
    return f"chain of {figures['chain']['nodes']:,} nodes: {stage}"


def _seconds(figures: Figures, stage: str) -> float:
    """Return the time of the slower of the two collector modes."""
    chain = figures["chain"]
    return max(chain[mode][stage] for mode in ("collector on", "collector off"))


# --- compiled ---

NUMPY, C, PYTHON = "ours, numpy", "ours, c", "ours, python"
HAND, SLOWEST = "NumPy by hand", "micrograd"


def best_of_ours(ratios: Mapping[str, float | None]) -> float:
    """Return the least of the times of NumPy's and C's program, which may be absent."""
    return min(ratio for name in (NUMPY, C) if (ratio := ratios.get(name)) is not None)


def _ratios(contenders: Figures, kind: str = "ratio") -> dict[str, float | None]:
    """Return a ratio of each contender, None where it is absent."""
    return {name: row.get(kind) for name, row in contenders.items()}


def _compiled_tables(figures: Figures) -> Iterator[tuple[str, list[Row]]]:
    for name, work in figures["workloads"].items():
        made = f"{work['compile_seconds']:.2f} s and {work['compile_mib']:.0f} MiB"
        title = f"{name}: {work['nodes']:,} nodes, graph and program made in {made}"
        yield title, list(_contenders(work["contenders"]))
    if "families" in figures:
        yield f"A step of each family, in times of {HAND}", list(_families(figures["families"]))
    yield "A million nodes", list(_cases(figures["million"]))


def _contenders(rows: Figures) -> Iterator[Row]:
    yield "", "a step", "ratio to ours", "steps", "threads", "losses apart", "descents"
    for name, row in rows.items():
        if "absent" in row:
            yield name, row["absent"]
            continue
        threads = f"{row['threads']:.2f}" if "threads" in row else ""
        apart, descents = f"{row['losses_apart']:.0e}", str(row["descents"])
        ratio = f"{row['ratio']:,.2f}" if row["ratio"] < 100 else f"{row['ratio']:,.0f}"
        yield name, f"{row['us']:,.1f} µs", ratio, str(row["steps"]), threads, apart, descents


def _families(rows: Figures) -> Iterator[Row]:
    peers = [name for name in next(iter(rows.values()))["ratios"] if name != HAND]
    yield "", *peers, "products", "instructions", "nodes", "compiled in", HAND, "slopes apart"
    for name, row in rows.items():
        ratios = [row["ratios"][peer] for peer in peers]
        counts = (f"{row[what]:,}" for what in ("matrix_products", "instructions", "nodes"))
        cells = ["not installed" if ratio is None else f"{ratio:,.2f}" for ratio in ratios]
        made = f"{row['compile_seconds']:.2f} s", f"{row['us']:,.0f} µs"
        yield name, *cells, *counts, *made, f"{row['apart']:.0e}"


def _cases(rows: Iterable[Figures]) -> Iterator[Row]:
    yield "", "nodes", "build", "compile", "a step", "memory at most", ""
    for row in rows:
        seconds = (row.get(f"{stage}_seconds") for stage in ("build", "compile", "run"))
        stages = ("" if s is None else f"{s:.2f} s" for s in seconds)
        memory = f"{row['peak_mib']:,.0f} MiB" if "peak_mib" in row else ""
        stopped = f"stopped at {row['stopped']}" if "stopped" in row else ""
        yield _case(row), f"{row.get('nodes', row['asked']):,}", *stages, memory, stopped


def _case(row: Figures) -> str:
    return f"{row['graph']} of {row['asked']:,}, target {row['target']}"


def _compiled_verdicts(figures: Figures) -> Iterator[Verdict]:
    works = {name.partition(",")[0]: work for name, work in figures["workloads"].items()}
    for (name, work), most in zip(works.items(), (1.0, 1.1, 1.2), strict=True):
        ratio = 1.0 / work["contenders"][HAND]["ratio"]
        yield judged(f"{name}: in times of NumPy by hand", "at most", most, ratio, "x")
    for name, most in (("moons", 0.18), ("digits", 0.22)):
        ratio = works[name]["contenders"][C].get("hand_ratio")
        yield judged(f"{name}, C: in times of {HAND}", "at most", most, ratio, "x", 3)
    best = best_of_ours(_ratios(works["MNIST size"]["contenders"], "hand_ratio"))
    what = f"MNIST size, the best of our targets: in times of {HAND}"
    yield judged(what, "at most", 1.0, best, "x")
    rows = works["moons"]["contenders"]
    ratio = rows[SLOWEST].get("ratio")
    yield judged("moons: micrograd's time", "at least", 8_000, ratio, "x", 0)
    ratio = rows[PYTHON].get("micrograd_ratio")
    what = "moons: micrograd's time in straight-line Python's"
    yield judged(what, "at least", 200, ratio, "x", 0)
    name, work = list(works.items())[-1]
    what = f"{name}: graph and program made"
    yield judged(what, "at most", 3.0, work["compile_seconds"], "s")
    families = figures.get("families", {})
    if families:
        best_of = {name: best_of_ours(family["ratios"]) for name, family in families.items()}
        worst = max(best_of, key=lambda name: best_of[name])
        ratio = best_of[worst]
        what = f"{len(families)} families, best of ours: in times of {HAND}, the slowest ({worst})"
        yield judged(what, "at most", 1.5, ratio, "x")
    for row in figures["million"]:
        within = "stopped" not in row and row["compile_seconds"] <= 60 and row["peak_mib"] <= 4096
        measured = row.get("stopped") or (
            f"{row['compile_seconds']:.1f} s, {row['peak_mib'] / 1024:.2f} GiB"
        )
        yield Verdict(_case(row), "at most 60 s, 4 GiB", measured, REACHED if within else MISSED)


# --- estimators ---

THEIRS = "scikit-learn"


def _estimators_tables(figures: Figures) -> Iterator[tuple[str, list[Row]]]:
    for name, work in figures["data"].items():
        size = f"{work['samples']:,} samples of {work['features']} features"
        cases = f"{figures['folds']} folds and {len(figures['seeds'])} seeds"
        head = ("", "accuracy", "epochs", "a fit", "one epoch", "ratio to ours", "threads")
        rows = [
            (
                kind,
                f"{row['mean']:.1%} ± {row['spread']:.1%}",
                f"{median(row['epochs']):.0f}",
                f"{row['fit_seconds']:.3f} s",
                f"{row['one_epoch_seconds']:.3f} s",
                f"{row['ratio']:.2f}",
                f"{row['threads']:.2f}",
            )
            for kind, row in work["contenders"].items()
        ]
        yield f"{name}: {size}, {work['classes']} classes; {cases}", [head, *rows]


def _estimators_verdicts(figures: Figures) -> Iterator[Verdict]:
    for name, work in figures["data"].items():
        yield judged(f"{name}: accuracy", "at least", -1.0, 100.0 * work["difference"], "%", 1)
    if "digits" in figures["data"]:
        times = figures["data"]["digits"]["contenders"][THEIRS]["ratio"]
        yield judged("digits: scikit-learn's time of a fit in ours", "above", 1.0, times, "x")


# --- gpt ---


def _gpt_tables(figures: Figures) -> Iterator[tuple[str, list[Row]]]:
    shape = ", ".join(f"{name} {size}" for name, size in figures["model"].items())
    for batch in figures["batches"]:
        there = {n: row for n, row in batch["contenders"].items() if "absent" not in row}
        made = f"{batch['nodes']:,} nodes in {batch['instructions']} instructions"
        title = f"The course's GPT ({shape}), {_batch(batch)}: {made}"
        head = ("", "a step", f"in times of {HAND}", "passes", "Adam", "steps", "losses apart")
        rows = [
            (
                name,
                f"{row['us']:,.0f} µs",
                f"{row['ratio']:.2f}",
                *(f"{row[what]:,.0f} µs" for what in ("passes_us", "adam_us")),
                str(row["steps"]),
                f"{row['losses_apart']:.0e}",
            )
            for name, row in there.items()
        ]
        rows += [(n, row["absent"]) for n, row in batch["contenders"].items() if n not in there]
        yield f"{title}, compiled in {batch['compile_seconds']:.2f} s", [head, *rows]


def _gpt_verdicts(figures: Figures) -> Iterator[Verdict]:
    for batch in figures["batches"]:
        what = f"GPT, a training step on {_batch(batch)}: in times of {HAND}"
        best = best_of_ours(_ratios(batch["contenders"]))
        yield judged(f"{what}, the best of ours", "at most", 1.0, best, "x")


def _batch(batch: Figures) -> str:
    return "1 name" if batch["names"] == 1 else f"{batch['names']} names"


# --- training ---


def _training_tables(figures: Figures) -> Iterator[tuple[str, list[Row]]]:
    widths = "-".join(map(str, figures["widths"]))
    what = f"MLP {widths}, {figures['samples']:,} samples in batches of {figures['batch']}, Adam"
    head = ("", "a step", f"in times of {HAND}", "epochs", "losses apart", "steps compared")
    rows = [
        (name, row["absent"])
        if "absent" in row
        else (
            name,
            f"{row['us']:,.1f} µs",
            f"{row['ratio']:.2f}",
            str(row["epochs"]),
            f"{row['losses_apart']:.0e}",
            str(row["compared"]),
        )
        for name, row in figures["contenders"].items()
    ]
    yield f"A whole training step: {what}", [head, *rows]
    fits = [(name, f"{seconds:,.2f} s") for name, seconds in figures["fits"].items()]
    yield f"fit of {figures['epochs']} epochs, by the clock", [("", "in all"), *fits]


def _training_verdicts(figures: Figures) -> Iterator[Verdict]:
    ratios = figures["contenders"][C].get("ratios", {})
    for other, most in ((HAND, 0.25), ("PyTorch eager", 0.10), ("JAX jit", 0.20)):
        what = f"a training step on digits, C: in times of {other}"
        yield judged(what, "at most", most, ratios.get(other), "x", 3)


# --- choices ---


def slower(totals: Mapping[str, float]) -> float:
    """Return the time of ``target="auto"`` in times of the best fixed choice."""
    return totals["auto"] / min(seconds for name, seconds in totals.items() if name != "auto")


def _choices_tables(figures: Figures) -> Iterator[tuple[str, list[Row]]]:
    targets = ("numpy", "python", "c", "auto")
    for runs in figures["runs"]:
        head = ("", *targets, "auto / best", "starts with", "C from run")
        rows = [
            (
                name,
                *(f"{totals[t]:,.2f} s" if t in totals else "left out" for t in targets),
                f"{slower(totals):.2f}",
                row["first"],
                f"{row['switch_at']:,}" if row["switch_at"] is not None else "never",
            )
            for name, row in figures["models"].items()
            for totals in (row["totals"][str(runs)],)
        ]
        yield f"In all, the graph, the program and {runs:,} runs", [head, *rows]


def _choices_verdicts(figures: Figures) -> Iterator[Verdict]:
    few = str(figures["runs"][0])
    for name, row in figures["models"].items():
        times = slower(row["totals"][few])
        yield judged(f"{name}: auto in times of the best target", "at most", 1.2, times, "x")


Tables = Callable[[Figures], Iterable[tuple[str, Iterable[Row]]]]
# for each benchmark its tables, its promises, and a note on how it measures
BENCHMARKS: Mapping[str, tuple[Tables, Callable[[Figures], Iterable[Verdict]], str]] = {
    "eager": (
        lambda figures: [("This engine and micrograd", _eager_rows(figures))],
        _eager_verdicts,
        "Memory as `tracemalloc` counts it, after a backward pass.",
    ),
    "compiled": (_compiled_tables, _compiled_verdicts, "float64, one thread each."),
    "estimators": (
        _estimators_tables,
        _estimators_verdicts,
        "Accuracy is a mean ± its standard deviation. One thread each.",
    ),
    "gpt": (_gpt_tables, _gpt_verdicts, "float64, one thread each."),
    "choices": (_choices_tables, _choices_verdicts, "The cache of the C compiler was empty."),
    "training": (_training_tables, _training_verdicts, "float64, one thread each."),
}
