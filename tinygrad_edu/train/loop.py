"""The complete training algorithm, steps 1 to 4 of Das and Varma's chapter, on Values.

Step 1, the initial weights, is the model's. ``fit`` does the rest and names the steps as it goes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from os import PathLike
from random import Random
from time import perf_counter
from typing import Any

from tinygrad_edu.compiled.program import compiled_or_graph
from tinygrad_edu.compiled.symbolic import Loss, whole_batch_part
from tinygrad_edu.compiler.python_backend import exact_sum
from tinygrad_edu.engine.collector import collector_paused
from tinygrad_edu.engine.errors import SettingError
from tinygrad_edu.nn import Module
from tinygrad_edu.nn.penalties import Penalty
from tinygrad_edu.shared.arguments import same_length, whole, within
from tinygrad_edu.train.data import by_position, minibatches
from tinygrad_edu.train.history import History
from tinygrad_edu.train.optim import SGD, Optimizer
from tinygrad_edu.train.progress import Progress, progress_bar
from tinygrad_edu.train.resume import Best, Checkpoint, Run
from tinygrad_edu.train.runners import (
    CompiledRunner,
    Data,
    EagerRunner,
    Job,
    Runner,
)

Callback = Callable[[History, Module], Any]


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
    penalty: Penalty | None = None,
    stop_below: float | None = None,
    patience: int | None = None,
    callbacks: Sequence[Callback] = (),
    checkpoint: str | PathLike[str] | Checkpoint | None = None,
    rng: Random | None = None,
    progress: bool | None = None,
    history: History | None = None,
    compiled: bool | str = "auto",
) -> History:
    """Train a model: minimise the mean of ``loss(model(x), target)``.

    The model is in training mode meanwhile, and as in use (``model.eval()``) afterwards.

    Parameters
    ----------
    model : Module; X : samples, each a sequence of features; y : their targets
    loss : function of the output for one sample and its target, for example ``nn.cross_entropy``
    epochs : int, passes over the data; batch_size : int, samples between two updates: 1 for
        stochastic, ``len(X)`` for full-batch gradient descent
    optimizer : default SGD with a learning rate of 0.1
    validation : (X, y) that are not trained on, measured after each epoch
    penalty : function of the model, such as ``nn.L2(1e-4)``, added to the loss of each batch
    stop_below : float, end when the validation (else training) loss has dropped below it
    patience : int, end after so many epochs without a better validation (else training) loss;
        at the end the model has the weights of the best epoch
    callbacks : functions of (history, model), called after each epoch; one that returns True ends
        the run. One with an attribute ``reads_weights`` that is False does without the weights,
        which saves time where they are in matrices
    checkpoint : path of a file that is written after each epoch. If it exists, the run goes on
        from there, with the same bits as if it had not stopped; ``epochs`` counts all, and
        ``patience`` and ``stop_below`` are those of this call. The data and the settings must be
        those of the run before; a :class:`Checkpoint` keeps settings, and compares them
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
    LengthError, SettingError, FileError
        Before training, if a setting can't be used.
    AnomalyError
        If the loss becomes nan or inf; the weights are those before that batch. With a
        checkpoint also if anything else of an epoch does; the file is that of the epoch before.

    Examples
    --------
    >>> from tinygrad_edu import nn
    >>> from tinygrad_edu.train import fit
    >>> model = nn.MLP(1, [1])
    >>> history = fit(model, nn.mse, [[0.0], [1.0]], [1.0, 3.0], epochs=200, progress=False)
    >>> f"{history.loss[-1]:.3f}"
    '0.000'
    """
    _check(model, X, y, epochs, batch_size, validation, stop_below, patience)
    optimizer = optimizer or SGD(model.parameters(), learning_rate=0.1)
    history = history if history is not None else History()
    X, y = by_position(X), by_position(y)
    validation = tuple(map(by_position, validation)) if validation is not None else None
    run = Run(model, optimizer, rng or Random(0), history)
    if checkpoint is not None and not isinstance(checkpoint, Checkpoint):
        checkpoint = Checkpoint(checkpoint)
    last = run.begin(checkpoint, epochs)
    job = Job(model, loss, (X, y), validation, optimizer, batch_size, penalty)
    stops = Stops(stop_below, patience, callbacks)
    stops.begin(run)
    total = -(-len(X) // batch_size) * last
    model.train()
    try:
        with (
            collector_paused(),
            _runner(job, compiled) as runner,
            progress_bar(total, progress) as bar,
        ):
            bar.start(len(history.batch_loss))
            _train(run, runner, job, last, stops, bar, checkpoint)
        history.stopped = history.stopped or "epochs"
        if patience is not None:
            run.best.restore(model)
    finally:
        model.eval()
    return history


@dataclass(frozen=True)
class Stops:
    """What ends a run before its last epoch."""

    below: float | None
    patience: int | None
    callbacks: Sequence[Callback]

    @property
    def reads_weights(self) -> bool:
        """Whether the weights are looked at after each epoch, as most callbacks may."""
        return self.may_change_weights or self.patience is not None

    @property
    def may_change_weights(self) -> bool:
        """Whether there are callbacks that look at the weights: they may also change them."""
        return any(getattr(callback, "reads_weights", True) for callback in self.callbacks)

    def begin(self, run: Run) -> None:
        """Judge anew a run that was stopped by the limits it had before."""
        if self.patience is None or run.best.loss is None:
            run.best = Best(epoch=len(run.history.loss))  # epochs not looked at do not count
        if run.history.stopped in ("threshold", "patience"):
            run.history.stopped = self._limit(run)

    def verdict(self, run: Run) -> str:
        """Why to stop after this epoch, or ""."""
        history = run.history
        if self.patience is not None:
            run.best.look(history.latest, len(history.loss), run.model)
        asked = [callback(history, run.model) is True for callback in self.callbacks]
        return self._limit(run) or ("callback" if any(asked) else "")

    def _limit(self, run: Run) -> str:
        """Which limit the run has reached, or ""."""
        if self.below is not None and run.history.latest < self.below:
            return "threshold"
        waited = len(run.history.loss) - run.best.epoch
        return "patience" if self.patience is not None and waited >= self.patience else ""


def _train(
    run: Run,
    runner: Runner,
    job: Job,
    last: int,
    stops: Stops,
    bar: Progress,
    checkpoint: Checkpoint | None,
) -> None:
    """Steps 2 to 4."""
    history = run.history
    start = perf_counter() - (history.seconds or [0.0])[-1]
    looked_at = stops.reads_weights or job.validation is not None or checkpoint is not None
    while len(history.loss) < last and not history.stopped:  # step 2: repeat step 3, E times
        entry = _epoch(run, runner, bar, len(job.data[0]), job.batch_size)
        if looked_at:  # else at the end, or when Ctrl-C comes
            runner.settle()
        if job.validation is not None:  # step 4: the loss on validation data, and stop
            entry["validation_loss"], entry["validation_accuracy"] = runner.validate()
        if checkpoint is not None:
            runner.remember()
            run.check(entry)
        history.add(entry | {"seconds": perf_counter() - start})
        bar.end_epoch(history)
        history.stopped = stops.verdict(run)
        if checkpoint is not None:
            run.save(checkpoint)
        if stops.may_change_weights:
            runner.look_again(go_on=len(history.loss) < last and not history.stopped)


def _epoch(
    run: Run, runner: Runner, bar: Progress, samples: int, batch_size: int
) -> dict[str, Any]:
    """Step 3: M / B batches, an update each; what they were like, for the history."""
    right, history = 0, run.history
    before = len(history.batch_loss)
    for batch in minibatches(samples, batch_size, run.rng):
        right += runner.step(batch, history)
        bar.advance(history.batch_loss[-1])
    return {
        "loss": _epoch_loss(history.batch_loss[before:], samples, batch_size),
        "accuracy": right / samples,
        "gradient": runner.gradient_sizes(),
        "learning_rate": run.optimizer.rate,
    }


def _runner(job: Job, compiled: bool | str) -> Runner:
    """The one that was asked for; "auto": compiled, where that can be."""

    def make() -> Runner:
        return CompiledRunner(job)

    return compiled_or_graph(compiled, make, lambda: EagerRunner(job))


def _epoch_loss(batch_losses: list[float], samples: int, batch_size: int) -> float:
    """Mean over the samples: the last batch may be smaller."""
    sizes = [batch_size] * (samples // batch_size) + [samples % batch_size]
    weighted = [loss * size for loss, size in zip(batch_losses, sizes, strict=False)]
    return exact_sum(weighted) / samples


def _check(
    model: Module,
    X: Sequence[Any],
    y: Sequence[Any],
    epochs: int,
    batch_size: int,
    validation: Data | None,
    stop_below: float | None,
    patience: int | None,
) -> None:
    same_length("y", y, "X", X)
    whole("epochs", epochs)
    whole("batch_size", batch_size)
    if validation is not None:
        same_length("validation[1]", validation[1], "validation[0]", validation[0])
    if stop_below is not None:
        within("stop_below", stop_below)
    if patience is not None:
        whole("patience", patience)
    part = whole_batch_part(model)
    if part is not None and min(len(X), len(X) % batch_size or batch_size) == 1:
        raise SettingError(
            f"{len(X)} samples in batches of {batch_size} leave a batch of one sample.",
            where=f"{part!r} takes the variance of each batch",
            fix="choose a batch_size that leaves no single sample over.",
        )
