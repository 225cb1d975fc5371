"""The benchmark of choices adds up what each target takes, and what auto does."""

import subprocess
import sys
from math import inf

import pytest

from tests.targets import CC

pytest.importorskip("numpy")
pytest.importorskip("resource", reason="it counts the time of the C compiler as Unix does")
pytestmark = CC

from benchmarks import choices, report  # noqa: E402
from benchmarks.choices import QUICK, TARGETS  # noqa: E402
from benchmarks.timing import Disagreement  # noqa: E402
from benchmarks.widths import kalman  # noqa: E402
from tinygrad_edu import compile_graph  # noqa: E402


@pytest.mark.slow
def test_a_quick_run_adds_up_set_up_and_runs():
    """A total is a set-up and so many runs; that of auto has those before and after it changes."""
    figures = choices.measure(QUICK)

    assert list(figures["models"]) == list(QUICK.models)
    assert "In all, the graph, the program and 1,350 runs" in report.as_text(figures)
    once = figures["kernels_seconds"]
    for row in figures["models"].values():
        setups, runs, at = row["setup_seconds"], row["run_seconds"], row["switch_at"]
        first, switch = row["first"], once + row["switch_seconds"]
        few, many = (row["totals"][str(number)] for number in figures["runs"])
        for target in TARGETS:
            extra = once if target == "c" else 0.0
            assert few[target] == pytest.approx(setups[target] + extra + 1_350 * runs[target])
        assert few["auto"] == pytest.approx(setups["auto"] + 1_350 * runs[first])
        gone = setups["auto"] + (at - 1) * runs[first] + switch + (135_001 - at) * runs["c"]
        assert many["auto"] == pytest.approx(gone)


def test_auto_goes_over_at_the_run_that_is_computed(monkeypatch):
    """So the total of auto is that of what it really does."""
    root = kalman(3)
    plan = compile_graph(root).plan.plan
    price = 2.5 * choices.saved_by_c(plan, "python", 1)
    monkeypatch.setattr(choices, "price_of_c", lambda plan: price)
    monkeypatch.setattr("tinygrad_edu.compiler.program.price_of_c", lambda plan: price)
    program = compile_graph(root)

    at = choices.switch_at(plan, program.stats["target"], 1)
    targets = []
    for _ in range(4):
        program.backward()
        targets.append(program.stats["target"])

    assert at == 3
    assert targets == ["python", "python", "c", "c"]


@pytest.mark.parametrize("spoil", [1e-6, float("nan")])
def test_a_target_that_computes_something_else_is_noticed(spoil):
    """One slope, off by a millionth, or a nan."""
    programs = {target: (compile_graph(kalman(3), target=target), None) for target in TARGETS}
    choices.agreement("kalman", programs)
    program, _ = programs["c"]
    right = program.backward

    def wrong(rows):
        loss = right(rows)
        program.gradient[1] += spoil * abs(program.gradient).max()
        return loss

    program.backward = wrong

    with pytest.raises(Disagreement, match=r"kalman: c is .* away from numpy"):
        choices.agreement("kalman", programs)


def test_the_time_of_a_process_that_was_started_counts():
    """As that of the C compiler has to."""
    busy = "sum(range(10**7))"

    took = choices.cpu_seconds(lambda: subprocess.run([sys.executable, "-c", busy], check=True))

    assert 0.02 < took < inf
