"""The target "python": sums of losses, and rows one after the other."""

import math

import pytest

from tests.tapes import read
from tinygrad_edu.compiler.memory import Memory, Work
from tinygrad_edu.compiler.plan import plan_of_numbers
from tinygrad_edu.compiler.python_backend import PythonBackend

PENALIZED = "%0 = parameter\n%1 = input\n%2 = mul %0 %1\n%3 = mul %0 %0\nreturn %2 + %3"


def penalized(reduce, lap):
    """Make this tape ready to run."""
    tape = read(PENALIZED)
    plan = plan_of_numbers(tape)
    work = Work(tape, plan, 1, reduce, "float64", Memory.of(plan.sizes["u"]))
    return PythonBackend(work, lap)


@pytest.mark.parametrize(("reduce", "loss", "slope"), [("mean", 9.0, 6.5), ("sum", 14.0, 9.0)])
def test_rows_add_up_and_the_penalty_is_added_once(reduce, loss, slope):
    """w = 2, x = 2 and 3: mean(w x) + w², or the sum."""
    laps = []
    backend = penalized(reduce, laps.append)
    backend.load([2.0], [])

    assert backend.take([[2.0], [3.0]])
    assert backend.run() == loss
    assert list(backend.gradient) == [slope]
    assert laps == ["write", "compile"]


def test_a_nan_among_the_rows_is_told():
    """The program refuses it in words."""
    backend = penalized("mean", lambda stage: None)

    assert not backend.take([[2.0], [math.nan]])
