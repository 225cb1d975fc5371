"""Run the tests that keep a promise with as many cases as promised, and make the page of them."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from tests.promises.table import PEERS, PROMISES

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "promises.json"
PAGE = ROOT / "docs" / "promises.md"
KEPT, MISSED, LEFT_OUT = "kept", "missed", "left out"
Rows = Mapping[str, Mapping[str, Any]]
ABOUT = """# Promises

`python -m benchmarks promises` runs the tests that keep these promises with the numbers of cases
stated, and writes this page and
[benchmarks/results/promises.json](../benchmarks/results/promises.json); `--only NAME` runs some.
It is `pytest -m promise --cases full`. The ordinary suite runs the same tests with fewer cases.
"""
ABOUT_PEERS = """## Peers

How others do on the same tests. Where no command stands beside a figure, it was measured by hand
in October and November 2026, before the first edition, on this kind of machine (x86-64, two CPUs);
no script was kept.
"""


def run(options: argparse.Namespace) -> int:
    """Measure; return 0 if nothing is missed, 1 if something is, 2 where pytest could not run."""
    chosen = options.only or list(PROMISES)
    if unknown := [name for name in chosen if name not in PROMISES]:
        print(f"No promise is called {', '.join(unknown)}.", file=sys.stderr)
        print(f"  Expected : {', '.join(PROMISES)}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        marks = " or ".join(f"promise(name={name!r})" for name in chosen)
        cases = "quick" if options.quick else "full"
        command = [sys.executable, "-m", "pytest", "tests", "-v", "-m", marks, "--cases", cases]
        if subprocess.run([*command, f"--junitxml={report}"], cwd=ROOT, check=False).returncode > 1:
            return 2
        rows = {name: judge(name, report) for name in chosen}
    for name, row in rows.items():
        print(f"{row['verdict']:>8}  {name}: {row['measured']}")
    if options.quick:
        print("Nothing was written: these are fewer cases than promised.")
    else:
        write(rows)
    return 1 if any(row["verdict"] == MISSED for row in rows.values()) else 0


def judge(name: str, report: Path) -> dict[str, Any]:
    """Read from pytest's JUnit file whether a promise was kept, and what its tests measured."""
    tests, words, reasons = 0, dict[str, None](), []
    verdict, seconds = KEPT, 0.0
    for case in ElementTree.parse(report).iter("testcase"):
        noted = [(p.get("name"), p.get("value") or "") for p in case.iter("property")]
        if ("promise", name) not in noted:
            continue
        tests += 1
        seconds += float(case.get("time") or 0.0)
        words |= dict.fromkeys(value for key, value in noted if key == "measured")
        for part in case:
            if part.tag in ("failure", "error", "skipped"):
                verdict = MISSED if part.tag != "skipped" or verdict == MISSED else LEFT_OUT
                first_line = (part.get("message") or part.tag).strip().splitlines()[0]
                reasons.append(f"{case.get('name')}: {first_line}"[:300])
    if not tests:
        verdict, reasons = LEFT_OUT, ["no test ran"]
    measured = "; ".join([*(words or [f"{tests} tests pass"] * (verdict == KEPT)), *reasons])
    today = date.today().isoformat()
    return {"verdict": verdict, "measured": measured, "seconds": round(seconds, 1), "date": today}


def write(rows: Rows) -> None:
    """Keep the rows beside those of earlier runs, and make the page of all of them."""
    before = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    found = {**before, **rows}
    every = {name: found[name] for name in PROMISES if name in found}
    RESULTS.write_text(json.dumps(every, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    PAGE.write_text(page(every), encoding="utf-8")


def page(rows: Rows) -> str:
    """Make the page: what was measured of each promise, and how others do."""
    kept = sum(row["verdict"] == KEPT for row in rows.values())
    return "\n".join(
        [
            ABOUT,
            *table(("promise", "target", "measured", "verdict", "on"), ours(rows)),
            f"\n{kept} of {len(PROMISES)} kept. Seconds are CPU time.\n",
            ABOUT_PEERS,
            *table(("promise", *PEERS), theirs()),
            "",
        ]
    )


def ours(rows: Rows) -> Iterator[tuple[str, ...]]:
    """Yield a line for each promise that was measured."""
    for name, row in rows.items():
        promise = PROMISES[name]
        yield promise.what, promise.target, row["measured"], row["verdict"], row["date"]


def theirs() -> Iterator[tuple[str, ...]]:
    """Yield a line for each promise that others were tried at."""
    for promise in PROMISES.values():
        if any(promise.peers):
            yield promise.what, *promise.peers


def table(head: tuple[str, ...], lines: Iterator[tuple[str, ...]]) -> Iterator[str]:
    """Yield the lines of a table in Markdown."""
    yield f"| {' | '.join(head)} |"
    yield "|" + "---|" * len(head)
    for cells in lines:
        yield "| " + " | ".join(cell.replace("|", "\\|").strip() for cell in cells) + " |"
