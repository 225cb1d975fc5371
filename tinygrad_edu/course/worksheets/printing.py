"""Worksheets as files: always HTML, and a PDF if Typst is installed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tinygrad_edu.course.worksheets.pages import document, pdf_of
from tinygrad_edu.course.worksheets.sheets import sheets_of
from tinygrad_edu.engine.errors import FileError, MissingExtraError, SettingError
from tinygrad_edu.shared.arguments import whole
from tinygrad_edu.shared.files import as_path, read_limited, writable_folder, write_atomically

MOST_NAMES = 1_000
NO_PDF = (
    'No PDF: typst is not installed. Run pip install "tinygrad_edu[pdf]", or open the page in a '
    "browser and print it."
)
LONGEST_LIST = 2**20  # bytes of a class list


@dataclass(frozen=True)
class Written:
    """The files that were written, and a note if there is something to add."""

    files: tuple[Path, ...]
    note: str = ""


def write_worksheets(
    path: str | Path, seed: int = 7, names: Sequence[str] = (), *, level: int = 2, pdf: bool = True
) -> Written:
    """Write worksheets with their answer pages: for each name a sheet with its own graph.

    Parameters
    ----------
    path : a file that ends in .html, or a folder, where it is called worksheet-<seed>.html
    seed : int >= 0; the same seed and names give the same bytes
    names : list of str, for example from :func:`read_names`; empty for one sheet without a name
    level : 1, 2 or 3, for 3, 5 or 7 operations
    pdf : bool, also write a PDF beside it, if the extra ``pdf`` is installed

    Returns
    -------
    Written
        The files, and a note if the PDF could not be made.

    Raises
    ------
    SettingError
        If a setting is not as described above.
    FileError
        If a file can't be written.
    """
    seed, page = whole("seed", seed, least=0), as_path(path)
    if isinstance(names, str) or not isinstance(names, Sequence) or len(names) > MOST_NAMES:
        many = isinstance(names, Sequence) and not isinstance(names, str)
        raise SettingError(
            f"names is {f'a list of {len(names)}' if many else f'{names!r:.60}'}.",
            expected=f"a list of at most {MOST_NAMES} names",
            fix="split the class, or read the names from a file with read_names(file).",
        )
    if page.suffix.lower() != ".html":
        page = _folder(page) / f"worksheet-{seed}.html"
    writable_folder(page.parent)
    sheets = sheets_of(seed, list(names), level)
    files, note = {page: document(sheets).encode()}, ""
    if pdf:
        try:
            files[page.with_suffix(".pdf")] = pdf_of(sheets)
        except MissingExtraError:
            note = NO_PDF
    for file, content in files.items():
        write_atomically(file, content)
    return Written(tuple(files), note)


def read_names(file: str | Path) -> list[str]:
    """Read names from a text file, one per line; empty lines are left out.

    Raises
    ------
    FileError
        If it can't be read as UTF-8 text, is larger than 1 MB, or holds no name.
    """
    try:
        text = read_limited(file, LONGEST_LIST, "the class list").decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileError(
            f"the class list {file} can't be read: {error}.",
            expected="a text file in UTF-8, with one name per line",
            fix="save the list as plain text with the encoding UTF-8.",
        ) from None
    names = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    if not names:
        raise FileError(f"the class list {file} is empty.", fix="write one name on each line.")
    return names


def _folder(path: Path) -> Path:
    """Check that a path means a folder, not a file of another kind; it need not exist yet."""
    if path.suffix and not path.is_dir():
        raise SettingError(
            f"{str(path)!r:.80} is not the name of a page.",
            expected="a name that ends in .html, or a folder",
            fix=f"write {path.with_suffix('.html')}; the PDF is written beside it.",
        )
    return path
