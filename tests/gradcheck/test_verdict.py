"""The verdict on a claimed derivative: how far off it may be, and what the error and report say."""

from contextlib import nullcontext
from math import inf, nan

import pytest

from tinygrad_edu.engine.errors import GradientMismatch
from tinygrad_edu.gradcheck import Report
from tinygrad_edu.gradcheck.slopes import Slope
from tinygrad_edu.gradcheck.verdict import Claim, judge


def claim(got, doubt=0.0):
    """A derivative that someone has computed."""
    return Claim("the slope", got, where="here", fix="differentiate again.", doubt=doubt)


def measured(left, right=None, error=0.0, method="by hand"):
    """A slope, or two at a kink."""
    return Slope(left, left if right is None else right, error, method)


def test_a_report_reads_as_a_sentence():
    """How many, how near, how near is near enough, compared to what."""
    report = Report(3, 1.5e-16, 1e-12, "mpmath at 800 digits")

    assert (
        repr(report) == "Report(3 right within 1.5e-16, tolerance 1.0e-12, by mpmath at 800 digits)"
    )


@pytest.mark.parametrize(
    ("got", "slope", "doubt", "right"),
    [
        (2.0, measured(2.0), 0.0, True),
        (2.25, measured(2.0, error=0.25), 0.0, True),
        (2.25, measured(2.0, error=0.125), 0.125, True),
        (0.25, measured(0.0, 1.0), 0.0, True),
        (0.25, measured(1.0, 0.0), 0.0, True),
        (inf, measured(inf), 0.0, True),
        (2.26, measured(2.0, error=0.25), 0.0, False),
        (-0.1, measured(0.0, 1.0), 0.0, False),
        (nan, measured(2.0, error=0.25), 0.0, False),
        (inf, measured(2.0, error=inf), 0.0, False),
        (2.26, measured(2.0, error=0.25), inf, False),
    ],
)
def test_a_claim_is_right_up_to_the_very_border(got, slope, doubt, right):
    """Between both slopes, give or take both errors; a doubt without end excuses nothing."""
    wrong = pytest.raises(GradientMismatch, match=r"^the slope is .*, but should be ")
    with nullcontext() if right else wrong:
        assert judge([(claim(got, doubt), slope)]).checked == 1


@pytest.mark.parametrize(
    ("slope", "said"),
    [
        (measured(2.0), "should be 2: wrong by the factor 1.5."),
        (measured(0.0), "should be 0."),
        (measured(-1.0, 1.0), "should be between -1 and 1."),
    ],
)
def test_an_error_names_the_factor_where_there_is_one(slope, said):
    """Not against 0, and not where either side of a kink would do."""
    with pytest.raises(GradientMismatch) as caught:
        judge([(claim(3.0), slope)])

    assert str(caught.value).splitlines()[0].endswith(said)


def test_a_report_has_the_largest_of_all_errors():
    """Relative to the slope measured; a method is named once."""
    findings = [
        (claim(2.0), measured(2.0, error=0.5, method="mpmath")),
        (claim(4.5), measured(4.0, error=0.5, method="steps")),
        (claim(1.0), measured(1.0, method="mpmath")),
    ]

    assert judge(findings) == Report(3, 0.125, 0.25, "mpmath and steps")
