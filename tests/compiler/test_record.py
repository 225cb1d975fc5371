"""Recording: a graph becomes a tape, and nothing that would be baked in passes unnoticed."""

import pytest

from tests.tapes import picture
from tinygrad_edu import Value
from tinygrad_edu.compiler import record, recording
from tinygrad_edu.engine.errors import SettingError


def test_record_is_as_pictured():
    """The graph in the docstring of record gives the tape there."""
    w, x = Value(2.0), Value(3.0)
    scope = {"w": w, "x": x}
    before, after = picture(record)

    exec(before, scope)
    tape, order = record(scope["loss"], [x])

    assert str(tape) == after
    assert order[0] is w


def test_what_only_an_output_needs_is_recorded_too():
    """After the result; an input that nothing reads has no slot."""
    w, x, unused = Value(2.0), Value(3.0), Value(4.0)
    loss = w * x

    tape, order = record(loss, [unused, x], outputs=[loss, x.exp()])

    assert str(tape).splitlines()[-2:] == ["%3 = exp %1", "return %2"]
    assert list(tape.outputs) == [2, 3]
    assert list(tape.inputs) == [-1, 1]
    assert order[1] is x


def test_comparing_while_recording_is_refused():
    """A branch on one sample's data would be baked in; afterwards comparing is free again."""
    v = Value(1.0)

    with recording(), pytest.raises(SettingError, match="was compared while"):
        assert v > 0.0

    assert v > 0.0
