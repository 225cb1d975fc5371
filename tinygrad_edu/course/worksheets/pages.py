"""Worksheets as pages to print: one file of HTML, or a PDF that Typst makes of the same pages."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from html import escape

from tinygrad_edu.shared.arguments import extra


@dataclass(frozen=True)
class SheetPage:
    """A page in words and one picture, before it is written as HTML or printed.

    ``lines`` are the results: with ``blanks`` each is asked for, without them it is told.
    """

    title: str
    name: str
    formula: str
    advice: str
    svg: str
    lines: tuple[str, ...]
    blanks: bool
    footer: str


NAMELESS = '<span class="blank name"></span>'  # where a learner writes the name

_HTML = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>
@page {{ size: A4 landscape; margin: 12mm; }}
body {{ font: 12pt/1.4 Helvetica, Arial, sans-serif; color: #000; background: #fff; margin: 0; }}
section {{ break-after: page; box-sizing: border-box; width: 273mm; height: 184mm; margin: 0 auto;
  display: flex; flex-direction: column; overflow: hidden; }}
section:last-child {{ break-after: auto; }}
@media screen {{ section {{ margin: 10mm auto; }} }}
header {{ display: flex; justify-content: space-between; border-bottom: 1px solid #000;
  padding-bottom: 1mm; }}
header b {{ font-size: 15pt; }}
p {{ margin: 2mm 0 0; }}
.formula {{ font-size: 14pt; }}
figure {{ flex: 1; min-height: 0; margin: 3mm 0; display: flex; justify-content: center; }}
figure svg {{ width: 100%; height: 100%; }}
figure.answers {{ padding: 6mm 25mm; }}
.asked {{ display: flex; gap: 8mm; font-size: 14pt; flex-wrap: wrap; }}
.blank {{ display: inline-block; width: 22mm; border-bottom: 1px solid #000; }}
.name {{ width: 55mm; }}
footer {{ font-size: 9pt; color: #444; margin-top: 3mm; }}
</style>
</head>
<body>
{pages}
</body>
</html>
"""

_TYPST = """\
#set document(title: sys.inputs.title, date: none)
#set page("a4", flipped: true, margin: 12mm)
#set text(12pt, font: ("Helvetica", "Arial", "Liberation Sans", "Libertinus Serif"))
#let blank(width) = box(width: width, height: 0.8em, stroke: (bottom: 0.7pt))
#for page in json(bytes(sys.inputs.pages)) [
  #grid(
    columns: (1fr, auto), stroke: (bottom: 0.7pt), inset: (x: 0pt, bottom: 2mm),
    text(15pt, weight: "bold", page.title),
    if page.blanks [Name: #if page.name == "" { blank(55mm) } else { page.name }]
    else { page.name },
  )
  #text(14pt, page.formula)

  #page.advice
  #block(
    height: 1fr, width: 100%, inset: if page.blanks { 0mm } else { (x: 25mm, y: 6mm) },
    image(bytes(page.svg), format: "svg", width: 100%, height: 100%, fit: "contain"),
  )
  #set text(14pt)
  #page.lines.map(line => if page.blanks [#line = #blank(22mm)] else { line }).join(h(8mm))
  #v(1mm)
  #text(9pt, luma(68), page.footer)
  #pagebreak(weak: true)
]
"""


def document(pages: Sequence[SheetPage]) -> str:
    """Join all pages to one file of HTML that loads nothing."""
    return _HTML.format(title=escape(pages[0].footer), pages="\n".join(map(html_of, pages)))


def html_of(page: SheetPage) -> str:
    """Write a page as a section of HTML."""
    name, lines = escape(page.name), [escape(line) for line in page.lines]
    if page.blanks:
        name = f"Name: {name or NAMELESS}"
        lines = [f'{line} = <span class="blank"></span>' for line in lines]
    advice = f"<p>{escape(page.advice)}</p>\n" if page.advice else ""
    return f"""<section>
<header><b>{escape(page.title)}</b><span>{name}</span></header>
<p class="formula">{escape(page.formula)}</p>
{advice}<figure{"" if page.blanks else ' class="answers"'}>{page.svg}</figure>
<div class="asked">{"".join(f"<span>{line}</span>" for line in lines)}</div>
<footer>{escape(page.footer)}</footer>
</section>"""


def pdf_of(pages: Sequence[SheetPage]) -> bytes:
    """Print the pages as a PDF; raise MissingExtraError if Typst is not installed."""
    typst = extra("typst", "typst", "a worksheet as a PDF", "pdf")
    inputs = {"title": pages[0].footer, "pages": json.dumps([asdict(page) for page in pages])}
    pdf: bytes = typst.compile(_TYPST.encode(), sys_inputs=inputs)
    return pdf
