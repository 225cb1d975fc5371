"""The mutation score, as ``python -m benchmarks mutation`` measured it on these very sources."""

from __future__ import annotations

import json

from benchmarks.mutation import RESULTS, digest
from benchmarks.promises.promise import Finding, LeftOut

LEAST = 0.97


def measured(_: int) -> Finding:
    """Read the figures, if they are those of the sources as they stand."""
    if not RESULTS.exists():
        raise LeftOut("run `python -m benchmarks mutation` first")
    figures = json.loads(RESULTS.read_text(encoding="utf-8"))
    if figures["sources"] != digest():
        raise LeftOut(
            "ops.py or engine.py has changed since `python -m benchmarks mutation` last ran"
        )
    killed, count, score = figures["killed"], figures["mutants"], figures["score"]
    words = f"{100 * score:.1f} %, {killed} of {count} mutants killed"
    if figures["sampled"]:
        words += f" (a sample of {figures['possible']}, seed {figures['seed']})"
    faults = [f"survived: {line['what']}" for line in figures["survivors"]]
    kept = score >= LEAST
    return Finding(words, [] if kept else faults, {"score": score, "date": figures["date"]})
