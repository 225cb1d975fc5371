"""The list of files names every module with the first sentence of its docstring."""

import pytest

from docs.files import PACKAGE, PAGE, files_page, summary


def test_every_room_and_every_module_has_its_place():
    """A heading for a room, a line with a link for a module."""
    page = files_page()

    for file in PACKAGE.rglob("*.py"):
        name = file.relative_to(PACKAGE.parent).as_posix()
        room = f"## {name.removesuffix('__init__.py')}\n\n"
        assert (room if file.stem == "__init__" else f"](../{name}): ") in page


@pytest.mark.parametrize(
    ("docstring", "expected"),
    [
        ("Say one thing.", "Say one thing."),
        ("Say one thing. Then another.", "Say one thing."),
        ("``f``: say 1.5\nof two lines.\n\nMore.", "`f`: say 1.5 of two lines."),
    ],
)
def test_a_summary_is_the_first_sentence(tmp_path, docstring, expected):
    """However many lines it has; code is marked as Markdown marks it."""
    (tmp_path / "module.py").write_text(f'"""{docstring}"""\n', encoding="utf-8")

    assert summary(tmp_path / "module.py") == expected


def test_the_page_is_up_to_date():
    """``python -m docs files`` writes it again."""
    assert PAGE.read_text(encoding="utf-8") == files_page(), "run: python -m docs files"
