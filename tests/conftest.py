"""How the whole suite runs, and the machines it pretends to run on.

hypothesis looks at other places each time, but always at the same ones in CI. Tests that keep a
promise of tests/promises/table.py bear its name, and ``--cases full`` runs them as promised.
"""

import os
import signal
import sys
from argparse import ArgumentTypeError

import pytest
from hypothesis import settings

from tests.promises.table import PROMISES
from tinygrad_edu.gradcheck import slopes

settings.register_profile("dev", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "dev")
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it


def number_of_cases(text):
    """Read what stands behind ``--cases``."""
    if text in ("quick", "full"):
        return text
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise ArgumentTypeError(
        f"{text!r} is not a number of cases. Pass a whole number of at least 1, or full for as "
        "many as each promise states, for example --cases 500."
    )


def pytest_addoption(parser):
    """Add ``--cases`` for promises, and ``--update-golden`` for when figures change."""
    parser.addoption("--update-golden", action="store_true", help="write tests/viz/golden anew")
    parser.addoption(
        "--cases",
        type=number_of_cases,
        default="quick",
        metavar="N",
        help="cases of each promise: a number, or full for as many as it states (default: quick)",
    )


def pytest_collection_modifyitems(items):
    """Mark what starts a browser or builds the site; note the promise of a test for JUnit."""
    for item in items:
        needed = {"browser", "site"}.intersection(getattr(item, "fixturenames", ()))
        if needed:
            item.add_marker("slow")
        if "site" in needed:
            item.add_marker("site")
        for mark in item.iter_markers("promise"):
            if mark.kwargs.get("name") not in PROMISES:
                raise pytest.UsageError(
                    f"{item.nodeid} keeps {mark}, which is not in tests/promises/table.py."
                )
            item.user_properties.append(("promise", mark.kwargs["name"]))


@pytest.fixture
def cases(request):
    """The number of cases for a test of a promise, by ``--cases``."""
    promise = PROMISES[request.node.get_closest_marker("promise").kwargs["name"]]
    asked = request.config.getoption("--cases")
    return {"quick": promise.quick, "full": promise.cases}.get(asked, asked)


@pytest.fixture
def measured(request):
    """A function that notes what a test measured, for the page of promises."""
    return lambda words: request.node.user_properties.append(("measured", words))


@pytest.fixture
def switching_often():
    """Let Python go from thread to thread a hundred times as often as it does."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(before / 100)
    yield
    sys.setswitchinterval(before)


@pytest.fixture
def no_open_figures():
    """Begin and end without a figure in pyplot."""
    from matplotlib import pyplot

    pyplot.close("all")
    yield
    pyplot.close("all")


@pytest.fixture
def without_mpmath(monkeypatch):
    """A machine on which mpmath is not installed."""
    monkeypatch.setitem(sys.modules, "mpmath", None)
    slopes.arithmetic.cache_clear()
    yield
    slopes.arithmetic.cache_clear()
