"""Our MLPClassifier beside scikit-learn's: how often each is right, and how long each trains.

The same shape, settings, data and folds; features standardised on the training part of each fold.
One thread each, in turns in one process. Both stop by the same rule, each on its own loss.
"""

from __future__ import annotations

import os

os.environ.update(  # before NumPy is imported: one thread
    dict.fromkeys(("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"), "1")
)

import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import mean, median, pstdev
from typing import Any, NamedTuple

from sklearn import datasets, neural_network
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from benchmarks.compiled import busy_threads
from benchmarks.report import THEIRS, setting_of
from benchmarks.timing import in_turns, progress, ratio
from tinygrad_edu.train import estimators

OURS = "ours"
KINDS: Mapping[str, Any] = {
    OURS: estimators.MLPClassifier,
    THEIRS: neural_network.MLPClassifier,
}
DATA: Mapping[str, Callable[..., Any]] = {
    "breast cancer": datasets.load_breast_cancer,
    "wine": datasets.load_wine,
    "iris": datasets.load_iris,
    "digits": datasets.load_digits,
}
SETTINGS: Mapping[str, Any] = {  # scikit-learn's defaults, said aloud
    "hidden_layer_sizes": (100,),
    "activation": "relu",
    "solver": "adam",
    "alpha": 0.0001,
    "batch_size": "auto",
    "learning_rate_init": 0.001,
    "max_iter": 200,
    "tol": 0.0001,
    "n_iter_no_change": 10,
}
Figures = dict[str, Any]


class Sizes(NamedTuple):
    """How much to measure."""

    data: tuple[str, ...] = tuple(DATA)
    folds: int = 5
    seeds: tuple[int, ...] = (0, 1, 2)
    rounds: int = 5  # of timing
    epochs: int = SETTINGS["max_iter"]


QUICK = Sizes(("iris",), 2, (0,), 1, 3)


def measure(sizes: Sizes) -> Figures:
    """All figures of this benchmark, ready for JSON."""
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # 200 epochs are few for both
        data = {name: measure_data(name, sizes) for name in sizes.data}
    return {
        **setting_of("estimators", "numpy", "scipy", "scikit-learn"),
        "settings": dict(SETTINGS) | {"max_iter": sizes.epochs},
        "folds": sizes.folds,
        "seeds": list(sizes.seeds),
        "rounds": sizes.rounds,
        "data": data,
    }


def measure_data(name: str, sizes: Sizes) -> Figures:
    """Accuracy of both on the same folds, then the time of a fit on the first."""
    print(f"{name}: folds, then times", file=sys.stderr)
    X, y = DATA[name](return_X_y=True)
    figures: Figures = {
        "samples": len(X),
        "features": X.shape[1],
        "classes": len(set(y.tolist())),
        "contenders": {kind: {"accuracies": [], "epochs": []} for kind in KINDS},
    }
    rows = figures["contenders"]
    cases = [case for seed in sizes.seeds for case in _folds(X, y, seed, sizes.folds)]
    for seed, train, test in progress(cases, "  folds"):
        for kind, row in rows.items():
            pipeline = contender(kind, seed, sizes.epochs).fit(X[train], y[train])
            row["accuracies"].append(float(pipeline.score(X[test], y[test])))
            row["epochs"].append(int(pipeline[-1].n_iter_))
    for row in rows.values():
        row["mean"], row["spread"] = mean(row["accuracies"]), pstdev(row["accuracies"])
    figures["difference"] = rows[OURS]["mean"] - rows[THEIRS]["mean"]
    _, train, _ = cases[0]
    for kind, times in timed(X[train], y[train], sizes).items():
        rows[kind] |= times
    return figures


def contender(kind: str, seed: int, epochs: int) -> Pipeline:
    """Standardised features, then one of the two classifiers."""
    settings = dict(SETTINGS) | {"max_iter": epochs, "random_state": seed}
    return make_pipeline(StandardScaler(), KINDS[kind](**settings))


def timed(X: Any, y: Any, sizes: Sizes) -> dict[str, Figures]:
    """CPU seconds of a whole fit and of one with a single epoch, in turns, and the ratios."""
    fits: dict[str, Callable[[], Any]] = {}
    for kind in KINDS:
        fits[kind] = _fit(kind, X, y, sizes.epochs)
        fits[f"{kind}, one epoch"] = _fit(kind, X, y, 1)
    blocks = in_turns({name: (fit, 2) for name, fit in fits.items()}, sizes.rounds, collecting=True)
    return {
        kind: {
            "fit_seconds": median(_flat(blocks[kind])),
            "one_epoch_seconds": median(_flat(blocks[f"{kind}, one epoch"])),
            "ratio": ratio(blocks[kind], blocks[OURS]),
            "threads": busy_threads(fits[kind], 1),
        }
        for kind in KINDS
    }


def _folds(X: Any, y: Any, seed: int, folds: int) -> Iterator[tuple[int, Any, Any]]:
    """The seed, and the numbers of the samples to train on and to test on."""
    for train, test in StratifiedKFold(folds, shuffle=True, random_state=seed).split(X, y):
        yield seed, train, test


def _fit(kind: str, X: Any, y: Any, epochs: int) -> Callable[[], Any]:
    return lambda: contender(kind, 0, epochs).fit(X, y)


def _flat(blocks: Sequence[Sequence[float]]) -> list[float]:
    return [second for block in blocks for second in block]
