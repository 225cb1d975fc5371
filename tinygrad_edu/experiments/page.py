"""One HTML page with all its pictures inside, which a browser shows without a network."""

from __future__ import annotations

from base64 import b64encode
from html import escape
from pathlib import Path
from typing import Any, NamedTuple
from warnings import catch_warnings, filterwarnings

from tinygrad_edu.shared.plots import png_of
from tinygrad_edu.viz import Drawing

STYLE = """\
body { font: 16px/1.5 Helvetica, Arial, sans-serif; max-width: 60rem; margin: 2rem auto;
  padding: 0 1rem; color: #1f2328; background: #fff }
table { border-collapse: collapse; display: block; overflow-x: auto;
  font-family: Georgia, "Times New Roman", serif }
caption { font: 16px/1.5 Helvetica, Arial, sans-serif; text-align: left }
th { font: bold 14px Helvetica, Arial, sans-serif }
th, td { padding: .15rem 1.2rem .15rem 0; border-bottom: 1px solid #d8dee4; white-space: nowrap }
img { max-width: 100%; height: auto } pre { overflow-x: auto } h2 { margin-top: 2rem }
"""


class Figure(NamedTuple):
    """A drawing with its own section on a page, and its own file."""

    file: str
    title: str
    text: str
    drawing: Drawing


class Page:
    """A page that grows by sections, and the files that go with it.

    Titles and texts are plain text; ``html`` is markup.
    """

    def __init__(self, title: str, headline: str) -> None:
        self.title, self.headline = title, headline
        self.sections: list[str] = []
        self.files: dict[str, bytes] = {}

    def add(self, title: str, html: str, text: str = "") -> None:
        """Add a section: a heading, a paragraph, and what it is about."""
        paragraph = f"<p>{escape(text)}</p>\n" if text else ""
        self.sections.append(f"<h2>{escape(title)}</h2>\n{paragraph}{html}")

    def add_plot(self, file: str, title: str, plot: Any) -> None:
        """Add a section with a Matplotlib figure, which is also a PNG file."""
        with catch_warnings():  # a user's name may have letters that no font here has
            filterwarnings("ignore", "Glyph")
            self.files[file] = png_of(plot)
        code = b64encode(self.files[file]).decode()
        self.add(title, f'<img alt="{escape(title)}" src="data:image/png;base64,{code}">')

    def add_figure(self, figure: Figure) -> None:
        """Add a section with a drawing that can be stepped through, which is also an SVG file."""
        self.files[figure.file] = figure.drawing.svg().encode()
        self.add(figure.title, figure.drawing.html(), figure.text)

    def write(self, folder: Path) -> list[str]:
        """Write the page as ``index.html``, and its files, to a new folder; return their names."""
        parts = "\n".join(self.sections)
        html = f"""<!doctype html>
<html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>tinygrad_edu: {escape(self.title)}</title>
<style>
{STYLE}</style>
<h1>{escape(self.title)}</h1>
<p>{escape(self.headline)}</p>
{parts}
</html>
"""
        files = {"index.html": html.encode(), **self.files}
        for name, content in files.items():
            (folder / name).write_bytes(content)
        return list(files)
