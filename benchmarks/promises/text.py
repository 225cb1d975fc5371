"""The promises of text: the expression parser and the command line, on whatever is typed."""

from __future__ import annotations

import json

from benchmarks.promises.promise import Finding, python

SECONDS = 1.0  # for one string of at most 10,000 characters


def fuzzed(count: int) -> Finding:
    """Strings of all kinds, in a process whose memory is limited."""
    done = python("-m", "benchmarks.promises.fuzz", str(count))
    if done.returncode:
        return Finding("it ended early", [done.stderr[-500:]])
    figures = json.loads(done.stdout)
    faults = figures.pop("faults")
    if figures["slowest seconds"] > SECONDS:
        faults.append(f"{figures['slowest']!r} took {figures['slowest seconds']:.2f} s")
    if not figures["accepted"]:
        faults.append("nothing was accepted")
    words = f"{len(faults)} faults in {count:,} strings and {figures['command lines']:,} commands"
    rest = f"slowest {figures['slowest seconds']:.2f} s, {figures['peak MiB']:.0f} MiB at most"
    return Finding(f"{words}; {figures['accepted']:,} accepted, {rest}", faults, figures)
