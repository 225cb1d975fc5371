"""The complete training algorithm of Das and Varma, *The Backprop Algorithm*, on Values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from os import PathLike
from random import Random
from time import perf_counter
from typing import Any

from tinygrad_edu.compiled.symbolic import Loss
from tinygrad_edu.engine.collector import collector_paused
from tinygrad_edu.engine.errors import AnomalyError, SettingError
from tinygrad_edu.nn import Module
from tinygrad_edu.nn.init import choose_rng
from tinygrad_edu.nn.penalties import Penalty
from tinygrad_edu.shared.arguments import same_length, whole, within
from tinygrad_edu.shared.samples import by_position, is_single
from tinygrad_edu.train.data import minibatches, split, weighted
from tinygrad_edu.train.history import History
from tinygrad_edu.train.interrupts import Interrupts
from tinygrad_edu.train.measures import Metric, Scores, check_model
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
    validation: Data | float | None = None,
    penalty: Penalty | None = None,
    stop_below: float | None = None,
    patience: int | None = None,
    min_delta: float = 0.0,
    metrics: Mapping[str, Metric] | None = None,
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
    optimizer : default SGD with a learning rate of 0.1. The parameters that it does not have, and
        those that are constants, stay as they are: it may train the last layer alone
    validation : (X, y) that are not trained on; the model is measured on them after each epoch. A
        number such as 0.2 is the share of the samples to hold out for that: on the same data
        always the same samples
    penalty : function of the model, such as ``nn.L2(1e-4)``, added to the loss of each batch
    stop_below : float, end when the validation (else training) loss has dropped below it
    patience : int, end after so many epochs without a better validation (else training) loss;
        the model then has the weights of its best epoch
    min_delta : float, by how much the loss must be lower, for patience, to be better
    metrics : functions of (targets, predictions) by name, measured in each epoch for
        ``history.metrics`` and ``history.validation_metrics``, for example
        ``metrics={"f1": sklearn.metrics.f1_score}``. Predictions are classes where targets are
    callbacks : functions of (history, model), called after each epoch; one that returns True ends
        the run; :class:`ReduceLROnPlateau` is one. Set ``callback.reads_weights = False`` if it
        never looks at the weights: compiled training is then faster
    checkpoint : path of a file that is written after each epoch. If it exists, the run goes on
        from there, with the same bits as if it had not stopped; ``epochs`` counts those before,
        too, and ``patience`` and ``stop_below`` are those of this call. Data, model, loss,
        optimizer, schedule, batch size and seed must be those of the run before; a
        :class:`Checkpoint` says which may differ, keeps settings of your own, or the best epoch
    rng : random.Random that shuffles; default ``Random(0)``
    progress : True for a tqdm bar, False for no bar, None for a bar where tqdm is installed
    history : a History to go on filling: this run is judged by its own epochs. What was reached is
        in it even after Ctrl-C, and in the model
    sample_weight : numbers of at least 0, one per sample, by which its loss counts in the mean of
        its batch and of the epoch; a sample of weight 0 is left out
    compiled : True for a program (:mod:`tinygrad_edu.compiler`), or a target of it, such as "c";
        False for the graph of Values; "auto" for a program where one structure serves all
        samples. Programs in C and JavaScript take whole steps: an epoch is one call

    Returns
    -------
    History

    Raises
    ------
    LengthError, OperandError, SettingError, FileError
        Before training, if the data hold nan or infinities, or if a setting can't be used.
    AnomalyError
        If the loss or a weight becomes nan or inf; the weights are those before that batch. With a
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
    epochs, batch_size = whole("epochs", epochs), whole("batch_size", batch_size)
    X, y, rng = by_position(X), by_position(y, "y"), choose_rng(rng)
    X, y, weights = weighted(X, y, sample_weight)
    X, y, weights, validation = held_out(X, y, weights, validation)
    check_model(model, loss)
    optimizer = optimizer or SGD(model.parameters(), learning_rate=0.1)
    history = history if history is not None else History()
    expect("optimizer", optimizer, Optimizer, "SGD(model.parameters(), 0.1)")
    expect("history", history, History, "History()")
    if checkpoint is not None and not isinstance(checkpoint, Checkpoint):
        checkpoint = Checkpoint(checkpoint)
    task = Task(model, loss, X, y, optimizer, batch_size, penalty, validation, weights)
    keep_best = checkpoint is not None and checkpoint.keep == "best"
    stopping = Stopping(stop_below, patience, min_delta, callbacks, keep_best)
    run = Run(task, rng, history, stopping, checkpoint)
    last = run.begin(epochs)
    looked_at = stopping.reads_weights or validation is not None or checkpoint is not None
    scores = Scores(y, loss, metrics)
    on_others = Scores(validation[1], loss, metrics) if validation is not None else None
    start = perf_counter() - (history.seconds or [0.0])[-1]
    done, todo = len(history.batch_loss), last - len(history.loss)

    model.train()  # step 1, the initial weights, was done when the model was built
    try:
        with (
            Interrupts() as ctrl_c,
            collector_paused(),
            stepper_for(task, compiled, last) as stepper,
            progress_bar(done + -(-len(X) // batch_size) * todo, progress, done) as bar,
        ):
            run.set_generators()
            while len(history.loss) < last and not history.stopped:  # step 2: repeat E times
                scores.start()
                with stepper.epoch():
                    batches, at = [*minibatches(len(X), batch_size, rng)], 0
                    while at < len(batches):  # step 3: for M / B batches
                        with ctrl_c.held_back():  # as many whole steps as a program takes at once
                            losses, outputs = stepper.whole_steps(batches, at)
                            history.batch_loss += losses
                        if not losses:
                            # (a) forward pass, (b) backward pass, (c) the gradient of every weight
                            batch_loss, outputs = stepper.forward_backward(batches[at])
                            if not isfinite(batch_loss):
                                first = len(history.batch_loss) == done
                                raise lost(batch_loss, at, task, history, first=first)
                            with ctrl_c.held_back():
                                stepper.update()  # (d) change the weights
                                history.batch_loss.append(batch_loss)
                            losses = [batch_loss]
                        some = batches[at : at + len(losses)]
                        scores.add(some, losses, outputs, [*map(task.weight, some)])
                        bar.advance(losses[-1], len(losses))
                        at += len(losses)
                epoch = scores.total() | {
                    "gradient": stepper.gradient_sizes(),
                    "learning_rate": optimizer.rate,
                }
                if looked_at:
                    stepper.settle(may_change=stopping.may_change_weights)
                if on_others is not None:  # step 4: the loss on validation data
                    held_out_scores = on_others.of_all(*stepper.validate())
                    epoch |= {f"validation_{name}": x for name, x in held_out_scores.items()}
                run.check(epoch)
                with ctrl_c.held_back():
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


def expect(name: str, given: Any, kind: type, example: str) -> None:
    """Raise SettingError unless a setting is of its kind."""
    if not isinstance(given, kind):
        raise SettingError(
            f"{name} is {given!r:.60}.",
            expected=f"a {kind.__name__} of tinygrad_edu.train",
            fix=f"pass {name}=train.{example}.",
        )


def held_out(
    X: Sequence[Any], y: Sequence[Any], weights: list[float] | None, validation: Any
) -> tuple[Sequence[Any], Sequence[Any], list[float] | None, Data | None]:
    """Return what to train on, with its weights, and what to validate on.

    The share of the samples that a number asks for is drawn by a generator of its own, so that
    another run on the same data holds out the same samples, whatever else is random in it.
    """
    if validation is None:
        return X, y, weights, None
    if not is_single(validation):
        pair = [*validation]
        if len(pair) != 2:
            raise SettingError(
                f"validation has {len(pair)} parts.",
                expected="samples and their targets, or the share of the samples to hold out",
                fix="pass a share, for example validation=0.2.",
            )
        others = by_position(pair[0], "validation[0]"), by_position(pair[1], "validation[1]")
        return X, y, weights, others
    share = within("validation", validation, above=0.0, below=1.0)
    same_length("y", y, "X", X)
    strata = [tuple(t) if isinstance(t, Iterable) else t for t in y]
    counts = Counter(strata)
    alike = min(counts.values()) > 1 and len(counts) <= len(y) * (1.0 - share)
    places = [[i] for i in range(len(X))]
    parts = split(places, y, share, rng=Random(0), stratify=strata if alike else None)
    if not parts.X_test:
        raise SettingError(
            f"validation is {share:g}: of {len(X)} samples, none would be held out.",
            fix="pass a larger share, for example validation=0.5.",
        )
    mine, theirs = ([int(i) for (i,) in part] for part in (parts.X, parts.X_test))
    if weights is not None:
        weights = [weights[i] for i in mine]
    return [X[i] for i in mine], parts.y, weights, ([X[i] for i in theirs], parts.y_test)


def lost(loss: float, batches: int, task: Task, history: History, *, first: bool) -> AnomalyError:
    """Describe a loss that is nan or infinite, after so many batches of its epoch."""
    bad = [name for name, p in task.model.named_parameters() if not isfinite(p.data)]
    fix = "detect_anomaly() around fit names the first bad node."
    if bad:
        fix = f"start from finite weights: {bad[0]} is not finite before this batch."
    elif not first:  # the data are finite, so that the weights have grown too large
        fix = f"lower the learning rate, which is {task.optimizer.rate:.4g}; {fix}"
    return AnomalyError(
        f"the loss became {loss} in epoch {len(history.loss) + 1}, batch {batches + 1}.",
        where="the forward pass; the weights are those before this batch",
        fix=fix,
    )
