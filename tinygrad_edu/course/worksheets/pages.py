"""Worksheets as pages to print."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

_DOCUMENT = """\
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
footer {{ font-size: 9pt; color: #444; margin-top: 3mm; }}
</style>
</head>
<body>
{pages}
</body>
</html>
"""


def document(pages: Sequence[str], title: str) -> str:
    """Join all pages to one file of HTML that loads nothing."""
    return _DOCUMENT.format(title=escape(title), pages="\n".join(pages))


def question_page(
    svg: str, *, name: str, seed: int, formula: str, given: str, asked: Sequence[str]
) -> str:
    """Write a page with blanks."""
    lines = "".join(f'<span>{escape(x)} = <span class="blank"></span></span>' for x in asked)
    who = escape(name) if name else '<span class="blank" style="width:55mm"></span>'
    return f"""<section>
<header><b>Forward and backward through a graph</b><span>Name: {who}</span></header>
<p class="formula">L = {escape(formula)} &nbsp; at &nbsp; {escape(given)}</p>
<p>First go forward: write each value above its wire. Then go backward from ∂L/∂L = 1: write below
each wire what it adds to the gradient of the value it comes from (at ∇). Where a value feeds two
operations, the two add up (at Σ∇).</p>
<figure>{svg}</figure>
<div class="asked">{lines}</div>
<footer>Worksheet {seed}</footer>
</section>"""


def answer_page(svg: str, *, name: str, seed: int, formula: str, found: Sequence[str]) -> str:
    """Write a page with the answers."""
    lines = "".join(f"<span>{escape(x)}</span>" for x in found)
    return f"""<section>
<header><b>Answers</b><span>{escape(name)}</span></header>
<p class="formula">L = {escape(formula)}</p>
<figure class="answers">{svg}</figure>
<div class="asked">{lines}</div>
<footer>Answers to worksheet {seed}</footer>
</section>"""
