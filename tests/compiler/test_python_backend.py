"""The target "python": sums of losses, and rows one after the other."""

import math

import pytest

from tests.tapes import read
from tinygrad_edu.compiler.python_backend import PythonBackend, exact_sum

PENALIZED = "%0 = parameter\n%1 = input\n%2 = mul %0 %1\n%3 = mul %0 %0\nreturn %2 + %3"


@pytest.mark.parametrize(
    ("numbers", "total"),
    [
        ([0.1] * 10, 1.0),
        ([1e308] * 2, math.inf),
        ([math.inf, 1.0], math.inf),
        ([math.inf, -math.inf], math.nan),
        ([], 0.0),
    ],
)
def test_sums_are_rounded_once_and_never_fail(numbers, total):
    """Where ``fsum`` raises an error, the sum is what IEEE 754 says."""
    assert exact_sum(numbers) == pytest.approx(total, rel=0.0, nan_ok=True)


@pytest.mark.parametrize(("reduce", "loss", "slope"), [("mean", 9.0, 6.5), ("sum", 14.0, 9.0)])
def test_rows_add_up_and_the_penalty_is_added_once(reduce, loss, slope):
    """w = 2, x = 2 and 3: mean(w x) + w², or the sum."""
    laps = []
    backend = PythonBackend(read(PENALIZED), 1, reduce, "float64", laps.append)
    backend.load([2.0], [])

    assert backend.take([[2.0], [3.0]])
    assert backend.run() == loss
    assert list(backend.gradient) == [slope]
    assert laps == ["emit", "compile"]


def test_a_nan_among_the_rows_is_told():
    """The program refuses it in words."""
    backend = PythonBackend(read(PENALIZED), 1, "mean", "float64", lambda stage: None)

    assert not backend.take([[2.0], [math.nan]])
