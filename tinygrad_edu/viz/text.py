"""A figure as text: a line a value, its inputs by number, for where no picture can be shown."""

from __future__ import annotations

from tinygrad_edu.engine import Value
from tinygrad_edu.viz.figure import figure_of, number


def tree(root: Value) -> str:
    """One line for each value below ``root``, inputs before results.

    Examples
    --------
    >>> from tinygrad_edu import Value
    >>> from tinygrad_edu.viz import tree
    >>> x = Value(2.0, "x")
    >>> y = x * x
    >>> y.backward()
    >>> print(tree(y))
    [0] x            2   grad 4
    [1] × [0] [0]    4   grad 1
    """
    figure = figure_of(root)
    feeds: dict[str, list[str]] = {}
    for wire in figure.wires:
        feeds.setdefault(wire.target, []).append(f"[{wire.source[1:]}]")
    lines = []
    for box in figure.boxes:
        what = " ".join([f"[{box.id[1:]}]", box.text or "(no label)", *feeds.get(box.id, [])])
        gradient = f"   grad {number(box.grad)}" if figure.has_gradients else ""
        lines.append((what, number(box.data), "" if box.kind == "constant" else gradient))
    width = max(len(what) for what, _, _ in lines)
    digits = max(len(data) for _, data, _ in lines)
    text = "\n".join(f"{what:<{width}}  {data:>{digits}}{end}" for what, data, end in lines)
    return text if figure.has_gradients else text + "\nno gradients yet: call backward()"
