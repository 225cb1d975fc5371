"""The benchmark of compiled graphs compares what it times."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_a_quick_run_agrees_with_numpy_by_hand():
    """50 descents with the same losses to 1e-9, then a table of three workloads."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "compiled", "--quick"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert [line.split(",")[0] for line in done.stdout.splitlines()[1:]] == [
        "moons",
        "digits",
        "MNIST size",
    ]
