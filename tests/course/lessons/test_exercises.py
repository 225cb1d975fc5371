"""Every exercise: its solution is right, its mistakes are named, its hints give no code away.

The tests run over all entries, so that a new exercise is tested by existing.
"""

import ast
import json
import re
from pathlib import Path
from random import Random

import pytest

from tinygrad_edu.course import EXERCISES, grade
from tinygrad_edu.course.exercise import NOTEBOOKS
from tinygrad_edu.course.kinds import Numbers
from tinygrad_edu.course.outcomes import outcome_of

every_exercise = pytest.mark.parametrize("exercise", EXERCISES.values(), ids=EXERCISES)
every_mistake = pytest.mark.parametrize(
    ("exercise", "mistake", "wrong"),
    [
        pytest.param(e, m, wrong, id=f"{e.id}-{i}{'abc'[k] * (len(m.wrong) > 1)}")
        for e in EXERCISES.values()
        for i, m in enumerate(e.mistakes, 1)
        for k, wrong in enumerate(m.wrong)
    ],
)


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch):
    """The answers here are the project's own: none of them needs a process apart."""
    monkeypatch.setattr("tinygrad_edu.course.grading.apart", lambda work, seconds: work())


def solved(exercise):
    """What the solution's code leaves in ``answer``."""
    names = {}
    exec(exercise.solution, names)
    return names["answer"]


@every_exercise
def test_the_solution_is_right(exercise):
    """What is shown as a solution passes, at other points, too, wherever they are drawn."""
    answer = solved(exercise)

    verdicts = [grade(exercise, answer)]
    verdicts += [grade(exercise, answer, rng=Random(seed), points=60) for seed in range(3)]

    assert [v.text for v in verdicts if v.status != "right"] == []


@every_mistake
def test_each_mistake_is_named(exercise, mistake, wrong):
    """Handing in a classical mistake gets its own words, not those of another."""
    planted = exercise.asks.plant(wrong)

    verdict = grade(exercise, planted)

    assert (verdict.status, verdict.mistake) == ("wrong", mistake.words)


@pytest.mark.slow
@every_mistake
def test_mistakes_stay_apart_at_other_points(exercise, mistake, wrong):
    """The points are not special: at others a mistake is as clear."""
    planted = exercise.asks.plant(wrong)

    verdicts = [grade(exercise, planted, rng=Random(seed), points=20) for seed in range(2)]

    assert [v.mistake for v in verdicts] == [mistake.words] * 2


@every_exercise
def test_no_exercise_knows_a_single_mistake_only(exercise):
    """At least two mistakes, each with words of its own, and two hints."""
    words = [mistake.words for mistake in exercise.mistakes]

    assert len(words) == len(set(words)) >= 2
    assert all(mistake.wrong for mistake in exercise.mistakes)
    assert len(exercise.hints) >= 2


def pieces(code):
    """The right-hand sides and returned expressions of a solution, without blanks."""
    nodes = ast.walk(ast.parse(code))
    values = [n.value for n in nodes if isinstance(n, (ast.Return, ast.Assign))]
    code = [ast.unparse(v) for v in values if not isinstance(v, (ast.Name, ast.Constant))]
    return [re.sub(r"\s", "", piece) for piece in code]


@every_exercise
def test_no_hint_contains_code_of_the_solution(exercise):
    """A hint leads to the solution, it does not show it: not even one expression of it."""
    texts = [re.sub(r"\s", "", text) for text in exercise.hints]

    given_away = [
        piece for piece in pieces(exercise.solution) if any(piece in text for text in texts)
    ]

    assert given_away == []


@every_exercise
def test_no_hint_tells_the_number(exercise):
    """Where a number is asked for, no hint has it."""
    if not isinstance(exercise.asks, Numbers) or exercise.asks.count:
        return
    (right,) = outcome_of(exercise.truth()).numbers

    written = re.findall(r"−?\d+\.?\d*", " ".join(exercise.hints))

    assert right not in [float(word.replace("−", "-")) for word in written]


def test_every_notebook_has_three_to_five_exercises():
    """The twelve notebooks of the course, numbered without gaps."""
    counts = {stem: [e.id for e in EXERCISES.values() if e.stem == stem] for stem in NOTEBOOKS}

    assert len(counts) == 12
    assert all(3 <= len(ids) <= 5 for ids in counts.values())
    assert all(
        ids == [f"{stem}_{i}" for i in range(1, len(ids) + 1)] for stem, ids in counts.items()
    )


NOTEBOOK_FILES = sorted((Path(__file__).parents[3] / "notebooks").glob("[0-9]*.ipynb"))


@pytest.mark.parametrize("file", NOTEBOOK_FILES, ids=lambda f: f.stem)
def test_a_notebook_checks_its_own_exercises(file):
    """Each of them once, in order, and none of another notebook."""
    cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
    code = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")

    checked = re.findall(r"check\.(\w+)\(\w+\)", code)

    assert checked == [e.id for e in EXERCISES.values() if e.notebook == int(file.stem[:2])]


@pytest.mark.parametrize(
    ("id", "answer", "words"),
    [
        ("chain_rule_2", lambda x, y: (2.0 * y + 6.0, 2.0 * x), "counted twice"),
        ("chain_rule_2", lambda x, y: [y * 1.0, 1.0 * x], "first use of x only"),
        ("gates_1", lambda x, y, u: (u * x, u * y), "swapped"),
        ("gates_3", lambda x, u: u * (x - x * x), "from the input where the output is needed"),
        ("softmax_2", lambda y, t: [-(p - q) for p, q in zip(y, t, strict=True)], "reversed"),
        ("training_1", lambda w, g, r: w - sum(r * x for x in g), "divide by the batch size"),
        ("training_1", lambda w, g, r: sum(g) * r / len(g) + w, "sign of the step"),
        ("scale_1", 39, "Off by one"),
        ("passes_2", lambda n: float(n), "One is missing"),
    ],
)
def test_a_mistake_is_named_however_it_is_written(id, answer, words):
    """The same mistake in other code, off by rounding, in other containers."""
    assert words in grade(EXERCISES[id], answer).mistake
