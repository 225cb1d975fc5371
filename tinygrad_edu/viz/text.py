"""A graph as an indented tree of text, for terminals and where no picture can be shown."""

from __future__ import annotations

from unicodedata import combining, east_asian_width

from tinygrad_edu.engine import Value
from tinygrad_edu.engine.guards import outdated
from tinygrad_edu.shared.tables import typeset
from tinygrad_edu.viz.figure import shortened
from tinygrad_edu.viz.reading import Reading, glyph

MOST = 150  # lines
WIDEST = 60  # characters of indentation


def tree(reading: Reading) -> str:
    """Draw each result first, below it what it was computed from, each value in full once.

    Examples
    --------
    >>> from tinygrad_edu import Value
    >>> from tinygrad_edu.viz.reading import Reading
    >>> from tinygrad_edu.viz.text import tree
    >>> x = Value(2.0, "x")
    >>> y = x * x + 1.0
    >>> y.backward()
    >>> print(tree(Reading(y)))
    +        5  ∇ 1
    ├─ ×     4  ∇ 1
    │  ├─ x  2  ∇ 4
    │  └─ x  2  ∇ 4
    └─ 1     1
    """
    rows: list[tuple[str, str, str]] = []
    seen: set[Value] = set()
    stack, note = [(root, "", "") for root in reversed(reading.outs)], ""
    while stack and len(rows) < MOST:
        node, mark, below = stack.pop()
        again = node.op is not None and node in seen
        seen.add(node)
        after = f"  ∇ {typeset(node.grad)}" if reading.has_gradients and not node.constant else ""
        if (now := outdated(node)) is not None:
            after += f"  stale: its inputs now give {typeset(now)}"
            note = "stale: a value was changed after it was computed; compute the result again"
        words = _words(node) + (" (as above)" if again else "")
        rows.append((f"{mark[-WIDEST:]}{words}", typeset(node.data), after))
        inputs = () if again else node.inputs
        for i in reversed(range(len(inputs))):
            last = i == len(inputs) - 1
            branch, deeper = ("└─ ", "   ") if last else ("├─ ", "│  ")
            stack.append((inputs[i], below + branch, (below + deeper)[-WIDEST:]))
    width = max(columns(words) for words, _, _ in rows)
    digits = max(len(data) for _, data, _ in rows)
    lines = [
        f"{words}{' ' * (width - columns(words))}  {data:>{digits}}{gradient}"
        for words, data, gradient in rows
    ]
    if stack:
        lines.append(f"… {len(reading.order) - len(seen):,} more ({len(reading.order):,} in all)")
    return "\n".join([*lines, *filter(None, (" ".join(reading.hint), note))])


def columns(text: str) -> int:
    """Count the columns of a terminal that a text takes: 漢 takes two, an accent on a letter none.

    Source: Unicode Standard Annex #11, East Asian Width.
    """
    return sum((not combining(c)) * (1 + (east_asian_width(c) in "WF")) for c in text)


def _words(node: Value) -> str:
    label = "".join(c if c.isprintable() else "\ufffd" for c in shortened(node.label))
    if node.op is None:
        return label or (typeset(node.data) if node.constant else "·")
    return f"{label} = {glyph(node)}" if label else glyph(node)
