"""The parts of the teacher's page, and of the course's, that are read from the course itself."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

from docs.figures import table
from docs.lessons import Lesson
from docs.tools import SiteError
from tinygrad_edu.course import EXERCISES, FAULTS, worksheet
from tinygrad_edu.course.exercise import NOTEBOOKS, Exercise

# what a learner can do afterwards, by the stem of the notebook's exercises
OUTCOMES = {
    "remember": "build an expression of Values and read its graph",
    "chain_rule": "compute a gradient by hand along every path, sum over the paths, and predict "
    "what `backward()` leaves in `grad`",
    "gates": "say what addition, a constant factor, multiplication, a maximum and the sigmoid do "
    "to a gradient; add a primitive of their own as one row",
    "passes": "count the forward passes that finite differences need, and read from a plot why "
    "backpropagation needs two",
    "network": "build a neuron, a layer and a network from Values; find δ at every node, and "
    "∂L/∂w as input times δ",
    "softmax": "show that ∂L/∂a = y − t, and say why the loss is computed with log-sum-exp",
    "training": "run the complete algorithm on handwritten digits, and tell gradient descent, SGD "
    "and batches apart",
    "scale": "choose a learning rate, and recognise one that is too small or too large",
    "depth": "measure gradients layer by layer, and mend what vanishes by initialisation, "
    "activation, normalisation or a shortcut",
    "honest": "see overfitting, and act on it: L2, dropout, early stopping, a search that keeps "
    "test data apart",
    "matrix": "find their own network's matrix equations, and measure what they save",
    "gpt": "train a small language model made of nothing but Values, and sample from it",
}
_MISTAKES, _FAULTS, _TABLE = "<!-- mistakes -->", "<!-- faults -->", "<!-- notebooks -->"
_SIGN = re.compile(r"(?<!\S)\*(\w+)\*(?!\S)|([*_$<\[])")
_SHEET = "<!-- worksheet -->"
SEED = 7


def teachers_page(text: str, lessons: Sequence[Lesson], staging: Path) -> str:
    """Fill the tables of docs/teachers.md."""
    pictures = staging / "pictures"
    pictures.mkdir(exist_ok=True)
    sheet = worksheet(SEED)
    (pictures / "worksheet.svg").write_text(sheet.svg(), encoding="utf-8")
    (pictures / "worksheet_answers.svg").write_text(sheet.answer_svg(), encoding="utf-8")
    shown = (
        "![A worksheet: the graph with blanks](pictures/worksheet.svg)\n\n"
        '??? note "Its answer page"\n    ![The same graph, filled in]'
        "(pictures/worksheet_answers.svg)"
    )
    return _filled(
        text,
        {
            _TABLE: _notebooks(lessons),
            _MISTAKES: _mistakes(),
            _FAULTS: table(("fault", "what happens"), FAULTS.items(), left=2),
            _SHEET: shown,
        },
    )


def course_page(lessons: Sequence[Lesson], links: Mapping[Path, str]) -> str:
    """Write the overview of the course; ``links`` is Markdown for each notebook."""
    rows = [
        (f"[{lesson.title}]({lesson.page})", lesson.question, _time(lesson), links[lesson.file])
        for lesson in lessons
    ]
    head = ("notebook", "the question", "time", "in the browser" if any(links.values()) else "")
    return (
        "\n\n".join([_COURSE, table(head, rows).replace("---:", "---"), *_beyond(lessons)]) + "\n"
    )


_COURSE = """\
# The course

Notebooks for someone who knows Python and a little calculus, to be read in this order. Each begins
with a question, shows what it claims, and ends with exercises whose check says which mistake was
made. The pages here show the notebooks as they ran; to work with one, open it in the browser,
where nothing has to be installed, or copy all of them to a folder of your own."""


def _beyond(lessons: Sequence[Lesson]) -> list[str]:
    """Write what the notebooks need that a browser does not have; nothing if it is unknown."""
    loaded = [lesson for lesson in lessons if lesson.beyond]
    if not loaded:
        return []
    rows = [(lesson.title, ", ".join(lesson.beyond)) for lesson in loaded]
    words = (
        "The course in the browser runs without a network, and has neither NumPy nor matplotlib. "
        "These notebooks loaded them when they ran here. In the browser they show numbers in place "
        "of plots, take minutes where NumPy is fast, or stop at a cell that says what is missing; "
        'all of it is there after `pip install "tinygrad_edu[demo]"`.'
    )
    return ["## What the browser does not have", words, table(("", "loaded"), rows, left=2)]


def _notebooks(lessons: Sequence[Lesson]) -> str:
    """Write outcomes and times; a notebook is found by the number its file begins with."""
    by_number = {lesson.file.name[:2]: lesson for lesson in lessons}
    rows = []
    for number, (stem, title) in enumerate(NOTEBOOKS.items(), start=1):
        lesson = by_number.get(f"{number:02}")
        name = f"[{number:02} {title}]({lesson.page})" if lesson else f"{number:02} {title}"
        exercises = sum(exercise.stem == stem for exercise in EXERCISES.values())
        rows.append((name, OUTCOMES[stem], _time(lesson), str(exercises)))
    head = ("notebook", "afterwards a learner can", "time", "exercises")
    return table(head, rows, left=3)


def _mistakes() -> str:
    """Write for each notebook the mistakes that its checks recognise, in their own words."""
    parts = []
    for stem, group in groupby(EXERCISES.values(), key=lambda exercise: exercise.stem):
        number = list(NOTEBOOKS).index(stem) + 1
        inner = "\n\n".join(map(_exercise, group))
        body = "\n".join(f"    {line}".rstrip() for line in inner.splitlines())
        parts.append(f'??? note "{number:02} {NOTEBOOKS[stem]}"\n{body}')
    return "\n\n".join(parts)


def _exercise(exercise: Exercise) -> str:
    lines = "\n".join(f"- {_literal(mistake.words)}" for mistake in exercise.mistakes)
    return f"**`check.{exercise.id}`** {_literal(exercise.statement)}\n\n{lines}"


def _literal(text: str) -> str:
    """Escape stars, dollars and brackets, but for the stars around a *word*."""
    return _SIGN.sub(lambda m: f"<em>{m[1]}</em>" if m[1] else f"&#{ord(m[2])};", text)


def _time(lesson: Lesson | None) -> str:
    return f"{lesson.minutes} min" if lesson and lesson.minutes else ""


def _filled(text: str, parts: Mapping[str, str]) -> str:
    """Put each part in the place of its mark; raise SiteError where a mark is missing."""
    for mark, part in parts.items():
        if text.count(mark) != 1:
            raise SiteError(
                f"docs/teachers.md has {text.count(mark)} marks {mark}.",
                expected="one mark",
                fix=f"write {mark} once in docs/teachers.md, where the table should stand.",
            )
        text = text.replace(mark, part)
    return text
