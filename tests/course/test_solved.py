"""Progress is kept in a small file, or in memory with a note; it is never lost in silence."""

import json

import pytest

from tinygrad_edu.course import EXERCISES, check, progress
from tinygrad_edu.course.solved import NAME, RECORD, State


def test_a_solved_exercise_is_in_the_file(progress_file, capsys):
    """As JSON that a person can read."""
    check.remember_1(8)
    check.remember_1(-8)

    content = json.loads(progress_file.read_text())

    assert content["exercises"] == {"remember_1": {"solved": True, "tries": 2, "hints": 0}}


def test_without_a_name_the_file_is_in_the_working_folder(tmp_path, monkeypatch, capsys):
    """``.tinygrad_edu_course.json``, where the notebooks are."""
    monkeypatch.delenv("TINYGRAD_EDU_COURSE")
    monkeypatch.chdir(tmp_path)

    check.remember_1(-8)

    assert (tmp_path / NAME).is_file()


def test_another_notebook_is_seen(progress_file, capsys):
    """Two notebooks share the file: what the one writes the other reads."""
    check.remember_1(-8)
    content = json.loads(progress_file.read_text())
    content["exercises"]["gates_1"] = {"solved": True, "tries": 1, "hints": 0}
    progress_file.write_text(json.dumps(content))

    check.remember_3(3)

    assert progress().solved == 3


def test_a_folder_that_can_not_be_written_to_is_noted_once(tmp_path, monkeypatch, capsys):
    """Progress stays in memory, and a note says so."""
    monkeypatch.setenv("TINYGRAD_EDU_COURSE", str(tmp_path / "missing" / "file.json"))

    check.remember_1(-8)
    check.remember_3(3)

    assert progress().solved == 2
    assert capsys.readouterr().out.count("Progress is kept in memory only") == 1
    assert "memory only" in str(progress())


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "{}", '{"format": 2, "exercises": {}}', '{"format": 1, "exercises": [1]}',
        '{"format": 1, "exercises": {"a": {"solved": 1}}}', "\x00", "[" * 100_000,
        '{"format": 1, "exercises": {"a": {"solved": 1, "tries": "x", "hints": 0}}}',
    ],
)  # fmt: skip
def test_a_file_that_is_no_record_is_left_alone(text, progress_file, capsys):
    """Whoever wrote it: it is not overwritten, and a note says why."""
    progress_file.write_text(text)

    check.remember_1(-8)

    assert progress_file.read_text() == text
    assert progress().solved == 1
    assert "can't be read" in capsys.readouterr().out


def test_progress_is_a_table_of_twelve_notebooks(capsys):
    """As text: number, title, squares, counts."""
    check.remember_1(-8)

    lines = str(progress()).splitlines()

    assert lines[0].split("  ")[0] == "01"
    assert lines[0].split()[-4:] == ["■□□□", "1", "of", "4"]
    assert lines[-1] == f"1 of {len(EXERCISES)} exercises solved"
    assert len(lines) == 13


def test_progress_as_html_names_what_is_open(capsys):
    """The ids that are left, in words."""
    check.remember_1(-8)

    html = progress()._repr_html_()

    assert "remember_2, remember_3, remember_4" in html
    assert "1 of 4" in html


def test_a_notebook_that_is_done_says_so():
    """With a sign and a word."""
    for i in range(1, 5):
        RECORD.put(f"remember_{i}", State(solved=True))

    assert "✓ all solved" in progress()._repr_html_()
    assert progress().rows[0][2:4] == (4, 4)
