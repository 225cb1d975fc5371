"""The benchmark of JavaScript times what NumPy agrees with."""

import pytest

from benchmarks import javascript
from benchmarks.compiled import QUICK
from benchmarks.timing import Disagreement
from tests.targets import NODE

pytestmark = NODE


def test_each_work_has_a_line():
    """With the first step, the later ones, NumPy's, and their ratio."""
    head, *lines = javascript.main(QUICK, seconds=0.01)

    assert len(lines) == 3
    assert {len(line) for line in [head, *lines]} == {5}
    assert all(cell.endswith(" µs") for line in lines for cell in line[1:4])


def test_another_loss_is_noticed(monkeypatch):
    """In the last digits that count."""
    in_node = javascript.in_node

    def wrong(*arguments):
        loss, times = in_node(*arguments)
        return loss * (1.0 + 1e-8), times

    monkeypatch.setattr(javascript, "in_node", wrong)

    with pytest.raises(Disagreement, match=r"in node, .* with NumPy"):
        javascript.main(QUICK, seconds=0.01)
