"""Judge whether derivatives are between the measured slopes: a report if so, else an error."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tinygrad_edu.engine.errors import GradientMismatch, LengthError, SettingError
from tinygrad_edu.gradcheck.slopes import Slope


@dataclass(frozen=True)
class Report:
    """What a check found where all derivatives are right.

    Attributes
    ----------
    checked : int, how many derivatives were compared
    error : float, the largest relative difference that was found (absolute, where a slope is 0)
    tolerance : float, the largest such difference that would have passed
    method : str, how the slopes were measured
    """

    checked: int
    error: float
    tolerance: float
    method: str

    def __repr__(self) -> str:
        limits = f"right within {self.error:.1e}, tolerance {self.tolerance:.1e}"
        return f"Report({self.checked} {limits}, by {self.method})"


class Claim(NamedTuple):
    """A derivative that someone has computed."""

    what: str
    got: float
    where: str
    fix: str
    doubt: float = 0.0  # how far off it may be and still be right


def judge(findings: Sequence[tuple[Claim, Slope]]) -> Report:
    """Raise at the first claim that is not between the measured slopes; else report."""
    if not findings:
        raise LengthError(
            "there is nothing to check.",
            fix="pass an argument, or a graph with a leaf, for example (Value(2.0) ** 2).",
        )
    errors, tolerances = [0.0], [0.0]
    for claim, slope in findings:
        if math.isnan(slope.left + slope.right):
            raise SettingError(
                f"{claim.what} can't be checked: {slope.why}.",
                where=claim.where,
                fix="choose a point inside the domain, where the function is smooth or has a kink, "
                "and let it compute without random numbers.",
            )
        low, high = sorted((slope.left, slope.right))
        off = 0.0 if low <= claim.got <= high else min(abs(claim.got - low), abs(claim.got - high))
        slack = slope.error + (claim.doubt if math.isfinite(claim.doubt) else 0.0)
        if not (off == 0.0 or off <= slack < math.inf):
            raise _mismatch(claim, slope, slack)
        size = max(abs(low), abs(high))
        size = size if size > slack else 1.0  # it is 0, as far as can be measured
        errors.append(off / size)
        tolerances.append(slack / size)
    methods = dict.fromkeys(slope.method for _, slope in findings)
    return Report(len(findings), max(errors), max(tolerances), " and ".join(methods))


def _mismatch(claim: Claim, slope: Slope, slack: float) -> GradientMismatch:
    """Make the error that names the derivative, both numbers, and the factor between them."""
    got, want = claim.got, slope.left
    should, verdict = f"{want:.15g}", ""
    if slope.left != slope.right:
        should = f"between {slope.left:.15g} and {slope.right:.15g}"
    elif want != 0.0 and math.isfinite(got / want):
        verdict = f": wrong by the factor {got / want:.13g}"
    return GradientMismatch(
        f"{claim.what} is {got:.15g}, but should be {should}{verdict}.",
        where=claim.where,
        expected=f"{should} within {slack:.1e}, by {slope.method}",
        fix=claim.fix,
    )
