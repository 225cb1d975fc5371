"""How the whole suite runs, and the machines it pretends to run on.

hypothesis looks at other places each time, but always at the same ones in CI.
"""

import os
import signal
import sys

import pytest
from hypothesis import settings

from tinygrad_edu.gradcheck import slopes

settings.register_profile("dev", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "dev")
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it


def pytest_addoption(parser):
    """``--programs 10000`` for a long run by hand; ``--update-golden`` when figures change."""
    parser.addoption("--update-golden", action="store_true", help="write tests/viz/golden anew")
    parser.addoption("--programs", type=int, default=60, help="random programs a compiler test")


@pytest.fixture
def without_mpmath(monkeypatch):
    """A machine on which mpmath is not installed."""
    monkeypatch.setitem(sys.modules, "mpmath", None)
    slopes.numbers.cache_clear()
    yield
    slopes.numbers.cache_clear()
