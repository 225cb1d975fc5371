"""The main job: a network of single numbers learns real handwritten digits."""

from __future__ import annotations

from pathlib import Path
from random import Random
from time import perf_counter

from tinygrad_edu.compiled.program import network_equations
from tinygrad_edu.engine import Value, topological_order
from tinygrad_edu.engine.collector import collector_paused
from tinygrad_edu.experiments.page import need_plots
from tinygrad_edu.experiments.report import write_report
from tinygrad_edu.expression import evaluate as expression
from tinygrad_edu.nn import MLP, cross_entropy
from tinygrad_edu.shared.files import writable_folder
from tinygrad_edu.train.data import Split, digits
from tinygrad_edu.train.history import History
from tinygrad_edu.train.loop import fit
from tinygrad_edu.train.optim import Adam
from tinygrad_edu.train.runners import evaluate


def demo(
    folder: Path,
    *,
    epochs: int = 12,
    hidden: int = 16,
    seed: int = 0,
    progress: bool | None = None,
    compiled: bool = True,
) -> tuple[str, list[str]]:
    """Train ``MLP(64, [hidden, 10])`` on scikit-learn's digits and write a report.

    Every multiplication is a Value; ``compiled``, the graph of one sample is trained as the
    matrices found in it. Ctrl-C ends the training, not the report: it shows what was reached.

    Returns
    -------
    (headline, names of the files written)

    Raises
    ------
    FileError
        Before training, if the folder can't be written to.
    """
    need_plots()
    writable_folder(folder)
    rng = Random(seed)
    split = digits(rng=rng)
    model = MLP(64, [hidden, 10], activation="relu", rng=rng)
    history = History()
    start = perf_counter()
    ended = _train(model, split, epochs, rng, progress, history, compiled)
    seconds = perf_counter() - start
    with collector_paused():
        _, accuracy = evaluate(model, cross_entropy, split.X_test, split.y_test)
    headline = (
        f"{accuracy:.1%} of {len(split.y_test)} held-out digits right after "
        f"{len(history.loss)} epochs in {seconds:.1f} s{ended}: MLP(64, [{hidden}, 10]), "
        f"{len(model.parameters()):,} parameters, each a single Value."
    )
    equations = network_equations(model, cross_entropy, split.X[0], split.y[0])
    return headline, write_report(folder, model, history, split, book_neuron(), headline, equations)


def _train(
    model: MLP,
    split: Split,
    epochs: int,
    rng: Random,
    progress: bool | None,
    history: History,
    compiled: bool,
) -> str:
    """Train until the end or Ctrl-C; how it ended, for the headline."""
    try:
        fit(
            model,
            cross_entropy,
            split.X,
            split.y,
            epochs=epochs,
            batch_size=16,
            optimizer=Adam(model.parameters(), learning_rate=0.01),
            validation=(split.X_test, split.y_test),
            rng=rng,
            progress=progress,
            history=history,
            compiled=compiled,
        )
    except KeyboardInterrupt:
        return " (stopped by Ctrl-C)"
    return ""


def book_neuron() -> Value:
    """The textbook's neuron with values and gradients: 0.73 out."""
    root, _ = expression(
        "sigmoid(w0*x0 + w1*x1 + w2)", {"w0": 2.0, "x0": -1.0, "w1": -3.0, "x1": -2.0, "w2": -3.0}
    )
    for node in topological_order(root):
        node.label = "" if node.op is not None else node.label  # the figure shows what it is
    root.backward()
    return root
