"""Progress is kept in a small file, or in memory with a note; it is never lost in silence."""

import json
import subprocess
import sys

import pytest

from tinygrad_edu.course import EXERCISES, check, progress
from tinygrad_edu.course.solved import NAME, RECORD, State


def lines(file):
    """Return what the file holds, line by line."""
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_each_try_and_each_hint_is_a_line_of_the_file(progress_file, capsys):
    """As JSON that a person can read; a hint that is seen again is not."""
    check.remember_1(8)
    check.remember_1.hint()
    check.remember_1.hint(1)
    check.remember_1(-8)

    assert lines(progress_file) == [
        {"exercise": "remember_1", "solved": False, "tries": 1, "hints": 0},
        {"exercise": "remember_1", "solved": False, "tries": 0, "hints": 1},
        {"exercise": "remember_1", "solved": True, "tries": 1, "hints": 0},
    ]
    assert RECORD.state("remember_1") == State(solved=True, tries=2, hints=1)


def test_without_a_name_the_file_is_in_the_working_folder(tmp_path, monkeypatch, capsys):
    """``.tinygrad_edu_course.json``, where the notebooks are."""
    monkeypatch.delenv("TINYGRAD_EDU_COURSE")
    monkeypatch.chdir(tmp_path)

    check.remember_1(-8)

    assert (tmp_path / NAME).is_file()


FIRST_EDITION = {
    "format": 1,
    "exercises": {"gates_1": {"solved": True, "tries": 3, "hints": 2}},
}


def test_a_file_of_the_first_edition_is_read_and_goes_on(progress_file, capsys):
    """It was one JSON object, in several lines."""
    progress_file.write_text(json.dumps(FIRST_EDITION, indent=1) + "\n")

    check.gates_1(8)
    check.remember_1(-8)

    RECORD.forget()
    assert RECORD.state("gates_1") == State(solved=True, tries=4, hints=2)
    assert progress().solved == 2
    assert progress_file.read_text().startswith(json.dumps(FIRST_EDITION, indent=1))


CODE = """
from tinygrad_edu.course import check
for answer in [1] * 20:
    check.{}(answer)
check.remember_1(-8)
"""


def test_two_notebooks_that_write_at_once_lose_nothing(progress_file):
    """Each of three processes hands in 21 answers, two of them to the same exercise."""
    ids = ["remember_1", "remember_3", "remember_3"]
    command = [[sys.executable, "-c", CODE.format(id)] for id in ids]
    running = [subprocess.Popen(line, stdout=subprocess.DEVNULL) for line in command]

    assert [process.wait() for process in running] == [0, 0, 0]
    assert len(lines(progress_file)) == 3 * 21
    assert RECORD.state("remember_3").tries == 40
    assert RECORD.state("remember_1") == State(solved=True, tries=23)


def test_a_line_that_was_cut_short_costs_itself_alone(progress_file, capsys):
    """As by a full disk: what is before it counts, and what is added goes on a line of its own."""
    check.remember_1(-8)
    with progress_file.open("a") as file:
        file.write('{"exercise": "rem')

    check.remember_3(3)

    assert progress().solved == 2
    assert progress_file.read_text().splitlines()[1] == '{"exercise": "rem'


def test_a_full_disk_does_not_cost_the_verdict(progress_file):
    """It is told, and progress stays in memory."""
    resource = pytest.importorskip("resource")
    code = """
from tinygrad_edu.course import check, progress
check.remember_1(8)
print(bool(check.remember_1(-8)), progress().solved)
"""

    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100)),
    )  # fmt: skip

    assert "Progress is kept in memory only: its file can't be written" in run.stdout, run.stderr
    assert run.stdout.endswith("✓ remember_1: right\nTrue 1\n")


@pytest.mark.parametrize("name", [".", "/dev/null", "/dev/zero", "x" * 300, "link"])
def test_what_is_no_file_is_told_in_words(name, tmp_path, monkeypatch, capsys):
    """A folder, devices, a name that is too long, a link that leads to itself."""
    (tmp_path / "link").symlink_to(tmp_path / "link")
    monkeypatch.setenv("TINYGRAD_EDU_COURSE", str(tmp_path / name))

    assert check.remember_1(-8)

    assert "Progress is kept in memory only" in capsys.readouterr().out
    assert progress().solved == 1


def test_a_working_folder_that_is_gone_is_told_in_words(tmp_path, monkeypatch, capsys):
    """Another program may have removed it."""
    monkeypatch.delenv("TINYGRAD_EDU_COURSE")
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()

    assert check.remember_1(-8)

    assert "Progress is kept in memory only" in capsys.readouterr().out
    monkeypatch.chdir(tmp_path)


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
        "{", "[]", "3", '"text"',
        "{}", '{"format": 2, "exercises": {}}', '{"format": 1, "exercises": [1]}',
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
        RECORD.add(f"remember_{i}", State(solved=True))

    assert "✓ all solved" in progress()._repr_html_()
    assert progress().rows[0][2:4] == (4, 4)
