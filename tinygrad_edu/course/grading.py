"""Grading: answer, truth and known mistakes are read at the same points, and compared."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from tinygrad_edu.course.clock import SECONDS, TimeUp, time_limit
from tinygrad_edu.course.exercise import Exercise
from tinygrad_edu.course.kinds import Drawn, Point
from tinygrad_edu.course.outcomes import Misfit, Outcome, near, outcome_of, same, shape_of, told
from tinygrad_edu.course.verdict import Verdict
from tinygrad_edu.shared.tables import number

POINTS = 8


def grade(
    exercise: Exercise, answer: Any, *, rng: Random | None = None, points: int = POINTS
) -> Verdict:
    """Grade an answer: right, wrong (and if it is known, by which mistake), or still open.

    Parameters
    ----------
    exercise : Exercise
    answer : the learner's own object; ``...`` and None mean that there is no answer yet
    rng : random.Random that draws the points; by default the same points each time
    points : int, the number of points that are drawn

    Examples
    --------
    >>> from tinygrad_edu.course import EXERCISES
    >>> print(grade(EXERCISES["chain_rule_2"], lambda x, y: [x, y + 3]).mistake)
    x and y are swapped: the multiply gate hands each input the *other* one.
    """
    if answer is None or answer is ...:
        return Verdict(exercise.id, "open", exercise.statement)
    at = exercise.asks.points(rng or Random(exercise.id), points)
    truth = [outcome_of(exercise.truth(*point)) for point in at]
    try:
        with time_limit(SECONDS):
            given = exercise.asks.read(answer, at)
    except Misfit as misfit:
        return Verdict(exercise.id, "wrong", str(misfit))
    except TimeUp:
        words = f"It was stopped after {SECONDS:g} seconds: does a loop in it never end?"
        return Verdict(exercise.id, "wrong", words)
    if all(outcome.problem == "None" for outcome in given):
        words = "Your function returns None: is it still to be written, or is a return missing?"
        return Verdict(exercise.id, "open", f"{exercise.statement}\n{words}")
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
    agree = [_agree(exercise, [a], [b]) for a, b in zip(given, truth, strict=True)]
    first = agree.index(False)
    got, expected, pattern = given[first], truth[first], _pattern(given, truth, exercise)
    if isinstance(exercise.asks, Drawn):
        at = f"At {exercise.asks.where(points[first])}"
        if got.problem:
            return f"{at} {got.words}."
        if got.shape != expected.shape:
            return f"{at} it gives {shape_of(got)}; needed is {shape_of(expected)}."
        right = f"Right at {sum(agree)} of {len(agree)} points. " if any(agree) else ""
        return f"{right}{at} it gives {told(got)}, right is {told(expected)}.{pattern}"
    # a number that is asked for stays to be found: only the wrong ones are named
    if not got.shape:
        return f"{told(got)} is not right.{pattern}"
    pairs = enumerate(zip(got.numbers, expected.numbers, strict=True), 1)
    wrong = [i for i, (a, b) in pairs if not near(a, b, exercise.relative, exercise.absolute)]
    numbers = ", ".join(map(str, wrong))
    return f"Of the {len(got.numbers)} numbers, not right: number {numbers}.{pattern}"


def _pattern(given: Sequence[Outcome], truth: Sequence[Outcome], exercise: Exercise) -> str:
    """Tell what a factor that all numbers share suggests; "" if they share none."""
    pairs = [
        (a, b)
        for one, other in zip(given, truth, strict=True)
        for a, b in zip(one.numbers, other.numbers, strict=False)
        if one.shape == other.shape
    ]
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
