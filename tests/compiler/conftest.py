"""What the tests of the compiler share: the targets, and rows of a user's own."""

import pytest

from tests.targets import TARGETS
from tinygrad_edu import as_function, primitive
from tinygrad_edu.course import fault
from tinygrad_edu.engine import ops


@pytest.fixture(params=TARGETS)
def target(request):
    """Run a test on every target."""
    return request.param


@pytest.fixture(params=[*TARGETS, "graph"])
def anywhere(request):
    """Run a test on every target, and where a graph runs itself: inside a fault of no effect."""
    if request.param == "graph":
        with fault("uphill step"):
            yield "numpy"
    else:
        yield request.param


@pytest.fixture
def own_row(monkeypatch):
    """Return a function that adds a row to a copy of the table, and returns its function."""
    monkeypatch.setattr(ops, "TABLE", dict(ops.TABLE))

    def add(forward, partials):
        return as_function(primitive("own", "own", forward=forward, partials=partials))

    return add
