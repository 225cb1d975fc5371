"""The results of a sweep: a table to read, and a file that survives whatever happens."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from math import isnan
from os import PathLike
from pathlib import Path
from typing import Any, overload

from tinygrad_edu.engine.errors import FileError, SettingError
from tinygrad_edu.shared.files import as_path, write_atomically
from tinygrad_edu.shared.tables import html_table, text_table

Settings = dict[str, Any]
SHOWN = 40  # rows of a long table that are printed
WIDEST = 60  # characters of a cell that are printed
OURS = 0x54475345  # SQLite's application_id: "TGSE"
LAYOUT = 1  # SQLite's user_version: of the table below
TABLE = (
    "CREATE TABLE trials (settings TEXT PRIMARY KEY, trial TEXT NOT NULL, results TEXT NOT NULL, "
    "error TEXT NOT NULL, seconds REAL NOT NULL, digest TEXT NOT NULL)"
)
NOT_JSON = ("nan", "inf", "-inf")  # numbers that JSON has no word for, kept as text


@dataclass(frozen=True)
class Trial:
    """One trial that has ended.

    Attributes
    ----------
    settings : dict, what it was called with
    results : dict of str to float or int, what it returned; empty if it failed
    error : str, why it failed: type and message, then the last lines of the traceback; "" if not
    seconds : float, how long it ran
    """

    settings: Settings
    results: dict[str, float] = field(default_factory=dict)
    error: str = ""
    seconds: float = 0.0


class SweepResults(Sequence[Trial]):
    """The trials of a sweep that have ended, as a table in the order of the grid.

    It prints as text, shows itself as a table in a notebook, and is a sequence of ``Trial``.

    Examples
    --------
    >>> from tinygrad_edu.train.sweeps.store import SweepResults, Trial
    >>> results = SweepResults([
    ...     Trial({"learning_rate": 0.1}, {"loss": 0.52}, seconds=1.5),
    ...     Trial({"learning_rate": 1.0}, {"loss": 0.31}, seconds=1.25),
    ...     Trial({"learning_rate": 100.0}, error="AnomalyError: loss is nan."),
    ... ])
    >>> print(results)
    learning_rate  loss  seconds  error
              0.1  0.52      1.5
                1  0.31     1.25
              100              0  AnomalyError: loss is nan.
    >>> results.best("loss").settings
    {'learning_rate': 1.0}
    >>> len(results.failed)
    1
    """

    def __init__(self, trials: Sequence[Trial] = ()) -> None:
        self._placed: list[tuple[int, Trial]] = list(enumerate(trials))

    def __len__(self) -> int:
        return len(self._placed)

    @overload
    def __getitem__(self, index: int) -> Trial: ...
    @overload
    def __getitem__(self, index: slice) -> SweepResults: ...
    def __getitem__(self, index: int | slice) -> Trial | SweepResults:
        """A trial by its place; a slice is a table again."""
        if isinstance(index, slice):
            return SweepResults([trial for _, trial in self._placed[index]])
        return self._placed[index][1]

    @property
    def failed(self) -> SweepResults:
        """The trials that failed, as a table of their own."""
        return SweepResults([trial for trial in self if trial.error])

    def best(self, by: str, *, largest: bool = False) -> Trial:
        """The trial with the smallest (or largest) result; the first of equals, never a nan.

        Parameters
        ----------
        by : str, the name of a result
        largest : bool, whether more is better, as with an accuracy

        Raises
        ------
        SettingError
            If no trial has that result, or it is nan in all of them.
        """
        found = [t for t in self if by in t.results and not isnan(t.results[by])]
        if not found:
            names = dict.fromkeys(name for trial in self for name in trial.results)
            raise SettingError(
                f"no trial has a number as the result {by!r:.60}.",
                expected=f"one of {', '.join(names) or '-'}, of {len(self)} trials, "
                f"{len(self.failed)} of which failed",
                fix="choose one of these, or look at .failed.",
            )
        return (max if largest else min)(found, key=lambda trial: trial.results[by])

    def as_dicts(self) -> list[dict[str, Any]]:
        """Each row as a dict of settings, results, ``seconds`` and ``error``: for pandas and co.

        Where two of them have one name, the later is called ``name (result)``, ``name (sweep)``.
        """
        columns = self._columns()
        parts = [(t.settings, t.results, {"seconds": t.seconds, "error": t.error}) for t in self]
        return [
            {title: part[kind][name] for title, kind, name in columns if name in part[kind]}
            for part in parts
        ]

    def to_csv(self, path: str | PathLike[str] | None = None) -> str:
        """The table as CSV, all digits kept; written to a file if a path is given.

        Raises
        ------
        FileError
            If the file can't be written; what stood there before is unchanged.
        """
        titles = [title for title, _, _ in self._columns()]
        text = io.StringIO()
        writer = csv.DictWriter(text, titles, lineterminator="\n")
        writer.writeheader()
        for row in self.as_dicts():
            writer.writerow({k: v if isinstance(v, str) else _json(v) for k, v in row.items()})
        if path is not None:
            write_atomically(path, text.getvalue().encode())
        return text.getvalue()

    def __repr__(self) -> str:
        if not self:
            return "SweepResults: no trial has ended"
        titles, rows, align = self._cells()
        return "\n".join(text_table([titles, *rows], align))

    def _repr_html_(self) -> str:
        """The table in a notebook."""
        titles, rows, align = self._cells()
        return html_table(f"{len(self)} trials, {len(self.failed)} failed", titles, rows, align)

    def _columns(self) -> list[tuple[str, int, str]]:
        """Of each column its title, and where in a row it is found: kind and name."""
        found = {(0, name): None for trial in self for name in trial.settings}
        found |= {(1, name): None for trial in self for name in trial.results}
        found |= {(2, "seconds"): None} | ({(2, "error"): None} if self.failed else {})
        columns: dict[str, tuple[int, str]] = {}
        for kind, name in found:
            title = name
            while title in columns:
                title += (" (setting)", " (result)", " (sweep)")[kind]
            columns[title] = kind, name
        return [(title, kind, name) for title, (kind, name) in columns.items()]

    def _cells(self) -> tuple[list[str], list[list[str]], str]:
        """Titles, cells and alignment of the table as it is shown."""
        columns, rows = self._columns(), self.as_dicts()
        cells = [[_cell(row.get(title, ""), kind) for title, kind, _ in columns] for row in rows]
        titles = [title for title, _, _ in columns]
        numeric = [
            all(isinstance(row.get(title, 0), int | float) for row in rows) for title in titles
        ]
        if len(cells) > SHOWN:
            between = [f"… {len(cells) - SHOWN:,} more …", *[""] * (len(titles) - 1)]
            cells = [*cells[: SHOWN // 2], between, *cells[-SHOWN // 2 :]]
        return [_cell(t, 0) for t in titles], cells, "".join("<>"[number] for number in numeric)

    def _add(self, place: int, trial: Trial) -> None:
        """A trial that has ended, in its place in the grid; it may have stood there before."""
        at = bisect_left(self._placed, place, key=lambda pair: pair[0])
        same = at < len(self._placed) and self._placed[at][0] == place
        self._placed[at : at + same] = [(place, trial)]

    def _clear(self) -> None:
        self._placed.clear()


class SweepFile:
    """The trials that have ended, in a SQLite file; opened anew for each of them.

    Nothing is open in between, so no connection is carried into a process that is forked, and
    each trial is on the disk before the next is asked for.
    """

    def __init__(self, path: str | PathLike[str], trial: str) -> None:
        self.path, self.trial = as_path(path), trial

    def open(self) -> None:
        """Make the file if there is none; FileError if there is one that is no sweep's."""
        with _asked(self.path), closing(_connect(self.path, "rwc")) as file, file:
            file.execute("BEGIN IMMEDIATE")  # the one who makes it may be another sweep
            if not file.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                file.execute(TABLE)
                file.execute(f"PRAGMA application_id = {OURS}")
                file.execute(f"PRAGMA user_version = {LAYOUT}")

    def load(self) -> dict[str, Trial]:
        """The trials that have ended, by their settings as text.

        Raises
        ------
        FileError
            If the file is damaged, none of a sweep's, or of another trial.
        """
        trials = {}
        for settings, trial, *rest in _rows(self.path):
            if trial != self.trial:
                raise FileError(
                    f"{self.path} has the results of {trial}, not of {self.trial}.",
                    expected="one file for each trial, which is known by its module and name",
                    fix="choose another file, or say name=... if only the name has changed.",
                )
            trials[settings] = _read(settings, *rest)
        return trials

    def add(self, settings: str, trial: Trial) -> None:
        """Write a trial that has ended, in place of an earlier one with its settings."""
        texts = settings, self.trial, _results(trial.results), json.dumps(trial.error)
        row = (*texts, float(trial.seconds))
        with _asked(self.path), closing(_connect(self.path)) as file, file:
            file.execute("REPLACE INTO trials VALUES (?, ?, ?, ?, ?, ?)", (*row, _digest(row)))


