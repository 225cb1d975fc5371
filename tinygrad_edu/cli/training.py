"""Commands that train: ``demo``, ``train`` and ``diagnose``."""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path
from typing import Any

EXAMPLES = """\
  tinygrad-edu demo                         learn handwritten digits, write report/
  tinygrad-edu demo --epochs 3 --out first  a shorter run, into another folder
  tinygrad-edu demo --eager                 every multiplication a single Value: a minute
  tinygrad-edu train --data moons --hidden 16 16 --activation tanh --epochs 200
  tinygrad-edu train --data digits --hidden 32 --optimizer adam --l2 1e-4 --patience 10
  tinygrad-edu train --data digits --hidden 32 --epochs 60 --resume   go on where it stopped
  tinygrad-edu diagnose --data moons --hidden 8 8 8 8 8 8 8 8 --activation sigmoid
"""


def add_commands(commands: Any) -> list[argparse.ArgumentParser]:
    """``demo``, ``train`` and ``diagnose``."""
    return [_demo_parser(commands), _train_parser(commands), _diagnose_parser(commands)]


def _demo_parser(commands: Any) -> argparse.ArgumentParser:
    demo: argparse.ArgumentParser = commands.add_parser(
        "demo", help="train a network on handwritten digits"
    )
    demo.add_argument("--out", type=Path, default=Path("report"), help="folder (default: report)")
    demo.add_argument("--epochs", type=int, default=12, help="passes over the data (default: 12)")
    demo.add_argument("--hidden", type=int, default=16, help="hidden neurons (default: 16)")
    demo.add_argument("--seed", type=int, default=0, help="same seed, same bits (default: 0)")
    demo.add_argument(
        "--eager", action="store_true", help="on graphs of Values, not compiled to matrices"
    )
    demo.add_argument("--quiet", action="store_true", help="no progress bar")
    demo.set_defaults(run=_demo)
    return demo


def _train_parser(commands: Any) -> argparse.ArgumentParser:
    train: argparse.ArgumentParser = commands.add_parser(
        "train", help="train a network of your own shape, and report what was reached"
    )
    _add_network(train, folder="training")
    loop = train.add_argument_group("training")
    loop.add_argument("--epochs", type=int, default=50, help="passes over the data (default: 50)")
    loop.add_argument("--batch-size", type=int, default=32, help="samples an update (default: 32)")
    loop.add_argument(
        "--schedule", default="constant", help="constant, step, linear, cosine (default: constant)"
    )
    loop.add_argument("--warm-up", type=int, default=0, help="updates with a rising rate")
    loop.add_argument("--clip-norm", type=float, help="limit on the norm of the gradient")
    loop.add_argument("--clip-value", type=float, help="limit on each gradient")
    loop.add_argument("--l2", type=float, default=0.0, help="weight of the squared weights")
    loop.add_argument("--l1", type=float, default=0.0, help="weight of the absolute weights")
    loop.add_argument("--patience", type=int, help="epochs without progress before it stops")
    loop.add_argument("--stop-below", type=float, help="held-out loss that is good enough")
    loop.add_argument("--resume", action="store_true", help="go on with the run in the folder")
    train.set_defaults(run=_train)
    return train


def _diagnose_parser(commands: Any) -> argparse.ArgumentParser:
    diagnose: argparse.ArgumentParser = commands.add_parser(
        "diagnose", help="name what is wrong with a network before it is trained"
    )
    _add_network(diagnose, folder="diagnosis")
    diagnose.set_defaults(run=_diagnose)
    return diagnose


def _add_network(command: argparse.ArgumentParser, folder: str) -> None:
    """What to train, on what, and where to put the report."""
    data = command.add_argument_group("data")
    data.add_argument(
        "--data", default="moons",
        help="moons, circles, spiral, xor, digits, iris, wine, breast_cancer (default: moons)",
    )  # fmt: skip
    data.add_argument("--samples", type=int, help="how many (default: all, or 200)")
    data.add_argument("--noise", type=float, help="of moons, circles, spiral, xor")
    data.add_argument("--test-share", type=float, default=0.2, help="held out (default: 0.2)")
    data.add_argument("--raw", action="store_true", help="features as they are, not standardized")
    network = command.add_argument_group("network")
    network.add_argument(
        "--hidden", type=int, nargs="+", default=[16], metavar="N",
        help="neurons of each hidden layer (default: 16)",
    )  # fmt: skip
    network.add_argument("--activation", default="relu", help="such as relu (default) or tanh")
    network.add_argument("--initializer", help="such as he_uniform (default: by activation)")
    network.add_argument("--norm", default="none", help="none (default), batch or layer")
    network.add_argument("--dropout", type=float, default=0.0, help="share dropped in training")
    network.add_argument("--residual", action="store_true", help="shortcuts around equal layers")
    step = command.add_argument_group("steps")
    step.add_argument("--optimizer", default="adam", help="sgd, rmsprop, adam (default), adamw")
    step.add_argument("--learning-rate", type=float, help="(default: the optimizer's)")
    step.add_argument("--momentum", type=float, help="of sgd")
    command.add_argument("--seed", type=int, default=0, help="same seed, same bits (default: 0)")
    command.add_argument("--eager", action="store_true", help="on graphs of Values, not matrices")
    command.add_argument(
        "--out", type=Path, default=Path(folder), help=f"folder (default: {folder})"
    )
    command.add_argument("--quiet", action="store_true", help="no progress bar")


def _demo(options: argparse.Namespace) -> int:
    from tinygrad_edu.experiments.demo import demo

    headline, files = demo(
        options.out,
        epochs=options.epochs,
        hidden=options.hidden,
        seed=options.seed,
        progress=False if options.quiet else None,
        compiled=not options.eager,
    )
    return _say(headline, options.out, files)


def _settings(options: argparse.Namespace) -> Any:
    from tinygrad_edu.experiments.experiment import Experiment

    given = vars(options)
    return Experiment(**{f.name: given[f.name] for f in fields(Experiment) if f.name in given})


def _train(options: argparse.Namespace) -> int:
    from tinygrad_edu.experiments.experiment import run

    progress = False if options.quiet else None
    headline, files, stopped = run(
        _settings(options), options.out, resume=options.resume, progress=progress
    )
    _say(headline, options.out, files)
    return 130 if stopped else 0


def _diagnose(options: argparse.Namespace) -> int:
    from tinygrad_edu.experiments.experiment import diagnose

    verdict, files = diagnose(_settings(options), options.out)
    return _say(verdict, options.out, files)


def _say(headline: str, folder: Path, files: list[str]) -> int:
    print(headline)
    first = next((name for name in files if name.endswith(".html")), files[0])
    print(f"report: {folder / first} ({', '.join(files)})")
    return 0
