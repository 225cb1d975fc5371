"""The page of promises says what the tests found, and nothing else."""

import json
import re
import subprocess
import sys
from argparse import ArgumentTypeError, Namespace
from pathlib import Path

import pytest

from benchmarks import promises
from tests.conftest import number_of_cases
from tests.promises.table import PROMISES

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"
SUITE = """
import pytest

@pytest.mark.promise(name="sum")
def test_kept(cases, measured):
    measured(f"{cases} | so")

@pytest.mark.promise(name="bits")
def test_missed():
    assert 1 == 2, "the second bit"

@pytest.mark.promise(name="bits")
@pytest.mark.promise(name="torch")
def test_left_out(measured):
    pytest.skip("PyTorch is not here")

@pytest.mark.promise(name="torch")
def test_passes_beside_what_is_left_out(measured):
    measured("something")
"""


def pytest_on(folder, suite, *words):
    """Run pytest on a file of its own, with the conftest of this suite."""
    (folder / "conftest.py").write_text("from tests.conftest import *\n")
    (folder / "test_it.py").write_text(suite)
    command = [sys.executable, "-m", "pytest", folder, "-c", ROOT / "setup.cfg", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """The JUnit file of a suite with a fault planted and a test left out."""
    folder = tmp_path_factory.mktemp("suite")
    done = pytest_on(folder, SUITE, "--cases", "full", f"--junitxml={folder / 'report.xml'}")
    assert done.returncode == 1, done.stdout
    return folder / "report.xml"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "verdict", "measured"),
    [
        ("sum", "kept", "100000 | so"),
        ("bits", "missed", "test_missed: AssertionError: the second bit"),
        ("torch", "left out", "something; test_left_out: PyTorch is not here"),
        ("depth", "left out", "no test ran"),
    ],
)
def test_a_promise_is_kept_missed_or_left_out(report, name, verdict, measured):
    """One failure is a miss; one test skipped, or none at all, has not shown that it is kept."""
    row = promises.judge(name, report)

    assert row["verdict"] == verdict
    assert row["measured"].startswith(measured)


@pytest.mark.slow
def test_a_number_of_cases_may_be_chosen(tmp_path):
    """Instead of the promised one."""
    done = pytest_on(tmp_path, SUITE.replace("measured(f", "print(f"), "-s", "--cases", "7")

    assert "7 | so" in done.stdout


@pytest.mark.parametrize("nonsense", ["0", "-1", "1e4", "many", ""])
def test_nonsense_for_a_number_of_cases_is_refused(nonsense):
    """With an example of what may be written."""
    with pytest.raises(ArgumentTypeError, match=f"'{nonsense}' is not a number.*--cases 500"):
        number_of_cases(nonsense)


@pytest.mark.slow
def test_a_refusal_is_shown_by_pytest(tmp_path):
    """As an error in how it was called, before any test runs."""
    done = pytest_on(tmp_path, SUITE, "--cases", "few")

    assert done.returncode == 4
    assert "'few' is not a number of cases" in done.stderr


@pytest.mark.slow
def test_a_test_of_no_promise_is_refused(tmp_path):
    """A mark with a slip of the pen would be a test that nobody counts."""
    done = pytest_on(tmp_path, SUITE.replace('"sum"', '"sums"'))

    assert done.returncode == 4
    assert "which is not in tests/promises/table.py" in done.stderr


def test_every_promise_is_kept_by_a_test():
    """The tests bear the names of the table, all of them."""
    marks = re.compile(r'mark\.promise\(name="([\w-]+)"\)')
    files = set(TESTS.rglob("test_*.py")) - {Path(__file__)}
    texts = (file.read_text(encoding="utf-8") for file in files)

    assert {name for text in texts for name in marks.findall(text)} >= set(PROMISES)


def test_the_page_is_that_of_the_results():
    """docs/promises.md is made of benchmarks/results/promises.json, and of nothing else."""
    rows = json.loads(promises.RESULTS.read_text(encoding="utf-8"))

    assert list(rows) == list(PROMISES)
    assert promises.PAGE.read_text(encoding="utf-8") == promises.page(rows)


def test_only_some_leave_the_others_as_they_were(monkeypatch, tmp_path):
    """The rows of earlier runs stay, in the order of the table; a bar in a cell is escaped."""
    monkeypatch.setattr(promises, "RESULTS", tmp_path / "promises.json")
    monkeypatch.setattr(promises, "PAGE", tmp_path / "promises.md")
    row = {"verdict": "kept", "measured": "a | b", "seconds": 1.0, "date": "2026-01-01"}

    promises.write({"bits": row})
    promises.write({"sum": row | {"verdict": "missed"}})

    rows = json.loads(promises.RESULTS.read_text())
    assert {name: row["verdict"] for name, row in rows.items()} == {"sum": "missed", "bits": "kept"}
    assert list(rows) == ["sum", "bits"]
    assert "| a \\| b | kept | 2026-01-01 |" in promises.PAGE.read_text()


def test_a_name_that_no_promise_has_is_refused(capsys):
    """With the names that there are, and before any test runs."""
    assert promises.run(Namespace(only=["speed"], quick=False)) == 2
    assert "No promise is called speed.\n  Expected : depth, sum" in capsys.readouterr().err
