"""The exercises that are solved so far, kept in a small file in the working folder.

It is called ``.tinygrad_edu_course.json``; the environment variable TINYGRAD_EDU_COURSE may name
another file. Each try and each hint adds a line of JSON at its end, so that two notebooks which
write at once lose nothing. A file of the first edition, one JSON object, is read, and goes on.
If the file can't be written or read, progress is kept in memory, and a note says so.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tinygrad_edu.course.exercise import NOTEBOOKS, Exercise
from tinygrad_edu.engine.errors import FileError
from tinygrad_edu.shared.files import read_limited, replaceable
from tinygrad_edu.shared.tables import html_table, text_table

NAME = ".tinygrad_edu_course.json"
LONGEST = 2**24  # bytes: some hundred thousand tries
NO_EVENT = (ValueError, KeyError, TypeError, AttributeError, RecursionError)


@dataclass(frozen=True)
class State:
    """How far a learner is with one exercise; also what one try or one hint adds to it."""

    solved: bool = False
    tries: int = 0
    hints: int = 0

    def __add__(self, other: State) -> State:
        return State(
            self.solved or other.solved, self.tries + other.tries, max(self.hints, other.hints)
        )


class Record:
    """The states of all exercises, in a file."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Forget what is in memory, and read the file again next time."""
        self.memory: dict[str, State] = {}
        self.in_memory, self.note = False, ""

    @property
    def file(self) -> Path:
        """Return the file that holds the states now."""
        return Path(os.environ.get("TINYGRAD_EDU_COURSE") or Path.cwd() / NAME)

    def states(self) -> dict[str, State]:
        """Read all states from the file: another notebook may have written to it."""
        if not self.in_memory:
            try:
                self.memory = _parsed(self._read())
            except (OSError, ValueError) as error:  # among them FileError and SettingError
                self._keep_in_memory("read", error)
        return self.memory

    def state(self, id: str) -> State:
        """Return the state of one exercise."""
        return self.states().get(id, State())

    def add(self, id: str, event: State) -> None:
        """Add a try or a hint, to the file if it can be written."""
        state = self.state(id) + event
        if not self.in_memory:
            try:
                self._append(json.dumps({"exercise": id, **asdict(event)}) + "\n")
            except (OSError, ValueError) as error:
                self._keep_in_memory("written", error)
        self.memory[id] = state

    def _read(self) -> str:
        """Return the text of the file, which may not exist yet."""
        if not os.path.lexists(self.file):
            return ""
        return read_limited(self.file, LONGEST, "the record of progress").decode()

    def _append(self, text: str) -> None:
        """Write a line at the end, by one call: so the system does not mix it with another's."""
        cut_short = not f"\n{self._read()}".endswith("\n")
        line = ("\n" * cut_short + text).encode()
        with replaceable(self.file)[0].open("ab", buffering=0) as file:
            if file.write(line) < len(line):
                raise OSError("there is no room for it")

    def _keep_in_memory(self, what: str, error: Exception) -> None:
        words = str(error).splitlines()[0]
        if not isinstance(error, FileError):
            words = f"its file can't be {what}: {words}."
        self.note, self.in_memory = f"Progress is kept in memory only: {words}", True
        print(self.note)


def _parsed(text: str) -> dict[str, State]:
    """Add up the lines of a record; one that was cut short, as by a full disk, is left out.

    Raises ValueError if not even the first entry is one: whoever wrote it, it is not a record.
    """
    text, states = text.lstrip(), dict[str, State]()
    if not text:
        return states
    try:
        first, end = json.JSONDecoder().raw_decode(text)  # of the first edition: several lines
        states.update(_events(first))
    except NO_EVENT:
        raise ValueError("it is not a record of progress") from None
    for line in text[end:].splitlines():
        with suppress(*NO_EVENT):
            for id, state in _events(json.loads(line)):
                states[id] = states.get(id, State()) + state
    return states


def _events(entry: Any) -> Iterable[tuple[str, State]]:
    """Read a line, or the whole record of the first edition."""
    rows = entry["exercises"] if "format" in entry else {entry["exercise"]: entry}
    if entry.get("format", 1) != 1:
        raise ValueError
    return [
        (str(id), State(bool(row["solved"]), int(row["tries"]), int(row["hints"])))
        for id, row in rows.items()
    ]


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
