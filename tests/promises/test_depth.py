"""A graph may be a million nodes deep, for everything that walks it, under every Python."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MOST = {"backward": 2.0, "deepcopy": 2.0, "delete": 0.2}  # CPU seconds from Python 3.11 on
WALKS = {"build", "backward", "deepcopy", "delete", "topological_order", "zero_grad", "pickle"}
WALKS |= {"explain", "graph_stats", "trace_nonfinite", "value_and_grad", "compile, python"}


def python_of(minor):
    """Find a Python of this minor version, or skip the test."""
    if sys.version_info[:2] == tuple(map(int, minor.split("."))):
        return sys.executable
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for place in [*sorted(versions.glob(f"{minor}.*/bin/python")), shutil.which(f"python{minor}")]:
        if place and subprocess.run([place, "-c", ""], capture_output=True).returncode == 0:
            return place
    return pytest.skip(f"Python {minor} is not on this machine")


def walk(python, nodes):
    """Return the CPU seconds of each operation, or fail with what stopped them."""
    command = [python, "tests/promises/deep.py", str(nodes)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    seconds = dict(json.loads(line) for line in done.stdout.splitlines())
    if done.returncode:
        last = (done.stderr.splitlines() or [f"exit code {done.returncode}"])[-1]
        pytest.fail(f"after {[*seconds][-1:]}: {last}")
    return seconds


@pytest.mark.slow
@pytest.mark.promise(name="depth")
@pytest.mark.parametrize("minor", ["3.10", "3.11", "3.12", "3.13"])
def test_every_walk_of_a_deep_graph_comes_to_its_end(minor, cases, measured):
    """No RecursionError, no crash, the right results; in time, where the number is as promised."""
    seconds = walk(python_of(minor), cases)

    assert set(seconds) >= WALKS
    assert sum(name.startswith("draw, ") for name in seconds) == 5
    if cases >= 1_000_000 and minor != "3.10":
        assert all(seconds[name] <= most for name, most in MOST.items()), seconds
    words = ", ".join(f"{name} {seconds[name]:.2f} s" for name in MOST)
    measured(f"Python {minor}: {len(seconds)} operations, {words}")


def test_an_operation_that_ends_in_an_error_is_a_fault(tmp_path):
    """The last operation that ended well is named, and the error is shown."""
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho '[\"build\", 0.5]'\necho RecursionError: deep >&2\nexit 1\n")
    broken.chmod(0o755)

    with pytest.raises(pytest.fail.Exception, match=r"after \['build'\]: RecursionError: deep"):
        walk(str(broken), 10)
