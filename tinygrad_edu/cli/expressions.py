"""Commands on an expression: ``gradients`` and ``draw``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from tinygrad_edu.engine import Value, topological_order
from tinygrad_edu.engine.errors import ExpressionError, SettingError
from tinygrad_edu.expression import evaluate, parse_number
from tinygrad_edu.viz.drawing import FORMATS, STYLES, draw
from tinygrad_edu.viz.layout.engines import ENGINES
from tinygrad_edu.viz.themes import THEMES

WIDEST = 80  # characters of an expression in a table
EXAMPLES = """\
  tinygrad-edu gradients "sigmoid(w0*x0 + w1*x1 + w2)" w0=2 x0=-1 w1=-3 x1=-2 w2=-3
  tinygrad-edu gradients "max(x, y)**2" x=1 y=2 --json
  tinygrad-edu draw "sigmoid(w*x + b)" w=2 x=-1 b=3 -o neuron.html
  tinygrad-edu draw "x*x + 3*x" x=2 -o square.svg --style detail --theme dark
"""


def add_commands(commands: Any) -> list[argparse.ArgumentParser]:
    """``gradients`` and ``draw``."""
    return [_gradients_parser(commands), _draw_parser(commands)]


def _gradients_parser(commands: Any) -> argparse.ArgumentParser:
    gradients: argparse.ArgumentParser = commands.add_parser(
        "gradients", help="value and gradients of an expression"
    )
    gradients.add_argument("expression", help='for example "sigmoid(w*x + b)"')
    gradients.add_argument("numbers", nargs="*", metavar="name=number")
    gradients.add_argument("--json", action="store_true", help="for programs")
    gradients.set_defaults(run=_gradients)
    return gradients


def _draw_parser(commands: Any) -> argparse.ArgumentParser:
    picture: argparse.ArgumentParser = commands.add_parser(
        "draw", help="an expression as a figure, with its gradients"
    )
    picture.add_argument("expression", help='for example "sigmoid(w*x + b)"')
    picture.add_argument("numbers", nargs="*", metavar="name=number")
    picture.add_argument(
        "-o", "--out", type=Path, metavar="FILE",
        help=f"ending in {', '.join(f'.{name}' for name in FORMATS)} (default: text, printed)",
    )  # fmt: skip
    picture.add_argument("--style", help=f"{', '.join(STYLES)} (default: by size)")
    picture.add_argument("--theme", default="light", help=f"{', '.join(THEMES)} (default: light)")
    picture.add_argument("--engine", help=f"layout: {', '.join(ENGINES)} (default: the first here)")
    picture.add_argument("--step", type=int, help="show this step; a .html begins with it")
    picture.set_defaults(run=_draw)
    return picture


def _expression(options: argparse.Namespace) -> tuple[Value, dict[str, Value]]:
    """The graph of the expression, after a backward pass, and its leaves."""
    pairs = [parse_number(word) for word in options.numbers]
    given = dict(pairs)
    if len(given) < len(pairs):
        raise ExpressionError("a name got two values.", fix="give each name one.")
    root, leaves = evaluate(options.expression, given)
    root.backward()
    return root, leaves


def _draw(options: argparse.Namespace) -> int:
    if options.step is not None and options.out is None:
        raise SettingError(
            f"--step is {options.step}, but printed text shows no single step.",
            fix="name a file with -o FILE, or leave out --step.",
        )
    root, _ = _expression(options)
    for node in topological_order(root):
        if node.op is not None:
            node.label = ""  # its text says no more than the figure
    figure = draw(root, options.style, options.theme, engine=options.engine)
    if options.out is None:
        print(figure)
    else:
        print(f"figure: {figure.save(options.out, options.step)}")
    return 0


def _gradients(options: argparse.Namespace) -> int:
    root, leaves = _expression(options)
    steps = [node for node in topological_order(root) if node.op is not None]
    if options.json:
        print(
            json.dumps(
                {
                    "expression": options.expression,
                    "value": _plain(root.data),
                    "gradients": {name: _plain(leaf.grad) for name, leaf in leaves.items()},
                    "steps": [
                        {"of": v.label, "value": _plain(v.data), "gradient": _plain(v.grad)}
                        for v in steps
                    ],
                }
            )
        )
        return 0
    rows = [("", "value", "gradient")]
    values = [*leaves.values(), *steps]
    rows += [(_cell(v.label), f"{v.data:.6g}", f"{v.grad:.6g}") for v in values]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for name, value, gradient in rows:
        print(f"{name:<{widths[0]}}  {value:>{widths[1]}}  {gradient:>{widths[2]}}")
    return 0


def _cell(label: str) -> str:
    """One line of a table; else 10,000 characters would print a table of 100 MB."""
    text = " ".join(label.split())
    return text if len(text) <= WIDEST else text[: WIDEST - 1] + "…"


def _plain(x: float) -> float | str:
    """JSON knows no nan and no inf: they are written as text."""
    return x if abs(x) < float("inf") else str(x)
