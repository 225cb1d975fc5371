"""Commands that train: ``demo``, ``train`` and ``diagnose``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from tinygrad_edu.cli.paths import path
from tinygrad_edu.shared.files import writable_folder

EXAMPLES = {
    "demo": """\
  tinygrad-edu demo                         learn handwritten digits, write report/
  tinygrad-edu demo --epochs 3 --out first  a shorter run, into another folder
  tinygrad-edu demo --eager --out eager     every multiplication a single Value: a minute
""",
    "train": """\
  tinygrad-edu train --data my.csv          learn the last column of a file of your own
  tinygrad-edu train --data my.csv --target price --task regression --out prices
  tinygrad-edu train --data moons --hidden 16 16 --activation tanh --epochs 200 --out tanh
  tinygrad-edu train --data digits --hidden 32 --l2 1e-4 --patience 10 --out digits-32
  tinygrad-edu train --data digits --hidden 32 --l2 1e-4 --out digits-32 --resume   go on with it
""",
    "diagnose": """\
  tinygrad-edu diagnose --data moons --hidden 8 8 8 8 8 8 8 8 --activation sigmoid
""",
}


def add_commands(commands: Any) -> None:
    """Add ``demo``, ``train`` and ``diagnose`` to the commands of a parser."""
    demo = commands.add_parser("demo", help="train a network on handwritten digits")
    demo.add_argument("--epochs", type=int, default=12, help="passes over the data (default: 12)")
    demo.add_argument("--hidden", type=int, default=16, help="hidden neurons (default: 16)")
    _add_common(demo, folder="report")
    _add_folder_options(demo)
    demo.set_defaults(run=_demo)

    train = commands.add_parser(
        "train", help="train a network of your own shape, and report what was reached"
    )
    _add_network(train)
    loop = train.add_argument_group("training")
    loop.add_argument("--epochs", type=int, default=100, help="passes over the data (default: 100)")
    loop.add_argument("--batch-size", type=int, default=32, help="samples per update (default: 32)")
    loop.add_argument(
        "--schedule", default="constant", help="constant, step, linear, cosine (default: constant)"
    )
    loop.add_argument("--warm-up", type=int, default=0, help="updates with a rising learning rate")
    loop.add_argument("--clip-norm", type=float, help="limit on the norm of the gradient")
    loop.add_argument("--clip-value", type=float, help="limit on each number of the gradient")
    loop.add_argument("--l2", type=float, default=0.0, help="penalty on the squared weights")
    loop.add_argument("--l1", type=float, default=0.0, help="penalty on the absolute weights")
    loop.add_argument("--patience", type=int, help="stop after so many epochs without progress")
    loop.add_argument("--stop-below", type=float, help="stop when the held-out loss is below")
    _add_common(train, folder="training")
    _add_folder_options(train)
    train.set_defaults(run=_train)

    diagnose = commands.add_parser(
        "diagnose", help="name what is wrong with a network before it is trained"
    )
    _add_network(diagnose)
    _add_common(diagnose, folder="diagnosis")
    diagnose.set_defaults(run=_diagnose)


def _add_network(command: argparse.ArgumentParser) -> None:
    """Add the options that describe data, network and optimizer."""
    data = command.add_argument_group("data")
    data.add_argument(
        "--data",
        default="moons",
        help="moons, circles, spiral, xor, digits, iris, wine, breast_cancer (default: moons), or "
        "a file of comma-, semicolon- or tab-separated values",
    )
    data.add_argument("--target", help="column of the file to learn (default: the last)")
    data.add_argument(
        "--task", help="classification or regression (default: as the target of the file suggests)"
    )
    data.add_argument("--samples", type=int, help="how many (default: all, or 200)")
    data.add_argument("--noise", type=float, help="of moons, circles, spiral, xor")
    data.add_argument("--test-share", type=float, default=0.2, help="held out (default: 0.2)")
    data.add_argument("--raw", action="store_true", help="leave the features unstandardized")
    network = command.add_argument_group("network")
    network.add_argument(
        "--hidden",
        type=int,
        nargs="+",
        default=[16, 16],
        metavar="N",
        help="neurons of each hidden layer (default: 16 16)",
    )
    network.add_argument(
        "--activation",
        default="relu",
        help="linear, relu, tanh, sigmoid, softplus, sin, cos, exp, abs (default: relu)",
    )
    network.add_argument(
        "--initializer",
        help="glorot_uniform, glorot_normal, he_uniform, he_normal, zeros (default: he_uniform for "
        "relu, else glorot_uniform)",
    )
    network.add_argument("--norm", default="none", help="none, batch, layer (default: none)")
    network.add_argument("--dropout", type=float, default=0.0, help="share dropped (default: 0)")
    network.add_argument("--residual", action="store_true", help="shortcuts around equal layers")
    step = command.add_argument_group("optimizer")
    step.add_argument(
        "--optimizer", default="adam", help="sgd, rmsprop, adam, adamw (default: adam)"
    )
    step.add_argument(
        "--learning-rate", type=float, help="(default: 0.1 for sgd, 0.01 for the others)"
    )
    step.add_argument("--momentum", type=float, help="of sgd (default: 0)")


def _add_common(command: argparse.ArgumentParser, folder: str) -> None:
    """Add the options of every command that trains."""
    command.add_argument(
        "--out", type=path, default=Path(folder), help=f"folder (default: {folder})"
    )
    command.add_argument("--seed", type=int, default=0, help="same seed, same bits (default: 0)")
    command.add_argument(
        "--eager", action="store_true", help="run graphs of Values, not matrices found in them"
    )
    command.add_argument("--quiet", action="store_true", help="show no progress bar")


def _add_folder_options(command: argparse.ArgumentParser) -> None:
    """Add what to do where the folder has a run already; without an option it is refused."""
    command.add_argument("--resume", action="store_true", help="go on with the run in the folder")
    command.add_argument(
        "--overwrite", action="store_true", help="begin anew, and replace the run in the folder"
    )


def _demo(options: argparse.Namespace) -> int:
    """Learn handwritten digits, and write a report."""
    from tinygrad_edu.experiments.demo import demo

    headline, files, stopped = demo(
        options.out,
        epochs=options.epochs,
        hidden=options.hidden,
        seed=options.seed,
        progress=False if options.quiet else None,
        eager=options.eager,
        resume=options.resume,
        overwrite=options.overwrite,
    )
    _say(headline, options.out, files)
    return 130 if stopped else 0


def _settings(options: argparse.Namespace) -> Any:
    """Build the experiment that the options describe."""
    from tinygrad_edu.experiments import Experiment

    given = vars(options)
    settings = Experiment(**{f.name: given[f.name] for f in fields(Experiment) if f.name in given})
    if settings.is_file:
        print(settings.source)
        for note in getattr(settings.source, "notes", ()):
            print(f"  note: {note}.")
    return settings


def _train(options: argparse.Namespace) -> int:
    """Train a network, and write a report."""
    from tinygrad_edu.experiments import run

    headline, files, stopped = run(
        _settings(options),
        options.out,
        resume=options.resume,
        overwrite=options.overwrite,
        progress=False if options.quiet else None,
    )
    _say(headline, options.out, files)
    return 130 if stopped else 0


def _diagnose(options: argparse.Namespace) -> int:
    """Look at a network before it is trained, and write a report."""
    from tinygrad_edu.experiments.experiment import diagnose

    settings = _settings(options)
    writable_folder(options.out)
    options.started = True
    verdict, files = diagnose(settings, options.out)
    return _say(verdict, options.out, files)


def _say(headline: str, folder: Path, files: Sequence[str]) -> int:
    """Print what was reached, and the file to open first."""
    print(headline)
    print(f"report: {folder / files[0]} ({', '.join(files)})")
    return 0
