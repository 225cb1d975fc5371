"""The page: text is escaped, pictures are inside, and every file is written."""

import re

from matplotlib.figure import Figure as Plot

from tinygrad_edu import Value, draw
from tinygrad_edu.experiments.page import Figure, Page


def test_text_is_never_markup(tmp_path):
    """Titles, headline and texts are escaped; what a section shows is not."""
    page = Page("<title>", "1 < 2")
    page.add("<heading>", "<b>bold</b>", "<text>")

    page.write(tmp_path)

    html = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert html.count("&lt;title&gt;") == 2
    assert "1 &lt; 2" in html
    assert "<h2>&lt;heading&gt;</h2>\n<p>&lt;text&gt;</p>\n<b>bold</b>" in html


def test_pictures_are_inside_the_page_and_beside_it(tmp_path):
    """A plot as PNG, a drawing as SVG; the page asks for nothing else."""
    page = Page("A page", "with pictures")
    page.add_plot("plot.png", "A plot", Plot())
    page.add_figure(Figure("graph.svg", "A graph", "", draw(Value(2.0) * 3.0)))

    files = page.write(tmp_path)

    html = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert files == ["index.html", "plot.png", "graph.svg"]
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "graph.svg").read_text(encoding="utf-8").startswith("<svg")
    assert len(re.findall(r'src="data:image/', html)) == 2
    assert not re.search(r'(src|href)="(?!data:)', html)


def test_a_telephone_shows_the_page_in_its_own_width(tmp_path):
    """Without this line it draws the page 980 wide, and shrinks it until nothing can be read."""
    Page("A page", "").write(tmp_path)

    html = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in html
