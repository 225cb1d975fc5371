"""The command line of the benchmarks."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.report import README, RESULTS, as_text, load, missed, with_figures

_EXAMPLES = """examples:
  python -m benchmarks eager               measure, print the table, write results/eager.json
  python -m benchmarks eager --quick       the same on small graphs, within seconds; writes nothing
  python -m benchmarks eager --out my.json
  python -m benchmarks compiled            against NumPy by hand, PyTorch, JAX, micrograd, and
                                           a million nodes; writes results/compiled.json
  python -m benchmarks compiled --quick    the same on small networks; writes nothing
  python -m benchmarks estimators          against scikit-learn's MLPClassifier: accuracy and time
  python -m benchmarks promises            every promise with its stated number of cases, in half an
                                           hour; writes results/promises.json and docs/promises.md
  python -m benchmarks promises --only depth labels
  python -m benchmarks promises --quick    fewer cases, within minutes; writes nothing
  python -m benchmarks mutation            small changes of ops.py and engine.py: which test fails?
  python -m benchmarks readme              make README's table from results/

needs micrograd and scikit-learn: pip install -e ".[test,peers]"
compiled does without micrograd, PyTorch and JAX, and says so in their rows
exit codes: 0 done, 1 the engines disagree, or a promise is missed,
            2 something is missing or was not understood
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
    compiled = commands.add_parser(
        "compiled", help="matrices found, against NumPy, PyTorch, JAX", epilog=_EXAMPLES
    )
    compiled.add_argument("--quick", action="store_true", help="small networks and graphs")
    compiled.add_argument("--out", type=Path, help="JSON file (default: results/compiled.json)")
    compiled.set_defaults(run=_compiled)
    estimators = commands.add_parser(
        "estimators", help="against scikit-learn's MLPClassifier", epilog=_EXAMPLES
    )
    estimators.add_argument("--quick", action="store_true", help="fewer folds and epochs")
    estimators.add_argument("--out", type=Path, help="JSON file (default: results/estimators.json)")
    estimators.set_defaults(run=_estimators)
    checks = _add_promises(commands)
    readme = commands.add_parser("readme", help="write the figures into README.md")
    readme.set_defaults(run=_readme)
    for command in (eager, compiled, estimators, *checks, readme):
        command.formatter_class = shape
    return parser


def _add_promises(commands: Any) -> list[argparse.ArgumentParser]:
    promises: argparse.ArgumentParser = commands.add_parser(
        "promises", help="measure every promise of the project", epilog=_EXAMPLES
    )
    promises.add_argument("--only", nargs="+", metavar="NAME", help="these promises alone")
    promises.add_argument("--quick", action="store_true", help="fewer cases; writes nothing")
    promises.set_defaults(run=_promises)
    mutation: argparse.ArgumentParser = commands.add_parser(
        "mutation", help="change ops.py and engine.py: do the tests notice?", epilog=_EXAMPLES
    )
    mutation.add_argument("--minutes", type=float, default=120.0, help="stop then (default: 120)")
    mutation.add_argument("--most", type=int, help="so many mutants; writes nothing")
    mutation.set_defaults(run=_mutation)
    return [promises, mutation]


def _promises(options: argparse.Namespace) -> int:
    from benchmarks.promises import run

    return run(options)


def _mutation(options: argparse.Namespace) -> int:
    from benchmarks.mutation import run

    return run(options)


def _eager(options: argparse.Namespace) -> int:
    try:
        from benchmarks.eager import QUICK, Disagreement, Sizes, measure

        figures = measure(QUICK if options.quick else Sizes())
    except ModuleNotFoundError as error:
        return _not_installed(error, "micrograd", "sklearn")
    except Disagreement as error:
        return _disagreed(error)
    print(as_text(figures))
    _write(figures, options, RESULTS)
    print("missed: " + ("; ".join(missed(figures)) or "nothing"))
    return 0


def _compiled(options: argparse.Namespace) -> int:
    try:
        from benchmarks import verdicts
        from benchmarks.compiled import QUICK, Disagreement, Sizes, measure

        figures = measure(QUICK if options.quick else Sizes())
    except ModuleNotFoundError as error:
        return _not_installed(error, "numpy", "sklearn")
    except Disagreement as error:
        return _disagreed(error)
    print(verdicts.as_text(figures))
    _write(figures, options, RESULTS.with_name("compiled.json"))
    if not options.quick:
        print("\n" + verdicts.promised(figures))
    return 0


def _estimators(options: argparse.Namespace) -> int:
    try:
        from benchmarks.estimators import run
    except ModuleNotFoundError as error:
        return _not_installed(error, "numpy", "sklearn")
    return run(options.quick, options.out)


def _not_installed(error: ModuleNotFoundError, *expected: str) -> int:
    if error.name not in expected:
        raise error
    print(f"{error}.\n  Fix : pip install -e '.[test,peers]'", file=sys.stderr)
    return 2


def _disagreed(error: Exception) -> int:
    print(f"the engines disagree: {error}", file=sys.stderr)
    return 1


def _write(figures: Mapping[str, Any], options: argparse.Namespace, default: Path) -> None:
    """Keep the figures; those of a quick run only where asked."""
    out = options.out or (None if options.quick else default)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def _readme(options: argparse.Namespace) -> int:
    text = with_figures(README.read_text(encoding="utf-8"), load())
    README.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
