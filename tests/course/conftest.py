"""Progress goes to a file of each test's own, and no check runs as in CI unless a test says so."""

import pytest

from tinygrad_edu.course.solved import RECORD


@pytest.fixture(autouse=True)
def progress_file(tmp_path, monkeypatch):
    """The file of this test's progress."""
    file = tmp_path / "progress.json"
    monkeypatch.setenv("TINYGRAD_EDU_COURSE", str(file))
    monkeypatch.delenv("CI", raising=False)
    RECORD.forget()
    yield file
    RECORD.forget()
