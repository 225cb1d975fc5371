"""Commands on an expression: ``gradients`` and ``draw``."""

from __future__ import annotations

import argparse
import json
from math import isfinite
from typing import Any

from tinygrad_edu.cli.paths import path, writable_file
from tinygrad_edu.engine import Value, topological_order
from tinygrad_edu.engine.errors import ExpressionError, SettingError
from tinygrad_edu.expression import FUNCTIONS, evaluate, parse_number
from tinygrad_edu.shared.tables import text_table
from tinygrad_edu.viz.drawing import FORMATS, STYLES, draw
from tinygrad_edu.viz.layout.engines import ENGINES
from tinygrad_edu.viz.themes import THEMES

WIDEST = 80  # characters of an expression in a table
EXAMPLES = {
    "gradients": """\
  tinygrad-edu gradients "sigmoid(w0*x0 + w1*x1 + w2)" w0=2 x0=-1 w1=-3 x1=-2 w2=-3
  tinygrad-edu gradients "max(x, y)**2" x=1 y=2 --json
""",
    "draw": """\
  tinygrad-edu draw "sigmoid(w*x + b)" w=2 x=-1 b=3 -o neuron.html
  tinygrad-edu draw "x*x + 3*x" x=2 -o square.svg --style detail --theme dark
""",
}


def add_commands(commands: Any) -> None:
    """Add ``gradients`` and ``draw`` to the commands of a parser."""
    gradients = commands.add_parser(
        "gradients", help="print the value and gradients of an expression"
    )
    gradients.description = f"Functions: {', '.join(FUNCTIONS)}. Operators: + - * / **."
    gradients.add_argument("--json", action="store_true", help="print JSON, for programs")
    gradients.set_defaults(run=_gradients)

    figure = commands.add_parser("draw", help="draw an expression as a figure, with its gradients")
    figure.add_argument(
        "-o",
        "--out",
        type=path,
        metavar="FILE",
        help=f"ending in {', '.join(f'.{name}' for name in FORMATS)} (default: text, printed)",
    )
    figure.add_argument("--style", help=f"{', '.join(STYLES)} (default: by size)")
    figure.add_argument("--theme", default="light", help=f"{', '.join(THEMES)} (default: light)")
    figure.add_argument(
        "--engine", help=f"layout: {', '.join(ENGINES)} (default: the first that is installed)"
    )
    figure.add_argument("--step", type=int, help="show this step; an .html file begins with it")
    figure.set_defaults(run=_draw)

    for command in (gradients, figure):
        command.add_argument("expression", type=str.strip, help='for example "sigmoid(w*x + b)"')
        command.add_argument("numbers", nargs="*", metavar="name=number", help="for each name")


def _expression(options: argparse.Namespace) -> tuple[Value, dict[str, Value]]:
    """Build the graph of the expression, run its backward pass; return it and its leaves."""
    pairs = [parse_number(word) for word in options.numbers]
    given = dict(pairs)
    if len(given) < len(pairs):
        raise ExpressionError("a name got two values.", fix="give each name one value: x=1 y=2.")
    root, leaves = evaluate(options.expression, given)
    root.backward()
    return root, leaves


def _draw(options: argparse.Namespace) -> int:
    """Draw the expression: print it as text, or write it to a file."""
    if options.step is not None and options.out is None:
        raise SettingError(
            f"--step is {options.step}, but printed text shows no single step.",
            fix="name a file, for example -o figure.html, or leave out --step.",
        )
    if options.out is not None:
        writable_file(options.out)
    root, _ = _expression(options)
    for node in topological_order(root):
        if node.op is not None:
            node.label = ""  # the figure shows the operation itself
    figure = draw(root, options.style, options.theme, engine=options.engine)
    if options.out is None:
        print(figure)
    else:
        options.started = True
        print(f"figure: {figure.save(options.out, options.step)}")
    return 0


def _gradients(options: argparse.Namespace) -> int:
    """Print value and gradient of every name and every step, as a table or as JSON."""
    root, leaves = _expression(options)
    steps = [node for node in topological_order(root) if node.op is not None]
    if options.json:
        answer = {
            "expression": options.expression,
            "value": _plain(root.data),
            "gradients": {name: _plain(leaf.grad) for name, leaf in leaves.items()},
            "steps": [
                {"of": v.label, "value": _plain(v.data), "gradient": _plain(v.grad)} for v in steps
            ],
        }
        print(json.dumps(answer))
        return 0
    shown = [*leaves.values(), *steps] or [root]  # an expression of numbers alone has no steps
    rows = [(_cell(v.label), f"{v.data:.6g}", f"{v.grad:.6g}") for v in shown]
    print("\n".join(text_table([("", "value", "gradient"), *rows], "<>>")))
    return 0


def _cell(label: str) -> str:
    """Shorten an expression to one line of a table; 10,000 characters would print 100 MB."""
    text = " ".join(label.split())
    return text if len(text) <= WIDEST else text[: WIDEST - 1] + "…"


def _plain(x: float) -> float | str:
    """Return what JSON can hold: nan and inf are written as text."""
    return x if isfinite(x) else str(x)
