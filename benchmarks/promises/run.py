"""``python -m benchmarks promises``: measure, print the table, keep the figures."""

from __future__ import annotations

import argparse
import sys

from benchmarks.promises import report
from benchmarks.promises.promise import MISSED, keep
from benchmarks.promises.table import PROMISES


def main(options: argparse.Namespace) -> int:
    """0 if all that was measured is kept, 1 if something is missed, 2 for a name that is none."""
    names = [promise.name for promise in PROMISES]
    if unknown := [name for name in options.only or () if name not in names]:
        print(f"no promise is called {', '.join(unknown)}.", file=sys.stderr)
        print(f"  Expected : {', '.join(names)}", file=sys.stderr)
        return 2
    chosen = [p for p in PROMISES if not options.only or p.name in options.only]
    rows = {}
    for i, promise in enumerate(chosen, start=1):
        print(f"[{i}/{len(chosen)}] {promise.name}", file=sys.stderr, flush=True)
        rows[promise.name] = keep(promise, promise.quick if options.quick else promise.cases)
        if not options.quick:
            report.write({promise.name: rows[promise.name]}, PROMISES)
    print(report.as_text(rows))
    print("\n" + report.faults(rows))
    if options.quick:
        print("quick: fewer cases than stated, so nothing was written")
    return 1 if any(row["verdict"] == MISSED for row in rows.values()) else 0
