"""What the room refuses: anything that is no Value."""

import pytest

from tinygrad_edu import Value
from tinygrad_edu.engine.errors import OperandError
from tinygrad_edu.explain import explain, graph_stats, trace_nonfinite


@pytest.mark.parametrize("wrong", [3.0, None, [Value(1.0)]])
@pytest.mark.parametrize(
    "ask",
    [
        lambda wrong: explain(wrong, Value(1.0)),
        lambda wrong: explain(Value(1.0), wrong),
        graph_stats,
        trace_nonfinite,
    ],
)
def test_only_values_are_explained(ask, wrong):
    """In words, before anything is walked."""
    with pytest.raises(OperandError, match="takes a Value, not"):
        ask(wrong)
