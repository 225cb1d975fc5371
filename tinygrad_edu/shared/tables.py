"""How numbers, counts and tables are written, as text and as HTML."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from math import floor, log10

LONG, ENDS = 7, 2  # what has more items than LONG is cut, but for so many at each end


def number(x: float) -> str:
    """Four significant digits."""
    return f"{x:.4g}"


def whole(n: int) -> str:
    """A count with commas, or its first digits: Python refuses to print integers too long."""
    if n < 10**12:
        return f"{n:,}"
    exponent = floor(log10(n))
    return f"about {10 ** (log10(n) - exponent):.2f}e{exponent}"


def plural(n: int, noun: str) -> str:
    """``1 path``, ``2 paths``."""
    return f"{whole(n)} {noun}{'s' * (n != 1)}"


def ends(item: Callable[[int], str], length: int) -> list[str]:
    """Every item, or the first and the last with the count of those between."""
    if length <= LONG:
        return [item(i) for i in range(length)]
    first, last = range(ENDS), range(length - ENDS, length)
    hidden = f"… {length - 2 * ENDS:,} more …"
    return [*map(item, first), hidden, *map(item, last)]


def text_table(rows: Sequence[Sequence[str]], align: str) -> list[str]:
    """Lines with the cells in columns; ``align`` has a ``<`` or ``>`` for each."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(f"{cell:{a}{w}}" for cell, a, w in zip(row, align, widths, strict=True)).rstrip()
        for row in rows
    ]


def html_table(
    caption: str, head: Sequence[str], rows: Sequence[Sequence[str]], align: str, foot: str = ""
) -> str:
    """A table for a notebook; whatever stands in a cell is text, never markup."""
    styles = [f"text-align: {'left' if a == '<' else 'right'}" for a in align]

    def line(cells: Sequence[str], tag: str) -> str:
        row = zip(cells, styles, strict=True)
        return "".join(f'<{tag} style="{s}">{escape(cell)}</{tag}>' for cell, s in row)

    parts = [f"<caption>{escape(caption)}</caption>"]
    if head:
        parts.append(f"<thead><tr>{line(head, 'th')}</tr></thead>")
    body = "\n".join(f"<tr>{line(row, 'td')}</tr>" for row in rows)
    parts.append(f"<tbody>\n{body}\n</tbody>")
    if foot:
        cell = f'<td colspan="{len(align)}" style="text-align: left">{escape(foot)}</td>'
        parts.append(f"<tfoot><tr>{cell}</tr></tfoot>")
    return "<table>\n" + "\n".join(parts) + "\n</table>"
