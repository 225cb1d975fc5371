"""Grading: answer, truth and known mistakes are read at the same points, and compared."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from contextvars import Context
from math import isfinite, isinf, isnan
from random import Random
from typing import Any

from tinygrad_edu.course.apart import apart
from tinygrad_edu.course.exercise import Exercise
from tinygrad_edu.course.kinds import Drawn, Point
from tinygrad_edu.course.outcomes import Misfit, Outcome, near, outcome_of, same, told
from tinygrad_edu.course.verdict import Verdict
from tinygrad_edu.engine.errors import SettingError
from tinygrad_edu.shared.arguments import whole
from tinygrad_edu.shared.tables import number

POINTS = 8
SECONDS = 5.0  # for an answer at all its points together


def grade(
    exercise: Exercise, answer: Any, *, rng: Random | None = None, points: int = POINTS
) -> Verdict:
    """Grade an answer: right, wrong (and if it is known, by which mistake), or still open.

    Parameters
    ----------
    exercise : Exercise
    answer : the learner's own object; ``...`` and None mean that there is no answer yet
    rng : random.Random that draws the points; by default the same points each time
    points : int >= 1, the number of points that are drawn

    Raises
    ------
    SettingError
        If ``exercise`` is not an Exercise, or ``points`` not a whole number of at least 1.

    Examples
    --------
    >>> from tinygrad_edu.course import EXERCISES
    >>> print(grade(EXERCISES["chain_rule_2"], lambda x, y: [x, y + 3]).mistake)
    x and y are swapped: the multiply gate hands each input the *other* one.
    """
    if not isinstance(exercise, Exercise):
        raise SettingError(
            f"exercise is {exercise!r:.60}.",
            expected="an Exercise",
            fix='look it up by its id, for example grade(EXERCISES["gates_1"], answer).',
        )
    points = whole("points", points)
    if answer is ...:
        return Verdict(exercise.id, "open", "Put your answer in the place of the dots.")
    if answer is None:
        words = "This is None: is it still to be filled in, or is a return missing?"
        return Verdict(exercise.id, "open", words)
    drawn = exercise.asks.points(rng or Random(exercise.id), points)
    # in a context of its own: a recording or a fault that the session left on changes no verdict
    return Context().run(_graded, exercise, answer, drawn)


def _graded(exercise: Exercise, answer: Any, at: Sequence[Point]) -> Verdict:
    """Compare answer, truth and known mistakes at some points."""
    truth = [outcome_of(exercise.truth(*point)) for point in at]
    try:
        given = apart(lambda: exercise.asks.read(answer, at), SECONDS)
    except Misfit as misfit:
        return Verdict(exercise.id, "wrong", str(misfit))
    if all(outcome.problem == "None" for outcome in given):
        words = "Your function returns None: is it still to be written, or is a return missing?"
        return Verdict(exercise.id, "open", words)
    if _agree(exercise, given, truth):
        words = f"Right at all {len(at)} points tried." if len(at) > 1 else ""
        return Verdict(exercise.id, "right", words)
    mistake = recognized(exercise, given, at)
    words = mistake or _difference(exercise, given, truth, at)
    return Verdict(exercise.id, "wrong", words, mistake)


def recognized(exercise: Exercise, given: Sequence[Outcome], points: Sequence[Point]) -> str:
    """Return the words of the first known mistake that agrees at all points, or ""."""
    for mistake in exercise.mistakes:
        for wrong in mistake.wrong:
            with suppress(Exception):  # the session may have changed what a mistake is made of
                planted = exercise.asks.plant(wrong)
                if _agree(exercise, given, exercise.asks.read(planted, points)):
                    return mistake.words
    return ""


def _agree(exercise: Exercise, given: Sequence[Outcome], expected: Sequence[Outcome]) -> bool:
    pairs = zip(given, expected, strict=True)
    return all(same(a, b, exercise.relative, exercise.absolute) for a, b in pairs)


def _difference(
    exercise: Exercise, given: Sequence[Outcome], truth: Sequence[Outcome], points: Sequence[Point]
) -> str:
    """Tell what can be told about a mistake that is not known."""
    places = {
        i: _wrong(got, expected, exercise)
        for i, (got, expected) in enumerate(zip(given, truth, strict=True))
        if not _agree(exercise, [got], [expected])
    }
    at = min(places)
    got, expected, pattern = given[at], truth[at], _pattern(given, truth, exercise)
    if isinstance(exercise.asks, Drawn):
        right = len(points) - len(places)
        words = f"Right at {right} of {len(points)} points. " if right else ""
        return words + exercise.asks.difference(points[at], got, expected, places[at][0]) + pattern
    # a number that is asked for stays to be found: only the wrong ones are named
    if not got.shape:
        return f"{told(got)} is not right.{pattern}"
    numbers = ", ".join(str(i + 1) for i in sorted(places[at]))
    return f"Of the {len(got.numbers)} numbers, not right: number {numbers}.{pattern}"


def _wrong(got: Outcome, expected: Outcome, exercise: Exercise) -> list[int]:
    """Return the places of the wrong numbers, nan and inf first; [-1] if the outcome is another."""
    if got.problem or got.shape != expected.shape:
        return [-1]
    pairs = enumerate(zip(got.numbers, expected.numbers, strict=True))
    wrong = [i for i, (a, b) in pairs if not near(a, b, exercise.relative, exercise.absolute)]
    return sorted(wrong, key=lambda i: isfinite(got.numbers[i]))


def _pattern(given: Sequence[Outcome], truth: Sequence[Outcome], exercise: Exercise) -> str:
    """Tell what all numbers have in common, and what it suggests; "" if nothing is seen."""
    pairs = [
        (a, b)
        for one, other in zip(given, truth, strict=True)
        for a, b in zip(one.numbers, other.numbers, strict=False)
        if one.shape == other.shape
    ]
    if not pairs:
        return ""
    if any(isnan(a) for a, b in pairs if not isnan(b)):
        return ' nan means "not a number": look for 0/0, ∞ − ∞ or 0·∞.'
    if any(isinf(a) for a, b in pairs if isfinite(b)):
        return " inf is infinite: look for a number that grows too large, or a division by 0."
    if len(given) > 2 and len({one.numbers for one in given}) == 1:
        return " It gives the same at every point: does it use its inputs?"
    relative, absolute = exercise.relative, exercise.absolute
    close = all(near(a, b, 1e-3 * bool(relative), 10 * absolute) for a, b in pairs)
    counts = all(b.is_integer() for _, b in pairs)
    if close and not counts and not any(one.problem for one in given):
        allowed = f"{relative:g} of the number" if relative else f"{absolute:g}"
        return (
            f" That is close: the error may be at most {allowed}. Was something rounded, left out, "
            "or computed in float32?"
        )
    factors = [a / b for a, b in pairs if b]
    if len(factors) < 2 or not factors[0]:
        return ""
    factor = factors[0]
    if not all(near(a, factor * b, 1e-6, 0.0 if b else exercise.absolute) for a, b in pairs):
        return ""
    if near(factor, -1.0, 1e-6, 0.0):
        return " Every number has the wrong sign."
    if near(factor, 2.0, 1e-6, 0.0):
        return " Every number is twice the right one: was a wire counted twice?"
    return (
        f" Every number is {number(factor, digits=6)} times the right one: is a factor forgotten, "
        "or one too many?"
    )
