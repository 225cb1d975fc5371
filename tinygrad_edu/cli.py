"""The command line: ``tinygrad-edu demo``, ``gradients`` and ``draw``."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tinygrad_edu import __version__
from tinygrad_edu.engine import Value, topological_order
from tinygrad_edu.errors import ExpressionError, FileError, SettingError, TinygradEduError
from tinygrad_edu.expression import evaluate, parse_number
from tinygrad_edu.viz.drawing import FORMATS, STYLES, draw
from tinygrad_edu.viz.engines import ENGINES
from tinygrad_edu.viz.themes import THEMES

_EXAMPLES = """examples:
  tinygrad-edu demo                         learn handwritten digits, write report/
  tinygrad-edu demo --epochs 3 --out first  a shorter run, into another folder
  tinygrad-edu demo --eager                 every multiplication a single Value: a minute
  tinygrad-edu gradients "sigmoid(w0*x0 + w1*x1 + w2)" w0=2 x0=-1 w1=-3 x1=-2 w2=-3
  tinygrad-edu gradients "max(x, y)**2" x=1 y=2 --json
  tinygrad-edu draw "sigmoid(w*x + b)" w=2 x=-1 b=3 -o neuron.html
  tinygrad-edu draw "x*x + 3*x" x=2 -o square.svg --style detail --theme dark

exit codes: 0 done, 1 failed, 2 refused before work started, 130 stopped by Ctrl-C
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] in (["gradients"], ["draw"]) and words[1:] and words[1][:2] not in ("-h", "--"):
        words[1] = " " + words[1]  # "-x" is an expression, not an option
    options = _parser().parse_args(words)
    try:
        return int(options.run(options))
    except (ExpressionError, FileError, SettingError) as error:
        print(f"tinygrad-edu: {error}", file=sys.stderr)
        return 2
    except TinygradEduError as error:
        print(f"tinygrad-edu: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("tinygrad-edu: stopped by Ctrl-C.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tinygrad-edu",
        description="Backpropagation on single numbers.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    demo = commands.add_parser("demo", help="train a network on handwritten digits")
    demo.add_argument("--out", type=Path, default=Path("report"), help="folder (default: report)")
    demo.add_argument("--epochs", type=int, default=12, help="passes over the data (default: 12)")
    demo.add_argument("--hidden", type=int, default=16, help="hidden neurons (default: 16)")
    demo.add_argument("--seed", type=int, default=0, help="same seed, same bits (default: 0)")
    demo.add_argument(
        "--eager", action="store_true", help="on graphs of Values, not compiled to matrices"
    )
    demo.add_argument("--quiet", action="store_true", help="no progress bar")
    demo.set_defaults(run=_demo)

    gradients = _gradients_parser(commands)
    picture = _draw_parser(commands)
    for command in (demo, gradients, picture):
        command.formatter_class = argparse.RawDescriptionHelpFormatter
        command.epilog = _EXAMPLES
    return parser


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


def _demo(options: argparse.Namespace) -> int:
    from tinygrad_edu.train.demo import demo

    headline, files = demo(
        options.out,
        epochs=options.epochs,
        hidden=options.hidden,
        seed=options.seed,
        progress=False if options.quiet else None,
        compiled=not options.eager,
    )
    print(headline)
    print(f"report: {options.out / 'index.html'} ({', '.join(files)})")
    return 0


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
    rows += [(v.label, f"{v.data:.6g}", f"{v.grad:.6g}") for v in [*leaves.values(), *steps]]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for name, value, gradient in rows:
        print(f"{name:<{widths[0]}}  {value:>{widths[1]}}  {gradient:>{widths[2]}}")
    return 0


def _plain(x: float) -> float | str:
    """JSON knows no nan and no inf: they are written as text."""
    return x if abs(x) < float("inf") else str(x)
