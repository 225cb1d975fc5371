"""Grading: answer, truth and known mistakes are read at the same points, and compared."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from tinygrad_edu.course.clock import SECONDS, TimeUp, time_limit
from tinygrad_edu.course.exercise import Exercise
from tinygrad_edu.course.kinds import Numbers, Point
from tinygrad_edu.course.outcomes import Misfit, Outcome, near, outcome_of, same, shape_of, written
from tinygrad_edu.course.verdict import Verdict

POINTS = 8


def grade(
    exercise: Exercise, answer: Any, *, rng: Random | None = None, points: int = POINTS
) -> Verdict:
    """Right, wrong (and if known, by which mistake), or still open.

    Parameters
    ----------
    exercise : Exercise
    answer : the learner's own object; ``...`` and None are no answer yet
    rng : random.Random that draws the points; by default the same points each time
    points : int, how many

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
        return Verdict(
            exercise.id,
            "wrong",
            f"It was stopped after {SECONDS:g} seconds: does a loop in it never end?",
        )
    if all(outcome.problem == "None" for outcome in given):
        words = "Your function returns None: is it still to be written, or is a return missing?"
        return Verdict(exercise.id, "open", f"{exercise.statement}\n{words}")
    if _agree(exercise, given, truth):
        return Verdict(exercise.id, "right", _praise(len(at)))
    mistake = recognized(exercise, given, at)
    words = mistake or _difference(exercise, given, truth, at)
    return Verdict(exercise.id, "wrong", words, mistake)


def recognized(exercise: Exercise, given: Sequence[Outcome], points: Sequence[Point]) -> str:
    """The words of the first known mistake that gives the same at all points; "" if none does."""
    for mistake in exercise.mistakes:
        wrong = exercise.asks.read(exercise.asks.plant(mistake.wrong), points)
        if _agree(exercise, given, wrong):
            return mistake.words
    return ""


def _agree(exercise: Exercise, given: Sequence[Outcome], expected: Sequence[Outcome]) -> bool:
    pairs = zip(given, expected, strict=True)
    return all(same(a, b, exercise.relative, exercise.absolute) for a, b in pairs)


def _praise(points: int) -> str:
    return f"Right at all {points} points tried." if points > 1 else ""


def _difference(
    exercise: Exercise, given: Sequence[Outcome], truth: Sequence[Outcome], points: Sequence[Point]
) -> str:
    """What can be said of a mistake that is not known."""
    agree = [_agree(exercise, [a], [b]) for a, b in zip(given, truth, strict=True)]
    first = agree.index(False)
    got, expected, where = given[first], truth[first], exercise.asks.where(points[first])
    if got.problem:
        return f"At {where} {got.words}."
    if got.shape != expected.shape:
        return f"At {where} it gives {shape_of(got)}; needed is {shape_of(expected)}."
    factor = _common_factor(given, truth, exercise)
    pattern = f" {_pattern(factor)}" if factor else ""
    if isinstance(exercise.asks, Numbers):
        return _which(got, expected, exercise) + pattern
    right = f"Right at {sum(agree)} of {len(agree)} points. " if any(agree) else ""
    return f"{right}At {where} it gives {written(got)}, right is {written(expected)}.{pattern}"


def _which(got: Outcome, expected: Outcome, exercise: Exercise) -> str:
    """Which numbers of a list are wrong; what is right is not told."""
    if not got.shape:
        return f"{written(got)} is not it."
    pairs = zip(got.numbers, expected.numbers, strict=True)
    wrong = [
        str(i)
        for i, (a, b) in enumerate(pairs, 1)
        if not near(a, b, exercise.relative, exercise.absolute)
    ]
    return f"Of the {len(got.numbers)} numbers, not right: number {', '.join(wrong)}."


def _common_factor(
    given: Sequence[Outcome], truth: Sequence[Outcome], exercise: Exercise
) -> float | None:
    """By what all numbers are too large, if it is the same for all."""
    pairs = [
        (a, b)
        for one, other in zip(given, truth, strict=True)
        for a, b in zip(one.numbers, other.numbers, strict=False)
        if one.shape == other.shape
    ]
    factors = [a / b for a, b in pairs if b]
    if len(factors) < 2 or not all(near(f, factors[0], 1e-6, 0.0) for f in factors):
        return None
    exact = all(near(a, factors[0] * b, 1e-6, exercise.absolute) for a, b in pairs)
    return factors[0] if exact and factors[0] else None


def _pattern(factor: float) -> str:
    """A factor that all numbers share tells where to look."""
    if near(factor, -1.0, 1e-6, 0.0):
        return "Every number has the wrong sign."
    if near(factor, 2.0, 1e-6, 0.0):
        return "Every number is twice the right one: was a wire counted twice?"
    return (
        f"Every number is {factor:.6g} times the right one: is a factor forgotten, or one too many?"
    )
