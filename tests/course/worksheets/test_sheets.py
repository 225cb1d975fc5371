"""Worksheets: blanks that tell nothing, and the same bytes for a seed."""

import re
import subprocess
import sys

import pytest

from tinygrad_edu import topological_order
from tinygrad_edu.course import worksheet
from tinygrad_edu.course.worksheets.pages import document
from tinygrad_edu.course.worksheets.problems import OPERATIONS
from tinygrad_edu.course.worksheets.sheets import sheets_of
from tinygrad_edu.engine.errors import SettingError
from tinygrad_edu.shared.tables import typeset

every_level = pytest.mark.parametrize("level", OPERATIONS)


def texts(svg):
    """What is written in a picture."""
    return re.findall(r"<text[^>]*>(.*?)</text>", svg)


@every_level
def test_blanks_tell_no_number_but_those_given(level):
    """Nothing in the picture, its tooltips or its wires' widths gives an answer away."""
    for seed in range(10):
        sheet = worksheet(seed, level=level)
        svg = sheet.svg()

        numbers = [text for text in texts(svg) if re.fullmatch(r"−?[\d.]+", text)]

        given = {typeset(v.data) for v in sheet.leaves}
        assert set(numbers) <= given
        assert re.findall(r"<title>(.*?)</title>", svg) == ["a computation graph to fill in"]
        assert len(set(re.findall(r'stroke-width="([\d.]+)"/><path', svg))) == 1
        assert all(text.count("____") == 1 for text in texts(svg) if "∇" in text)


@every_level
def test_each_wire_has_blanks(level):
    """One for each value that is computed, one for each gradient, one for each sum of two."""
    sheet = worksheet(3, level=level)
    order = topological_order(sheet.term.value)
    inputs = [v for node in order for v in node.inputs]
    computed = sum(v.op is not None for v in inputs) + 1  # and the result
    shared = sum(inputs.count(v) > 1 for v in order)

    blanks = [text for text in texts(sheet.svg()) if "____" in text]

    assert len(blanks) == computed + (len(inputs) + 1) + shared


def test_the_answer_page_has_every_gradient():
    """The value of L, and that of each leaf."""
    sheet = worksheet(7)

    lines = sheet.answer_page().lines

    assert lines[0] == f"L = {typeset(sheet.term.value.data)}"
    assert list(lines[1:]) == [f"∂L/∂{v.label} = {typeset(v.grad)}" for v in sheet.leaves]


def test_another_seed_is_another_sheet():
    """Another name, too; and the same ones give the same."""
    pages = [worksheet(1).page(), worksheet(2).page(), worksheet(1, "Ada").page()]

    assert len({page.svg for page in pages}) == 3
    assert worksheet(1, "Ada").page() == pages[2]


def test_the_same_bytes_in_every_process():
    """Whatever hashes are there."""
    code = (
        "from tinygrad_edu.course.worksheets import pages, sheets; "
        "print(pages.document(sheets.sheets_of(7, 'AB')))"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONIOENCODING": "utf-8", "PATH": ""},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]

    assert runs[0] == runs[1]
    assert runs[0].decode().rstrip("\n") == document(sheets_of(7, ["A", "B"])).rstrip("\n")


@pytest.mark.parametrize(
    "settings", [{"seed": -1}, {"seed": 1.5}, {"seed": 1, "level": 4}, {"seed": 1, "level": "2"},
                 {"seed": 1, "level": True}, {"seed": 1, "level": []}, {"seed": 1, "name": 3}],
)  # fmt: skip
def test_settings_outside_are_refused(settings):
    """Before work starts."""
    with pytest.raises(SettingError, match=r"seed|level|name"):
        worksheet(**settings)


def test_a_sheet_shows_itself():
    """As a picture in a notebook, as a line in a terminal."""
    sheet = worksheet(7)

    assert sheet._repr_html_().startswith("<svg")
    assert str(sheet).startswith("L = ")
