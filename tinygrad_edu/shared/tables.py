"""The one printer of numbers, counts and tables, as text and as HTML."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from html import escape
from math import floor, isfinite, log10
from textwrap import fill

LONG, ENDS = 7, 2  # a list of more than LONG items is cut to so many at each end


def number(x: float, digits: int = 4) -> str:
    """Write a number with so many significant digits, as Python would read it.

    Examples
    --------
    >>> from tinygrad_edu.shared.tables import number
    >>> number(-0.123456), number(2.0), number(1e-9, digits=6)
    ('-0.1235', '2', '1e-09')
    """
    return f"{x:.{digits}g}"


def typeset(x: float, digits: int = 3) -> str:
    """Write a number as mathematics does: a real minus sign, no + in an exponent, no -0.

    A number with one digit more than asked before its point is written whole: 1234, not 1.23e3.

    Examples
    --------
    >>> from tinygrad_edu.shared.tables import typeset
    >>> typeset(-0.59055), typeset(1234.5), typeset(12345.0), typeset(1e-9)
    ('−0.591', '1234', '1.23e4', '1e−9')
    """
    x += 0.0  # -0.0 becomes 0.0
    rounded = abs(float(f"{x:.{digits}g}"))
    if not isfinite(x):
        text = str(x)
    elif x == 0.0 or 1e-3 <= rounded < 10**digits:
        text = f"{x:.{digits}g}"
    elif rounded >= 10**digits and abs(x) < 10 ** (digits + 1) - 0.5:
        text = f"{x:.0f}"
    else:
        mantissa, exponent = f"{x:.{digits - 1}e}".split("e")
        text = f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
    return text.replace("-", "−")


def whole(n: int) -> str:
    """Write a count with commas, or its first digits: Python refuses to print huge integers."""
    if n < 10**12:
        return f"{n:,}"
    exponent = floor(log10(n))
    return f"about {10 ** (log10(n) - exponent):.2f}e{exponent}"


def wrapped(text: str) -> str:
    """Break a long statement of a program between its numbers or names."""
    return fill(text, 99, subsequent_indent="    ", break_on_hyphens=False, break_long_words=False)


def plural(n: int, noun: str) -> str:
    """Write a count with its noun: ``1 path``, ``2 paths``."""
    return f"{whole(n)} {noun}{'s' * (n != 1)}"


def ends(item: Callable[[int], str], length: int) -> list[str]:
    """Write every item, or the first and the last with the count of those between."""
    if length <= LONG:
        return [item(i) for i in range(length)]
    first, last = range(ENDS), range(length - ENDS, length)
    hidden = f"… {length - 2 * ENDS:,} more …"
    return [*map(item, first), hidden, *map(item, last)]


def text_table(rows: Sequence[Sequence[str]], align: str) -> list[str]:
    """Write a table as lines of text; ``align`` holds ``<`` or ``>`` for each column."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(f"{cell:{a}{w}}" for cell, a, w in zip(row, align, widths, strict=True)).rstrip()
        for row in rows
    ]


class Markup(str):
    """A cell of a table that is HTML already; every other cell is text, and is escaped."""


def html_table(
    caption: str, head: Sequence[str], rows: Iterable[Sequence[str]], align: str, foot: str = ""
) -> str:
    """Write a table as HTML, for a notebook or a report.

    Parameters
    ----------
    caption, head, foot : text; what is empty is left out
    rows : the cells, row by row; markup in them is shown as text, unless a cell is ``Markup``
    align : ``<`` or ``>`` for each column
    """
    styles = [f"text-align: {'left' if a == '<' else 'right'}" for a in align]

    def line(cells: Sequence[str], tag: str) -> str:
        html = [cell if isinstance(cell, Markup) else escape(cell) for cell in cells]
        pairs = zip(html, styles, strict=True)
        return "".join(f'<{tag} style="{style}">{cell}</{tag}>' for cell, style in pairs)

    parts = [f"<caption>{escape(caption)}</caption>"] if caption else []
    if head:
        parts.append(f"<thead><tr>{line(head, 'th')}</tr></thead>")
    body = "\n".join(f"<tr>{line(row, 'td')}</tr>" for row in rows)
    parts.append(f"<tbody>\n{body}\n</tbody>")
    if foot:
        cell = f'<td colspan="{len(align)}" style="text-align: left">{escape(foot)}</td>'
        parts.append(f"<tfoot><tr>{cell}</tr></tfoot>")
    return "<table>\n" + "\n".join(parts) + "\n</table>"
