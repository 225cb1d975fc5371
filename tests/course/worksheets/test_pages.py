"""Worksheets as pages: one for each name, then the answers, and nothing loaded."""

import re
import sys

import pytest

from tinygrad_edu.course.worksheets.pages import document, pdf_of
from tinygrad_edu.course.worksheets.sheets import sheets_of
from tinygrad_edu.engine.errors import MissingExtraError


def test_a_class_gets_a_page_a_name_then_the_answers():
    """Two of one name get two graphs; names are escaped."""
    page = document(sheets_of(7, ["Ada", "<b>Bo", "Ada"]))

    formulas = re.findall(r'class="formula">L = (.*?)[<&]', page)

    assert page.count("<section>") == 6
    assert page.count("<footer>Answers") == 3
    assert page.index("Answers</b>") > page.rindex("Name:")
    assert formulas[0] != formulas[2]
    assert "<b>Bo" not in page
    assert "&lt;b&gt;Bo" in page


def test_a_page_without_a_name_loads_nothing_and_has_a_blank_for_it():
    """The browser is told so; no address but that of SVG; the blank is not on the answers."""
    page = document(sheets_of(7, []))

    assert "default-src 'none'" in page
    assert set(re.findall(r"https?://[^\"' ]+", page)) <= {"http://www.w3.org/2000/svg"}
    assert page.count('Name: <span class="blank name"></span>') == 1


def test_a_pdf_has_the_same_pages():
    """One for each sheet and each answer page; the same bytes again; a name is not markup."""
    pytest.importorskip("typst")
    pages = sheets_of(7, ["Ada", "Bo #panic() *x* $"], level=3)

    pdf = pdf_of(pages)

    assert len(re.findall(rb"/Type ?/Page\b", pdf)) == 4
    assert pdf == pdf_of(pages)


def test_without_typst_the_command_that_installs_it_is_told(monkeypatch):
    """It is the extra of that name."""
    monkeypatch.setitem(sys.modules, "typst", None)

    with pytest.raises(MissingExtraError, match=r"needs typst(.|\n)*tinygrad_edu\[pdf\]"):
        pdf_of(sheets_of(7, []))
