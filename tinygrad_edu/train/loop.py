"""The complete training algorithm of Das and Varma, *The Backprop Algorithm*, on Values."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from os import PathLike
from random import Random
from time import perf_counter
from typing import Any

from tinygrad_edu.compiled.symbolic import Loss
from tinygrad_edu.compiler.python_backend import exact_sum
from tinygrad_edu.engine.collector import collector_paused
from tinygrad_edu.engine.errors import AnomalyError
from tinygrad_edu.nn import Module
from tinygrad_edu.nn.penalties import Penalty
from tinygrad_edu.shared.arguments import whole
from tinygrad_edu.shared.samples import by_position
from tinygrad_edu.train.data import minibatches, weighted
from tinygrad_edu.train.history import History
from tinygrad_edu.train.optim import SGD, Optimizer
from tinygrad_edu.train.progress import progress_bar
from tinygrad_edu.train.resume import Checkpoint, Run
from tinygrad_edu.train.stepping import Data, Task, stepper_for
from tinygrad_edu.train.stopping import Callback, Stopping


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
    sample_weight: Sequence[float] | None = None,
    compiled: bool | str = "auto",
) -> History:
    """Train a model: minimise the mean of ``loss(model(x), target)``.

    The model is in training mode meanwhile, and in evaluation mode (``model.eval()``) afterwards.

    Parameters
    ----------
    model : Module; X : samples, each a sequence of features; y : their targets
    loss : function of the output for one sample and its target, for example ``nn.cross_entropy``
    epochs : int, passes over the data; batch_size : int, samples between two updates: 1 for
        stochastic, ``len(X)`` for full-batch gradient descent
    optimizer : default SGD with a learning rate of 0.1
    validation : (X, y) that are not trained on; the model is measured on them after each epoch
    penalty : function of the model, such as ``nn.L2(1e-4)``, added to the loss of each batch
    stop_below : float, end when the validation (else training) loss has dropped below it
    patience : int, end after so many epochs without a better validation (else training) loss;
        the model then has the weights of its best epoch
    callbacks : functions of (history, model), called after each epoch; one that returns True ends
        the run. Set ``callback.reads_weights = False`` if it never looks at the weights: compiled
        training is then faster
    checkpoint : path of a file that is written after each epoch. If it exists, the run goes on
        from there, with the same bits as if it had not stopped; ``epochs`` counts those before,
        too, and ``patience`` and ``stop_below`` are those of this call. Data and settings must be
        those of the run before; a :class:`Checkpoint` keeps settings, and compares them
    rng : random.Random that shuffles; default ``Random(0)``
    progress : True for a tqdm bar, False for no bar, None for a bar where tqdm is installed
    history : a History to go on filling; what was reached is in it even after Ctrl-C
    sample_weight : numbers of at least 0, one per sample, by which its loss counts in the mean of
        its batch and of the epoch; a sample of weight 0 is left out
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
        checkpoint also if any other number of an epoch does; the file is that of the epoch before.

    References
    ----------
    Das and Varma, The Backprop Algorithm, "The Complete Training Algorithm", steps 1 to 4.

    Examples
    --------
    >>> from tinygrad_edu import nn
    >>> from tinygrad_edu.train import fit
    >>> model = nn.MLP(1, [1])
    >>> history = fit(model, nn.mse, [[0.0], [1.0]], [1.0, 3.0], epochs=200, progress=False)
    >>> f"{history.loss[-1]:.3f}"
    '0.000'
    """
    whole("epochs", epochs)
    X, y, rng = by_position(X), by_position(y, "y"), rng or Random(0)
    X, y, weights = weighted(X, y, sample_weight)
    optimizer = optimizer or SGD(model.parameters(), learning_rate=0.1)
    history = history if history is not None else History()
    if validation is not None:
        names = ("validation[0]", "validation[1]")
        validation = by_position(validation[0], names[0]), by_position(validation[1], names[1])
    if checkpoint is not None and not isinstance(checkpoint, Checkpoint):
        checkpoint = Checkpoint(checkpoint)
    task = Task(model, loss, X, y, optimizer, batch_size, penalty, validation, weights)
    stopping = Stopping(stop_below, patience, callbacks)
    run = Run(model, optimizer, rng, history, stopping, checkpoint)
    last = run.begin(epochs)
    looked_at = stopping.reads_weights or validation is not None or checkpoint is not None
    start = perf_counter() - (history.seconds or [0.0])[-1]
    batches = -(-len(X) // batch_size) * last

    model.train()  # step 1, the initial weights, was done when the model was built
    try:
        with (
            collector_paused(),
            stepper_for(task, compiled) as stepper,
            progress_bar(batches, progress, len(history.batch_loss)) as bar,
        ):
            while len(history.loss) < last and not history.stopped:  # step 2: repeat E times
                losses, right = [], 0
                for batch in minibatches(len(X), batch_size, rng):  # step 3: for M / B batches
                    # (a) forward pass, (b) backward pass, (c) the gradient of every weight
                    batch_loss, correct = stepper.forward_backward(batch)
                    _check_finite(batch_loss, history)
                    stepper.update()  # (d) change the weights
                    history.batch_loss.append(batch_loss)
                    losses.append(batch_loss * task.weight(batch))
                    right += correct
                    bar.advance(batch_loss)
                epoch: dict[str, Any] = {
                    "loss": exact_sum(losses) / task.weight(range(len(X))),
                    "accuracy": right / len(X),
                    "gradient": stepper.gradient_sizes(),
                    "learning_rate": optimizer.rate,
                }
                if looked_at:
                    stepper.settle(may_change=stopping.may_change_weights)
                if validation is not None:  # step 4: the loss on validation data
                    epoch["validation_loss"], epoch["validation_accuracy"] = stepper.validate()
                run.check(epoch)
                history.add(epoch | {"seconds": perf_counter() - start})
                bar.end_epoch(history)
                history.stopped = stopping.verdict(history, model)  # stop, or go back to step 2
                run.save()
        history.stopped = history.stopped or "epochs"
        if patience is not None:
            stopping.best.restore(model)
    finally:
        model.eval()
    return history


def _check_finite(loss: float, history: History) -> None:
    """Raise AnomalyError before a loss that is nan or infinite reaches the weights."""
    if not isfinite(loss):
        raise AnomalyError(
            f"the loss became {loss} in batch {len(history.batch_loss) + 1}.",
            where="the forward pass; the weights are those before this batch",
            fix="lower the learning rate; detect_anomaly() around fit names the first bad node.",
        )
