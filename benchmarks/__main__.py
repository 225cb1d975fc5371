"""The command line of the benchmarks."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.report import README, RESULTS, as_text, load, missed, with_figures

_EXAMPLES = """examples:
  python -m benchmarks eager               measure, print the table, write results/eager.json
  python -m benchmarks eager --quick       the same on small graphs, within seconds; writes nothing
  python -m benchmarks eager --out my.json
  python -m benchmarks compiled            against NumPy by hand; writes results/compiled.json
  python -m benchmarks readme              make README's figures from results/eager.json

needs micrograd and scikit-learn: pip install -e ".[test]" micrograd
exit codes: 0 done, 1 the engines disagree, 2 something is missing or was not understood
"""


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
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    eager = commands.add_parser("eager", help="against micrograd", epilog=_EXAMPLES)
    eager.add_argument("--quick", action="store_true", help="small graphs, to see that it works")
    eager.add_argument("--out", type=Path, help=f"JSON file (default: results/{RESULTS.name})")
    eager.set_defaults(run=_eager)
    compiled = commands.add_parser("compiled", help="matrices found against NumPy by hand")
    compiled.add_argument("--quick", action="store_true", help="few steps; writes nothing")
    compiled.set_defaults(run=_compiled)
    readme = commands.add_parser("readme", help="write the figures into README.md")
    readme.set_defaults(run=_readme)
    for command in (eager, compiled, readme):
        command.formatter_class = shape
    return parser


def _eager(options: argparse.Namespace) -> int:
    try:
        from benchmarks.eager import QUICK, Disagreement, Sizes, measure

        figures = measure(QUICK if options.quick else Sizes())
    except ModuleNotFoundError as error:
        if error.name not in ("micrograd", "sklearn"):
            raise
        print(f"{error}.\n  Fix : pip install -e '.[test]' micrograd", file=sys.stderr)
        return 2
    except Disagreement as error:
        print(f"the engines disagree: {error}", file=sys.stderr)
        return 1
    print(as_text(figures))
    out = options.out or (None if options.quick else RESULTS)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    print("missed: " + ("; ".join(missed(figures)) or "nothing"))
    return 0


def _compiled(options: argparse.Namespace) -> int:
    from benchmarks.compiled import measure, table

    figures = measure(20 if options.quick else 400)
    print("\n".join(table(figures)))
    if not options.quick:
        out = RESULTS.with_name("compiled.json")
        out.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 0


def _readme(options: argparse.Namespace) -> int:
    text = README.read_text(encoding="utf-8")
    README.write_text(with_figures(text, load()), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
