"""The exercises that are solved so far, kept in a small JSON file in the working folder.

It is called ``.tinygrad_edu_course.json``; the environment variable TINYGRAD_EDU_COURSE may name
another file. If it can't be written or read, progress is kept in memory, and a note says so.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tinygrad_edu.course.exercise import NOTEBOOKS, Exercise
from tinygrad_edu.engine.errors import FileError
from tinygrad_edu.shared.files import write_atomically
from tinygrad_edu.shared.tables import html_table, text_table

NAME = ".tinygrad_edu_course.json"
FORMAT = 1


@dataclass
class State:
    """How far a learner is with one exercise."""

    solved: bool = False
    tries: int = 0
    hints: int = 0


class Record:
    """The states of all exercises, in a file."""

    def __init__(self) -> None:
        self.memory: dict[str, State] = {}
        self.note = ""

    @property
    def file(self) -> Path:
        """Return the file that holds the states now."""
        return Path(os.environ.get("TINYGRAD_EDU_COURSE") or Path.cwd() / NAME)

    def states(self) -> dict[str, State]:
        """Read all states from the file: another notebook may have written to it."""
        if self.note:
            return self.memory
        try:
            self.memory = _parsed(self.file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            self.memory = {}
        except (OSError, ValueError) as error:
            self._keep_in_memory(f"{self.file} can't be read ({error})")
        return self.memory

    def state(self, id: str) -> State:
        """Return the state of one exercise."""
        return self.states().get(id, State())

    def put(self, id: str, state: State) -> None:
        """Change the state of one exercise."""
        states = self.states()
        states[id] = state
        if self.note:
            return
        content = {"format": FORMAT, "exercises": {k: asdict(v) for k, v in states.items()}}
        try:
            write_atomically(self.file, (json.dumps(content, indent=1) + "\n").encode())
        except FileError as error:
            self._keep_in_memory(str(error).splitlines()[0])

    def forget(self) -> None:
        """Forget what is in memory, and read the file again next time."""
        self.memory, self.note = {}, ""

    def _keep_in_memory(self, reason: str) -> None:
        self.note = f"Progress is kept in memory only: {reason}"
        print(self.note)


def _parsed(text: str) -> dict[str, State]:
    """Parse a record of progress; raise ValueError if it is something else, whoever wrote it."""
    try:
        content = json.loads(text)
        if content["format"] != FORMAT:
            raise ValueError("it is of another version of the course")
        return {
            str(id): State(bool(state["solved"]), int(state["tries"]), int(state["hints"]))
            for id, state in content["exercises"].items()
        }
    except (KeyError, TypeError, AttributeError, RecursionError):
        raise ValueError("it is not a record of progress") from None


@dataclass(frozen=True)
class Progress:
    """The solved exercises of each notebook, shown as a table."""

    rows: tuple[tuple[int, str, int, int, tuple[str, ...]], ...]  # number, title, solved, all, left
    note: str = ""

    @property
    def solved(self) -> int:
        """Count the exercises that are solved."""
        return sum(row[2] for row in self.rows)

    def __str__(self) -> str:
        lines = text_table([cells[:4] for cells in self._cells()], "<<<<")
        return "\n".join([*lines, self._summary(), *filter(None, [self.note])])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head = ("", "notebook", "solved", "", "still open")
        foot = f"{self._summary()}. {self.note}"
        return html_table("progress in the course", head, self._cells(), "<<<<<", foot)

    def _summary(self) -> str:
        return f"{self.solved} of {sum(row[3] for row in self.rows)} exercises solved"

    def _cells(self) -> list[tuple[str, ...]]:
        """Write each row as the cells of a table."""
        return [
            (
                f"{number:02}",
                title,
                "■" * done + "□" * (total - done),
                f"{done} of {total}",
                ", ".join(left) or "✓ all solved",
            )
            for number, title, done, total, left in self.rows
        ]


RECORD = Record()


def progress_of(exercises: Iterable[Exercise]) -> Progress:
    """Collect what is solved of these exercises, notebook by notebook."""
    states, by_stem = RECORD.states(), dict[str, list[Exercise]]()
    for exercise in exercises:
        by_stem.setdefault(exercise.stem, []).append(exercise)
    rows: list[Any] = []
    for number, (stem, title) in enumerate(NOTEBOOKS.items(), 1):
        ids = [exercise.id for exercise in by_stem.get(stem, [])]
        left = tuple(id for id in ids if not states.get(id, State()).solved)
        rows.append((number, title, len(ids) - len(left), len(ids), left))
    return Progress(tuple(rows), RECORD.note)
