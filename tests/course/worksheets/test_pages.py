"""Worksheets as pages: one for each name, then the answers, and nothing loaded."""

import re

from tinygrad_edu.course.worksheets.sheets import sheets_of


def test_a_class_gets_a_page_a_name_then_the_answers():
    """Two of one name get two graphs; names are escaped."""
    page = sheets_of(7, ["Ada", "<b>Bo", "Ada"])

    formulas = re.findall(r'class="formula">L = (.*?)[<&]', page)

    assert page.count("<section>") == 6
    assert page.count("<footer>Answers") == 3
    assert page.index("Answers</b>") > page.rindex("Name:")
    assert formulas[0] != formulas[2]
    assert "<b>Bo" not in page
    assert "&lt;b&gt;Bo" in page


def test_pages_load_nothing():
    """They say so to the browser, and name no address but that of SVG itself."""
    page = sheets_of(7, [])

    assert "default-src 'none'" in page
    assert set(re.findall(r"https?://[^\"' ]+", page)) <= {"http://www.w3.org/2000/svg"}
