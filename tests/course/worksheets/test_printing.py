"""Worksheets as files: a page, a PDF if Typst is installed, and names read from a class list."""

import os
import sys

import pytest

from tinygrad_edu.course import read_names, write_worksheets
from tinygrad_edu.course.worksheets import printing
from tinygrad_edu.course.worksheets.pages import document
from tinygrad_edu.course.worksheets.sheets import sheets_of
from tinygrad_edu.engine.errors import FileError, SettingError


def test_a_file_is_written_where_it_is_named(tmp_path):
    """The page of sheets_of, and nothing else without a PDF."""
    written = write_worksheets(tmp_path / "mine.html", 3, ["Ada"], pdf=False)

    assert written.files == (tmp_path / "mine.html",)
    assert written.files[0].read_text(encoding="utf-8") == document(sheets_of(3, ["Ada"]))


def test_in_a_folder_the_file_is_named_by_its_seed(tmp_path):
    """The folder is made."""
    written = write_worksheets(tmp_path / "new", 3, pdf=False)

    assert written.files == (tmp_path / "new" / "worksheet-3.html",)


def test_without_typst_there_is_a_note(tmp_path, monkeypatch):
    """The page is there; how to get a PDF is said."""
    monkeypatch.setitem(sys.modules, "typst", None)

    written = write_worksheets(tmp_path, 3)

    assert [file.suffix for file in written.files] == [".html"]
    assert 'pip install "tinygrad_edu[pdf]"' in written.note


def test_a_pdf_is_written_beside_the_page(tmp_path):
    """Of the same name, and without a note."""
    pytest.importorskip("typst")

    written = write_worksheets(tmp_path / "mine.html", 7, ["Ada", "Bo"], level=3)

    assert written.note == ""
    assert [file.name for file in written.files] == ["mine.html", "mine.pdf"]
    assert written.files[1].read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize(
    "names", ["Ada", ["x"] * (printing.MOST_NAMES + 1), None, 3, [3], [None], [["Ada"]]]
)
def test_names_are_a_list_of_some(names, tmp_path):
    """One text would give a sheet for each of its letters."""
    with pytest.raises(SettingError, match=r"names? is"):
        write_worksheets(tmp_path, 7, names)

    assert list(tmp_path.iterdir()) == []


def test_what_can_not_stand_on_a_page_is_left_out_of_a_name(tmp_path):
    """Control characters and halves of surrogate pairs; joiners, which Persian needs, stay."""
    names = ["A\0d\x1ba\ud800", "\u0645\u06cc\u200c\u062e"]

    (page,) = write_worksheets(tmp_path, 7, names, pdf=False).files

    assert page.read_text(encoding="utf-8") == document(sheets_of(7, ["Ada", names[1]]))


def test_a_pdf_that_fails_leaves_the_old_page(tmp_path, monkeypatch):
    """Page and PDF are of one seed, or both as they were."""
    (tmp_path / "mine.html").write_text("old")

    def fails(sheets):
        raise FileError("no fonts", fix="install some.")

    monkeypatch.setattr(printing, "pdf_of", fails)
    with pytest.raises(FileError, match="no fonts"):
        write_worksheets(tmp_path / "mine.html")

    assert (tmp_path / "mine.html").read_text() == "old"


def test_a_class_list_is_read(tmp_path):
    """UTF-8 with or without its mark, blank lines left out, blanks trimmed."""
    file = tmp_path / "names.txt"
    file.write_bytes("\ufeffAda  Lovelace\r\n\n  Çelik \n".encode())

    assert read_names(file) == ["Ada Lovelace", "Çelik"]


@pytest.mark.parametrize("content", [None, b"", b" \n\n", b"\xff\xfe\x00", b"Ada\n" * 300_000])
def test_what_is_not_a_class_list_is_refused(content, tmp_path):
    """Missing, empty, not text, or too large."""
    file = tmp_path / "names.txt"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(FileError, match="the class list"):
        read_names(file)


def test_a_page_of_another_kind_is_refused(tmp_path):
    """``--out x.pdf`` makes no folder of that name; a folder with a dot in its name is one."""
    (tmp_path / "2.b").mkdir()

    with pytest.raises(SettingError, match=r"x\.pdf' is not the name of a page"):
        write_worksheets(tmp_path / "x.pdf", pdf=False)

    assert write_worksheets(tmp_path / "2.b", pdf=False).files[0].parent == tmp_path / "2.b"
    assert os.listdir(tmp_path) == ["2.b"]
