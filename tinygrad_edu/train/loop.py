"""The complete training algorithm, steps 1 to 4 of Das and Varma's chapter, on Values.

Step 1, the initial weights, is the model's. ``fit`` does the rest and names the steps as it goes.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import fsum, sqrt
from random import Random
from time import perf_counter
from typing import Any

from tinygrad_edu.checks import same_length, whole, within
from tinygrad_edu.errors import SettingError, TinygradEduError
from tinygrad_edu.nn import Module
from tinygrad_edu.train.data import minibatches
from tinygrad_edu.train.optim import SGD, Optimizer
from tinygrad_edu.train.progress import progress_bar
from tinygrad_edu.train.runners import (
    CompiledRunner,
    Data,
    EagerRunner,
    Loss,
    Runner,
    is_right,
)


@dataclass
class History:
    """What a training run was like; one entry for each finished epoch, but for ``batch_loss``.

    ``seconds`` is the time since the start, ``gradient`` the root mean square of dL/dw by layer
    in the epoch's last batch, ``stopped`` why the run ended: "epochs", "threshold" or, while it
    runs and after Ctrl-C, "".
    """

    batch_loss: list[float] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    validation_accuracy: list[float] = field(default_factory=list)
    gradient: list[dict[str, float]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    stopped: str = ""


def fit(
    model: Module,
    loss: Loss,
    X: Sequence[Any],
    y: Sequence[Any],
    *,
    epochs: int = 10,
    batch_size: int = 32,
    optimizer: Optimizer | None = None,
    validation: Data | None = None,
    stop_below: float | None = None,
    rng: Random | None = None,
    progress: bool | None = None,
    history: History | None = None,
    compiled: bool | str = "auto",
) -> History:
    """Train a model: minimise the mean of ``loss(model(x), target)``.

    Parameters
    ----------
    model : Module; X : samples, each a sequence of features; y : their targets
    loss : function of the output for one sample and its target, for example ``nn.cross_entropy``
    epochs : int, passes over the data; batch_size : int, samples between two updates
    optimizer : default SGD with a learning rate of 0.1
    validation : (X, y) that are not trained on, measured after each epoch
    stop_below : float, end when the validation (else training) loss has dropped below it
    rng : random.Random that shuffles; default ``Random(0)``
    progress : True for a tqdm bar, False for none, None for one where tqdm is installed
    history : one to go on filling; what was reached is in it even after Ctrl-C
    compiled : True for matrices (:mod:`tinygrad_edu.compiler`), False for the graph of Values,
        "auto" for matrices where NumPy is installed and one structure serves all samples

    Returns
    -------
    History

    Raises
    ------
    LengthError, SettingError
        Before training, if a setting can't be used.
    AnomalyError
        If the loss becomes nan or inf; the weights are those before that batch.

    Examples
    --------
    >>> from tinygrad_edu import nn
    >>> from tinygrad_edu.train import fit
    >>> model = nn.MLP(1, [1])
    >>> history = fit(model, nn.mse, [[0.0], [1.0]], [1.0, 3.0], epochs=200, progress=False)
    >>> f"{history.loss[-1]:.3f}"
    '0.000'
    """
    _check(X, y, epochs, batch_size, validation, stop_below)
    rng = rng or Random(0)
    optimizer = optimizer or SGD(model.parameters(), learning_rate=0.1)
    history = history if history is not None else History()
    runner = _runner(model, loss, (X, y), validation, optimizer, compiled)
    start = perf_counter()
    batches = -(-len(X) // batch_size)
    with collector_paused(), runner, progress_bar(epochs * batches, progress) as bar:
        for _ in range(epochs):  # step 2: repeat step 3, E times
            right = 0
            for batch in minibatches(len(X), batch_size, rng):  # step 3: M / B batches
                right += runner.step(batch, history)
                bar.advance(history.batch_loss[-1])
            runner.settle()
            history.seconds.append(perf_counter() - start)
            history.gradient.append(gradient_sizes(model))
            history.accuracy.append(right / len(X))
            history.loss.append(_epoch_loss(history.batch_loss[-batches:], len(X), batch_size))
            if validation is not None:  # step 4: the loss on validation data, and stop
                _append(history, runner.validate())
            bar.end_epoch(history)
            latest = (history.validation_loss or history.loss)[-1]
            if stop_below is not None and latest < stop_below:
                history.stopped = "threshold"
                return history
    history.stopped = "epochs"
    return history


def evaluate(model: Module, loss: Loss, X: Sequence[Any], y: Sequence[Any]) -> tuple[float, float]:
    """Mean loss and share of right answers on data, nothing trained."""
    same_length("y", y, "X", X)
    outputs = (model(x) for x in X)
    pairs = [(loss(out, t).data, is_right(out, t)) for out, t in zip(outputs, y, strict=True)]
    return fsum(pair[0] for pair in pairs) / len(pairs), sum(pair[1] for pair in pairs) / len(pairs)


def _runner(
    model: Module,
    loss: Loss,
    data: Data,
    validation: Data | None,
    optimizer: Optimizer,
    compiled: bool | str,
) -> Runner:
    """The one that was asked for; "auto": compiled, where that can be."""
    if compiled not in (True, False, "auto"):
        raise SettingError(
            f"compiled is {compiled!r:.60}.", expected='True, False or "auto"', fix="choose one."
        )
    if compiled:
        try:
            return CompiledRunner(model, loss, data, validation, optimizer)
        except (TinygradEduError, TypeError, AttributeError):
            if compiled is True:
                raise
    return EagerRunner(model, loss, data, validation, optimizer, evaluate)


def gradient_sizes(model: Module) -> dict[str, float]:
    """Root mean square of dL/dw in each layer, by the layer's name."""
    squares: dict[str, list[float]] = {}
    for name, parameter in model.named_parameters():
        squares.setdefault(name.partition(".")[0], []).append(parameter.grad**2)
    return {layer: sqrt(fsum(some) / len(some)) for layer, some in squares.items()}


@contextmanager
def collector_paused() -> Iterator[None]:
    """No cyclic garbage collection inside: graphs have no cycles, they die with their root.

    The collector is back as it was on any exit. Not ``gc.freeze``, whose undoing would also thaw
    what the caller had frozen.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _epoch_loss(batch_losses: list[float], samples: int, batch_size: int) -> float:
    """Mean over the samples: the last batch may be smaller."""
    sizes = [batch_size] * (samples // batch_size) + [samples % batch_size]
    return fsum(loss * size for loss, size in zip(batch_losses, sizes, strict=False)) / samples


def _append(history: History, measured: tuple[float, float]) -> None:
    history.validation_loss.append(measured[0])
    history.validation_accuracy.append(measured[1])


def _check(
    X: Sequence[Any],
    y: Sequence[Any],
    epochs: int,
    batch_size: int,
    validation: Data | None,
    stop_below: float | None,
) -> None:
    same_length("y", y, "X", X)
    whole("epochs", epochs)
    whole("batch_size", batch_size)
    if validation is not None:
        same_length("validation[1]", validation[1], "validation[0]", validation[0])
    if stop_below is not None:
        within("stop_below", stop_below)
