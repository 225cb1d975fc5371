"""The page for teachers tells the truth: its programs print what their comments say."""

import re
from pathlib import Path

import pytest

from tinygrad_edu import course

PAGE = Path(__file__).parents[2] / "docs" / "teachers.md"
PROGRAMS = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_prints_what_its_comments_say(program, tmp_path, monkeypatch, capsys):
    """Each line that prints ends in a comment, which begins with what is printed."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "names.txt").write_text("Ada\nEmmy\n", encoding="utf-8")

    exec(compile(program, "docs/teachers.md", "exec"), {})

    printed = capsys.readouterr().out.splitlines()
    told = re.findall(r"^print\(.*\) +# (.*)$", program, re.MULTILINE)
    assert printed
    assert all(comment.startswith(line) for comment, line in zip(told, printed, strict=True))


def test_every_public_name_of_the_course_is_shown():
    """It stands in a notebook or on the page for teachers, or a function shown there returns it."""
    texts = [PAGE, *(PAGE.parents[1] / "notebooks").glob("*.ipynb")]
    shown = "\n".join(file.read_text(encoding="utf-8") for file in texts)
    returned = {"Copied", "Progress", "Verdict", "Worksheet", "Written"}

    missing = {name for name in course.__all__ if not re.search(rf"\b{name}\b", shown)}

    assert missing <= returned
