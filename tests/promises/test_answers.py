"""Every strange answer gets its verdict in words, in time, and the session stays as it was."""

import builtins
import math
import os
import random
import sys
import time

import pytest

from tests.promises.strange import ENDLESS, STRANGE, made
from tinygrad_edu.course import EXERCISES, grade
from tinygrad_edu.engine.context import here


def session():
    """What an answer must not change."""
    return (
        dict(vars(builtins)), dict(vars(math)), os.getcwd(), random.getstate(), sys.stdout,
        sys.getrecursionlimit(), here(),
    )  # fmt: skip


@pytest.mark.promise(name="answers")
@pytest.mark.parametrize(
    ("id", "code", "status", "words"),
    [pytest.param(*rest, id=name.replace(" ", "-")) for name, *rest in STRANGE],
)
def test_a_strange_answer_gets_a_verdict_in_time(id, code, status, words, monkeypatch):
    """The right one, which says what was found."""
    limit = 0.25 if words == ENDLESS else 5.0
    monkeypatch.setattr("tinygrad_edu.course.grading.SECONDS", limit)
    answer, before, start = made(code), session(), time.monotonic()

    verdict = grade(EXERCISES[id], answer)

    assert time.monotonic() - start < limit + 1.0
    assert verdict.status == status, verdict.words
    assert words in verdict.words
    assert "Traceback" not in verdict.words
    assert session() == before


def test_there_are_as_many_as_promised():
    """Each of them another."""
    assert len({name for name, *_ in STRANGE}) == len(STRANGE) >= 60
