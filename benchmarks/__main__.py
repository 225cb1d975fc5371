"""The command line of the benchmarks."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from benchmarks import report
from benchmarks.timing import Disagreement

_EXAMPLES = """examples:
  python -m benchmarks eager               measure, print the table, write results/eager.json
  python -m benchmarks eager --quick       the same on small graphs, within seconds; writes nothing
  python -m benchmarks eager --out my.json
  python -m benchmarks compiled            against NumPy by hand, PyTorch, JAX, micrograd, and
                                           a million nodes; writes results/compiled.json
  python -m benchmarks estimators          against scikit-learn's MLPClassifier: accuracy and time
  python -m benchmarks gpt                 a training step of the course's GPT against NumPy with
                                           gradients by hand; writes results/gpt.json
  python -m benchmarks training            whole training steps on digits, and fit, against NumPy
                                           by hand, PyTorch and JAX; writes results/training.json
  python -m benchmarks choices             what each target takes in all, and whether "auto" chooses
                                           well; writes results/choices.json
  python -m benchmarks promises            every promise with its stated number of cases, in half an
                                           hour; writes results/promises.json and docs/promises.md
  python -m benchmarks promises --only depth labels
  python -m benchmarks promises --quick    fewer cases, within minutes; writes nothing
  python -m benchmarks mutation            small changes of the table and the engine: which test
                                           fails?
  python -m benchmarks readme              make README's table from results/

needs micrograd and scikit-learn: pip install -e ".[test,peers]"
compiled and training do without micrograd, PyTorch and JAX, and say so in their rows
exit codes: 0 done, 1 the engines disagree, or a promise is missed,
            2 something is missing or was not understood
"""
_CONTENDERS = {
    "eager": "against micrograd",
    "compiled": "matrices found, against NumPy, PyTorch, JAX",
    "estimators": "against scikit-learn's MLPClassifier",
    "gpt": "a training step of the course's GPT, against NumPy",
    "choices": "what each target costs in all, and target auto",
    "training": "whole training steps with Adam, against NumPy, PyTorch, JAX",
}
_PACKAGES = ("micrograd", "numpy", "sklearn")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    options = _parser().parse_args(arguments)
    return int(options.run(options))


def _parser() -> argparse.ArgumentParser:
    shape = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="This engine and its peers, side by side in one process.",
        epilog=_EXAMPLES,
        formatter_class=shape,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    for name, words in _CONTENDERS.items():
        command = commands.add_parser(name, help=words, epilog=_EXAMPLES, formatter_class=shape)
        command.add_argument("--quick", action="store_true", help="smaller; writes nothing")
        command.add_argument("--out", type=Path, help=f"JSON file (default: results/{name}.json)")
        command.set_defaults(run=_measure)
    promises = commands.add_parser("promises", help="measure every promise of the project")
    promises.add_argument("--only", nargs="+", metavar="NAME", help="these promises alone")
    promises.add_argument("--quick", action="store_true", help="fewer cases; writes nothing")
    promises.set_defaults(run=lambda options: import_module("benchmarks.promises").run(options))
    mutation = commands.add_parser(
        "mutation", help="change the table and the engine: do the tests notice?"
    )
    mutation.add_argument("--minutes", type=float, default=120.0, help="stop then (default: 120)")
    mutation.add_argument("--most", type=int, help="so many mutants; writes nothing")
    mutation.set_defaults(run=lambda options: import_module("benchmarks.mutation").run(options))
    readme = commands.add_parser("readme", help="write the figures into README.md")
    readme.set_defaults(run=_readme)
    return parser


def _measure(options: argparse.Namespace) -> int:
    """Run a benchmark, print its tables and what was promised, and keep its figures."""
    try:
        benchmark = import_module(f"benchmarks.{options.command}")
        figures = benchmark.measure(benchmark.QUICK if options.quick else benchmark.Sizes())
    except ModuleNotFoundError as error:
        if error.name not in _PACKAGES:
            raise
        print(f"{error}.\n  Fix : pip install -e '.[test,peers]'", file=sys.stderr)
        return 2
    except Disagreement as error:
        print(f"the engines disagree: {error}", file=sys.stderr)
        return 1
    print(report.as_text(figures))
    out = options.out
    if not options.quick:
        print(f"\n{report.promised(figures)}")
        out = out or report.RESULTS / f"{options.command}.json"
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 0


def _readme(options: argparse.Namespace) -> int:
    text = report.with_figures(report.README.read_text(encoding="utf-8"), report.load())
    report.README.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
