"""A quick run of a benchmark, as its command makes it: what the tests of benchmarks share."""

import json
import subprocess
import sys
from pathlib import Path

from benchmarks import report

ROOT = Path(__file__).parents[1]


def quick_figures(name, tmp_path):
    """Run ``python -m benchmarks <name> --quick``; return its figures, which are what it prints."""
    out = tmp_path / "figures.json"

    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", name, "--quick", "--out", str(out)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    measured = json.loads(out.read_text(encoding="utf-8"))
    assert done.stdout.strip() == report.as_text(measured)
    return measured
