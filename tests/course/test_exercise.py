"""An exercise knows its notebook; a mistake may be made in more than one way."""

from tinygrad_edu.course import Exercise, Mistake, grade
from tinygrad_edu.course.kinds import Function, Numbers


def exercise(**entry):
    """Return an exercise that asks for 3, unless the entry says otherwise."""
    defaults = {
        "id": "chain_rule_7", "statement": "How many?", "asks": Numbers(), "truth": lambda: 3,
        "mistakes": (), "hints": ("Count.",), "solution": "answer = 3",
    }  # fmt: skip
    return Exercise(**(defaults | entry))


def test_the_id_tells_the_notebook():
    """The stem may hold an underscore itself; notebooks count from 1."""
    assert (exercise().stem, exercise().notebook) == ("chain_rule", 2)


def test_indented_texts_are_straightened():
    """An entry is indented; its statement becomes one line, its solution stays code."""
    entry = exercise(
        statement="""
            One line
            and another.
            """,
        solution="""
            def answer():
                return 3
            """,
    )

    assert entry.statement == "One line and another."
    assert entry.solution == "def answer():\n    return 3"


def test_a_mistake_may_be_made_in_more_than_one_way():
    """Each way gets the same words."""
    mistake = Mistake("Count again.", lambda x: x + 1, lambda x: x - 1)
    entry = exercise(
        asks=Function("x", lambda rng: (rng.random(),)), truth=lambda x: x, mistakes=(mistake,)
    )

    found = [grade(entry, wrong).mistake for wrong in (*mistake.wrong, lambda x: x + 2)]

    assert found == ["Count again.", "Count again.", ""]
