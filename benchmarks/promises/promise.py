"""What a promise is, what measuring it finds, and how the suites of tests/ are asked."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from importlib import import_module
from pathlib import Path
from time import perf_counter
from typing import Any
from xml.etree import ElementTree

ROOT = Path(__file__).parents[2]
KEPT, MISSED, LEFT_OUT = "kept", "missed", "left out"
FAULTS = 20  # so many are written down


class LeftOut(Exception):
    """A promise that can't be measured here, and why."""


@dataclass(frozen=True)
class Finding:
    """What was measured, in words and as figures, and each fault; none if the promise is kept."""

    measured: str
    faults: list[str]
    figures: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Promise:
    """A line of the table; ``measure`` takes the number of cases.

    ``peers`` holds how others do on the same test: micrograd, microgpt's Value, PyTorch's scalars,
    and anyone else.
    """

    name: str
    what: str
    target: str
    measure: Callable[[int], Finding]
    cases: int
    quick: int
    peers: tuple[str, str, str, str] = ("", "", "", "")


def keep(promise: Promise, cases: int) -> dict[str, Any]:
    """Measure one promise; a row of the results, ready for JSON."""
    start = perf_counter()
    row: dict[str, Any] = {"what": promise.what, "target": promise.target, "cases": cases}
    try:
        found = promise.measure(cases)
    except LeftOut as reason:
        row |= {"measured": f"left out: {reason}", "verdict": LEFT_OUT}
    except ModuleNotFoundError as error:
        row |= {"measured": f"left out: {error.name} is not installed", "verdict": LEFT_OUT}
    else:
        row |= {"measured": found.measured, "verdict": MISSED if found.faults else KEPT}
        row |= {"figures": dict(found.figures), "faults": found.faults[:FAULTS]}
    return row | {"seconds": round(perf_counter() - start, 1), "date": date.today().isoformat()}


def tool(name: str) -> Any:
    """A module of tests/: the naive engine, the random programs, mpmath's slopes."""
    if str(ROOT) not in sys.path:
        sys.path.append(str(ROOT))
    (file,) = (ROOT / "tests").rglob(f"{name}.py")
    return import_module(".".join(file.relative_to(ROOT).with_suffix("").parts))


def python(*words: str, **settings: Any) -> subprocess.CompletedProcess[str]:
    """Run this Python, or another one, on the checkout."""
    program = settings.pop("program", sys.executable)
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | settings.pop("env", {})
    return subprocess.run(
        [program, *words],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        **settings,
    )


def suite(words: Iterable[str]) -> tuple[int, list[str]]:
    """Run pytest with these words: how many tests ran, and the names of those that failed.

    A test that was skipped, or a suite that found none, has shown nothing: that is a fault, too.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        done = python("-m", "pytest", "-q", "-x", f"--junitxml={report}", *words)
        if not report.exists():
            return 0, [f"pytest: {(done.stdout + done.stderr)[-300:]}"]
        cases = list(ElementTree.parse(report).iter("testcase"))
    faults = [
        f"{case.get('name')}: {' '.join((part.get('message') or part.tag).split())[:200]}"
        for case in cases
        for part in case
        if part.tag in ("failure", "error", "skipped")
    ]
    return len(cases), faults or ([] if cases else ["no test was found"])