def read_sweep(database: str | PathLike[str]) -> SweepResults:
    """The trials in the file of a sweep, in the order in which they ended.

    Parameters
    ----------
    database : path of a file that ``sweep`` writes, or has written; it is not changed

    Raises
    ------
    FileError
        If there is no such file, it is damaged, or none of a sweep's.
    """
    return SweepResults([_read(row[0], *row[2:]) for row in _rows(as_path(database))])


def plain(value: Any) -> str:
    """A value as JSON, if JSON keeps it: ValueError or TypeError if not."""
    text = json.dumps(value, sort_keys=True, allow_nan=False)
    if json.loads(text) != value:  # tuples become lists, keys become text
        raise ValueError("JSON would change it")
    return text


def _rows(path: Path) -> list[tuple[Any, ...]]:
    """The rows of the file, once everything in it has been found sound."""
    with _asked(path), closing(_connect(path)) as file:
        if file.execute("PRAGMA application_id").fetchone() != (OURS,):
            raise _unsound(path, "it was not written by a sweep")
        if (version := file.execute("PRAGMA user_version").fetchone()) != (LAYOUT,):
            raise _unsound(path, f"its layout has the number {version[0]}, not {LAYOUT}")
        if (verdict := file.execute("PRAGMA integrity_check(1)").fetchone()) != ("ok",):
            raise _unsound(path, str(verdict[0]))
        query = "SELECT settings, trial, results, error, seconds, digest FROM trials ORDER BY rowid"
        rows = file.execute(query).fetchall()
    for *row, digest in rows:
        if _digest(row) != digest:
            raise _unsound(path, f"a row is not as it was written: {row[0]!r:.60}")
    return [row[:-1] for row in rows]


