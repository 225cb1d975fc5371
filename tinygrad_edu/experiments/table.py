"""A user's table as a data set: a file of numbers whose last column, or a named one, is learned."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from math import isfinite
from pathlib import Path
from random import Random

from tinygrad_edu.engine.errors import FileError
from tinygrad_edu.shared.arguments import one_of
from tinygrad_edu.shared.files import read_limited
from tinygrad_edu.shared.tables import plural
from tinygrad_edu.train.datasets import DataSet, Points

LARGEST = 16 * 2**20  # bytes
FARTHEST = 1e100  # from 0: squares of larger numbers are infinite
LEAST_ROWS, MOST_CLASSES = 10, 100
WHOLE_CLASSES = 20  # so many different whole numbers are classes rather than amounts, at most
TASKS = ("classification", "regression")
SEPARATORS = ("\t", ";", ",")
MISSING = {"", "?", "-", "na", "n/a", "nan", "null", "none", "#n/a", "."}
MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\xef\xbb\xbf": "utf-8-sig"}
SPELLING = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
INFINITE = re.compile(r"[+-]?(inf|infinity)", re.IGNORECASE)
COMMA = re.compile(r"[+-]?\d+,\d+", re.ASCII)  # a number as it is written in Berlin or Paris


@dataclass(frozen=True)
class Table(DataSet):
    """A data set from a file.

    Attributes
    ----------
    columns : names of the features; target : name of the column that is learned
    regression : bool, whether the target is an amount, not a class; ``classes`` is then 1
    notes : what a user should know of how the file was read, each a sentence
    digest : str, the SHA-256 of the file
    """

    columns: tuple[str, ...] = ()
    target: str = ""
    regression: bool = False
    notes: tuple[str, ...] = ()
    digest: str = ""

    def __str__(self) -> str:
        what = f"has {self.classes} classes: classification"
        what = "is an amount: regression" if self.regression else what
        about = f"{plural(self.samples or 0, 'sample')}, {plural(self.features, 'feature')}"
        return f"{self.source}: {about}; the target {self.target!r:.60} {what}"


@dataclass(frozen=True)
class Cell:
    """One field of a file: what is written there, and where."""

    text: str
    line: int
    column: str

    @property
    def place(self) -> str:
        """Say where the field is."""
        return f"line {self.line}, column {self.column!r:.60}"

    @property
    def missing(self) -> bool:
        """Check for an empty field, or one of the usual words for a missing value."""
        return self.text.lower() in MISSING


def read_table(path: str | Path, target: str | None = None, task: str | None = None) -> Table:
    """Read a file of comma-, semicolon- or tab-separated values as a data set.

    Parameters
    ----------
    path : the file: UTF-8 or UTF-16 with or without its mark, else Windows-1252; with names in its
        first line or without
    target : name of the column that is learned; by default the last one. Without names they are
        called "column 1", "column 2", ...
    task : "classification" or "regression"; by default the target decides: text, and few different
        whole numbers, are classes

    Raises
    ------
    FileError
        If the file can't be read, or is not a table of numbers with a target: says in which line
        and column.
    SettingError
        If there is no such column or task.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from tinygrad_edu.experiments.table import read_table
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder) / "fruit.csv"
    ...     _ = file.write_text("weight,width,fruit\\n" + "0.1,7,apple\\n0.2,9,melon\\n" * 5)
    ...     table = read_table(file)
    >>> table.columns, table.class_names, table.samples
    (('weight', 'width'), ('apple', 'melon'), 10)
    """
    path = Path(path)
    one_of("task", task, (None, *TASKS))
    content = read_limited(path, LARGEST)
    text, notes = _decoded(path, content)
    lines, separator = _lines(path, text)
    names, rows = _named(path, lines)
    counted = rows is not lines and not lines[0][1][0].strip()  # the first column has no name
    _check_form(path, names, rows)
    learned = names[-1] if target is None else one_of("target", target, names)
    columns = {
        name: [Cell(row[i].strip(), line, name) for line, row in rows]
        for i, name in enumerate(names)
    }
    _check_missing(path, [cell for column in columns.values() for cell in column])
    if counted and len(names) > 2 and learned != names[0] and _counts(columns[names[0]]):
        del columns[names[0]]
        notes += ("its first column has no name and counts the lines, so it was left out",)
    comma = _decimal_comma(path, columns, separator)
    goal = columns.pop(learned)
    X = [_numbers(path, column, comma) for column in columns.values()]
    constant = [name for name, x in zip(columns, X, strict=True) if min(x) == max(x)]
    if len(constant) == len(X):
        raise FileError(
            f"{path}: every feature is the same in all lines.",
            fix="pass a table with a column that differs from line to line.",
        )
    if constant:
        words = ", ".join(map(repr, constant))
        notes += (f"nothing can be learned from what is the same in all lines: {words}",)
    kind = task or _task(goal, comma)
    y: list[int] | list[float]
    classes: tuple[str, ...] = ()
    if kind == "regression":
        y = _numbers(path, goal, comma)
    else:
        classes = _classes(path, goal, comma)
        y = [classes.index(_class_name(cell, comma)) for cell in goal]
    if min(y) == max(y):
        raise FileError(
            f"{path}: the target {learned!r:.60} is {goal[0].text!r:.60} in all {len(y)} lines.",
            fix="name another column with --target NAME: here there is nothing to tell apart.",
        )
    points = list(map(list, zip(*X, strict=True))), y

    def make(rng: Random, samples: int, noise: float) -> Points:
        return points  # type: ignore[return-value]

    return Table(
        path.name, len(classes) or 1, len(columns), str(path), make, len(y),
        class_names=classes, columns=tuple(columns), target=learned,
        regression=kind == "regression", notes=notes, digest=sha256(content).hexdigest(),
    )  # fmt: skip


def _decoded(path: Path, content: bytes) -> tuple[str, tuple[str, ...]]:
    """Return the text of a file, and a note where its encoding was guessed."""
    if content.startswith(b"PK\x03\x04"):
        raise FileError(
            f"{path} is an archive, such as a workbook of Excel, not a text.",
            fix="save the sheet as CSV, and pass that file.",
        )
    encoding = next((name for mark, name in MARKS.items() if content.startswith(mark)), "utf-8")
    notes: tuple[str, ...] = ()
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        text = content.decode("cp1252", errors="replace")
        notes = ("not UTF-8, so it was read as Windows-1252",)
    if "\0" in text:
        raise FileError(f"{path} is not a text.", fix="save the table as CSV in UTF-8.")
    return text, notes


def _lines(path: Path, text: str) -> tuple[list[tuple[int, list[str]]], str]:
    """Return the fields of each line that has any, with its number, and what separates them.

    The separator is the one that cuts every line into equally many fields, more than one.
    """
    found = {}
    broken: FileError | None = None
    for separator in SEPARATORS:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        rows, line = [], 1
        try:
            for row in reader:
                if any(field.strip() for field in row):
                    rows.append((line, row))
                line = reader.line_num + 1
        except csv.Error as error:
            broken = FileError(
                f"{path}, line {line}: {error}.",
                fix='close each quoted field: "like this"; a quote inside is written twice.',
            )
            continue
        widths = Counter(len(row) for _, row in rows)
        width, count = max(widths.items(), key=lambda pair: (pair[1], pair[0]), default=(0, 0))
        found[separator] = (width > 1, count == len(rows), width > 1 and count), rows
    best = max(found, key=lambda separator: found[separator][0], default="")
    if broken is not None and (not best or not found[best][0][0]):
        raise broken
    return found[best][1], best


def _named(
    path: Path, lines: list[tuple[int, list[str]]]
) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return the names of the columns, and the lines of numbers.

    The first line has names if none of its fields is a number, or if all fields below its last one
    are numbers, but not that one.
    """
    if not lines:
        raise FileError(f"{path} is empty.", fix="pass a file with a line for each sample.")
    first, rest = [field.strip() for field in lines[0][1]], lines[1:]
    last = [row[-1].strip() for _, row in rest]
    numbers = [_is_number(field) or COMMA.fullmatch(field) is not None for field in first]
    named = not any(numbers) or (not numbers[-1] and bool(last) and all(map(_is_number, last)))
    if not named:
        return [f"column {i}" for i in range(1, len(first) + 1)], lines
    names = [name or f"column {i}" for i, name in enumerate(first, 1)]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise FileError(
            f"{path}, line {lines[0][0]}: two columns are called {twice[0]!r:.60}.",
            fix="give each column a name of its own.",
        )
    return names, rest


