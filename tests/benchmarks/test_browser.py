"""Programs train in a browser, in Pyodide without NumPy, to the losses that they have here."""

import json
import shutil

import pytest

from benchmarks import browser as benchmark
from benchmarks.timing import Disagreement

EPOCHS = 3


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A page that can load Pyodide and the package."""
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not shutil.which("npm") or not (shutil.which("chromium") or shutil.which("google-chrome")):
        pytest.skip("npm or chromium is not on the PATH")
    with benchmark.page(tmp_path_factory.mktemp("browser")) as tab:
        yield tab


@pytest.fixture(scope="module")
def found(browser):
    """What the work gives there."""
    return benchmark.in_browser(browser, EPOCHS)


@pytest.fixture(scope="module")
def here():
    """What it gives in CPython, with NumPy."""
    return json.loads(benchmark.digits_work(EPOCHS, "numpy"))


def test_losses_in_the_browser_are_those_here(found, here):
    """Of each step, by JavaScript there, which is chosen by itself, and by NumPy here."""
    assert (found["target"], here["target"]) == ("javascript", "numpy")
    assert len(found["losses"]) == EPOCHS * 45
    benchmark.check_same(found["losses"], here["losses"])
    assert found["accuracy"] == here["accuracy"]


def test_predictions_and_diagnoses_in_the_browser_are_those_here(found, here):
    """Of a hundred digits that were not trained on, and the mean loss that diagnoses ask for."""
    for mine, right in zip(found["predictions"], here["predictions"], strict=True):
        assert mine == pytest.approx(right, rel=1e-7, abs=1e-9)
    assert found["diagnosed"] == pytest.approx(here["diagnosed"], rel=1e-8)


def test_training_in_the_browser_is_a_matter_of_seconds(found):
    """Far from the figures that the benchmark tells, since other things run on this machine."""
    limits = {"compiling": 3.0, "a step of 32 rows": 0.005, "an epoch": 1.0}

    too_long = [name for name, limit in limits.items() if found["seconds"][name] > limit]

    assert too_long == []


def test_another_loss_is_noticed():
    """So that figures of a program that computes something else are never told."""
    with pytest.raises(Disagreement, match=r"the loss is 2\.1 in the browser, and 2\.0 here"):
        benchmark.check_same([1.0, 2.1], [1.0, 2.0])