def _read(settings: str, results: str, error: str, seconds: float) -> Trial:
    read = json.loads(results)
    numbers = {name: float(v) if isinstance(v, str) else v for name, v in read.items()}
    return Trial(json.loads(settings), numbers, json.loads(error), seconds)


def _results(results: dict[str, float]) -> str:
    """Results as strict JSON, with nan and inf as text."""
    kept = {name: repr(x) if repr(x) in NOT_JSON else x for name, x in results.items()}
    return json.dumps(kept, allow_nan=False)


def _digest(row: Sequence[Any]) -> str:
    return sha256(json.dumps([*map(repr, row)]).encode()).hexdigest()


def _connect(path: Path, mode: str = "rw") -> sqlite3.Connection:
    """An existing file, but for the mode "rwc"."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=30.0)


@contextmanager
def _asked(path: Path) -> Iterator[None]:
    """Whatever SQLite says about a file, in words."""
    try:
        yield
    except (sqlite3.Error, UnicodeError, OverflowError) as error:
        raise _unsound(path, str(error)) from None


def _unsound(path: Path, why: str) -> FileError:
    return FileError(
        f"{path} can't be used as the file of a sweep: {why}.",
        expected="a file that sweep has written, or a new name in a folder that can be written to",
        fix="choose another file, or restore this one from a copy.",
    )


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _cell(value: Any, kind: int) -> str:
    """A value in one printable line: six digits of a setting, four of a result, a first line."""
    if isinstance(value, float):
        return f"{value:.4g}" if kind else f"{value:.6g}"
    text = value if isinstance(value, str) else _json(value)
    line = next(iter(text.splitlines()), "")
    line = "".join(c if c.isprintable() else "\ufffd" for c in line)
    return line if len(line) <= WIDEST else line[: WIDEST - 1] + "…"