def _check_form(path: Path, names: Sequence[str], rows: list[tuple[int, list[str]]]) -> None:
    """Raise FileError unless there are features, a target, and equally long lines enough."""
    if len(names) < 2:
        raise FileError(
            f"{path} has a single column, {names[0]!r:.60}.",
            expected="features and a target, separated by commas, semicolons or tabs",
            fix="save the table as CSV, with one line per sample.",
        )
    for line, row in rows:
        if len(row) != len(names):
            raise FileError(
                f"{path}, line {line}: {plural(len(row), 'field')}, but the first line has "
                f"{len(names)}.",
                fix="give each line as many fields; put a field that has the separator in quotes.",
            )
    if len(rows) < LEAST_ROWS:
        raise FileError(
            f"{path} has {plural(len(rows), 'sample')}.",
            expected=f"at least {LEAST_ROWS}, of which some are held out",
            fix="collect more samples, one per line.",
        )


def _check_missing(path: Path, cells: Sequence[Cell]) -> None:
    missing = [cell for cell in cells if cell.missing]
    if missing:
        lines = len({cell.line for cell in missing})
        raise FileError(
            f"{path}, {missing[0].place}: the value is missing"
            + (f", and {plural(len(missing) - 1, 'other')}." if len(missing) > 1 else "."),
            fix=f"fill them in, or delete the {plural(lines, 'line')} or the columns without them.",
        )


