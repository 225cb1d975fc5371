"""``tinygrad-edu course`` and ``worksheet``."""

from tinygrad_edu.cli import main


def test_the_notebooks_are_copied_and_changed_ones_kept(tmp_path, capsys):
    """Twelve at first; then what the learner wrote stays, and what is missing comes back."""
    folder = tmp_path / "lessons"
    assert main(["course", str(folder)]) == 0
    notebooks = sorted(folder.glob("*.ipynb"))
    assert len(notebooks) == 12
    notebooks[0].write_text("mine", encoding="utf-8")
    notebooks[1].unlink()
    capsys.readouterr()

    assert main(["course", str(folder)]) == 0

    shown = capsys.readouterr().out
    assert notebooks[0].read_text(encoding="utf-8") == "mine"
    assert notebooks[1].exists()
    assert notebooks[0].name in shown
    assert "jupyter lab" in shown


def test_a_class_gets_a_sheet_each(tmp_path, capsys):
    """One name per line of the file; the page has them all."""
    (tmp_path / "names.txt").write_text("Ada\nEmmy <Noether>\n", encoding="utf-8")
    page = tmp_path / "sheets.html"

    code = main(
        ["worksheet", "--class-list", str(tmp_path / "names.txt"), "-o", str(page), "--no-pdf"]
    )

    text = page.read_text(encoding="utf-8")
    assert code == 0
    assert str(page) in capsys.readouterr().out
    assert "Ada" in text
    assert "Emmy &lt;Noether&gt;" in text