def _counts(cells: Sequence[Cell]) -> bool:
    """Check whether a column counts its lines, as pandas writes an index."""
    texts = [cell.text for cell in cells]
    start = texts[0]
    return start in ("0", "1") and texts == [str(int(start) + i) for i in range(len(texts))]


def _decimal_comma(path: Path, columns: dict[str, list[Cell]], separator: str) -> bool:
    """Check whether numbers are written with a decimal comma; FileError where that is unclear."""
    cells = [cell for column in columns.values() for cell in column]
    commas = [cell for cell in cells if COMMA.fullmatch(cell.text)]
    if not commas:
        return False
    points = [cell for cell in cells if "." in cell.text and _is_number(cell.text)]
    thousands = all(re.fullmatch(r"[+-]?[1-9]\d{0,2},\d{3}", cell.text) for cell in commas)
    if separator == "," or points or thousands:
        raise FileError(
            f"{path}, {commas[0].place}: {commas[0].text!r} may be a decimal comma or a thousand.",
            fix="write numbers with a decimal point, and without a sign between thousands.",
        )
    return True


def _is_number(text: str) -> bool:
    return SPELLING.fullmatch(text) is not None


def _numbers(path: Path, cells: Sequence[Cell], comma: bool) -> list[float]:
    """Return a column as finite floats; FileError names the first field that is not a number."""
    numbers = []
    for cell in cells:
        text = cell.text.replace(",", ".") if comma else cell.text
        large = _is_number(text) and abs(float(text)) > FARTHEST
        if large or not _is_number(text):
            what = f"beyond {FARTHEST:g}" if large or INFINITE.fullmatch(text) else "not a number"
            raise FileError(
                f"{path}, {cell.place}: {cell.text!r:.60} is {what}.",
                fix="write text as numbers, one column for each choice with 0 and 1, or delete "
                "the column; if this is the target, name it with --target, without "
                "--task regression.",
            )
        numbers.append(float(text))
    return numbers


def _task(goal: Sequence[Cell], comma: bool) -> str:
    """Decide by the target: text, and whole numbers of which there are few, are classes."""
    texts = [cell.text.replace(",", ".") if comma else cell.text for cell in goal]
    if not all(map(_is_number, texts)):
        return "classification"
    different = sorted({float(text) for text in texts})
    few = len(different) <= max(2, min(WHOLE_CLASSES, len(texts) // 3))
    return "classification" if few and all(x.is_integer() for x in different) else "regression"


def _class_name(cell: Cell, comma: bool) -> str:
    """Return the name of a class: 1, 1.0 and 01 are one class."""
    text = cell.text.replace(",", ".") if comma else cell.text
    return f"{float(text):.17g}" if _is_number(text) and isfinite(float(text)) else cell.text


def _classes(path: Path, goal: Sequence[Cell], comma: bool) -> tuple[str, ...]:
    """Return the names of the classes, numbers in their order, else by the alphabet."""
    counts = Counter(_class_name(cell, comma) for cell in goal)
    if len(counts) > min(MOST_CLASSES, len(goal) // 2):
        raise FileError(
            f"{path}: the target {goal[0].column!r:.60} has {len(counts)} classes in {len(goal)} "
            "lines.",
            expected=f"at most {MOST_CLASSES}, of two samples each on average",
            fix="name another column with --target NAME, or learn amounts: --task regression.",
        )
    if all(map(_is_number, counts)):
        return tuple(sorted(counts, key=float))
    return tuple(sorted(counts))
