"""What a training run reached, as a folder that a person opens: model, curves, pictures, a page."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import Any

from tinygrad_edu.compiled.predict import Predictor
from tinygrad_edu.compiled.program import network_equations
from tinygrad_edu.compiler.equations import Equations
from tinygrad_edu.diagnose import decision_boundary, gradient_flow
from tinygrad_edu.engine.errors import TinygradEduError
from tinygrad_edu.experiments.page import Figure, Page
from tinygrad_edu.nn import Module, cross_entropy, save
from tinygrad_edu.shared.arguments import extra
from tinygrad_edu.shared.folders import replacing
from tinygrad_edu.shared.pictures import default_style
from tinygrad_edu.shared.plots import unseen
from tinygrad_edu.shared.tables import Markup, html_table
from tinygrad_edu.train import DATA_SETS, History, Split
from tinygrad_edu.train.datasets import DataSet
from tinygrad_edu.train.progress import epoch_line
from tinygrad_edu.viz import draw

FILES = (  # all that a report may consist of; a new report replaces every one of an older one
    *("index.html", "model.json", "history.json", "loss.png", "decision.png", "confusion.png"),
    *("digits.png", "gradients.png", "neuron.svg", "network.svg"),
)
RIGHT, WRONG, PALE = "#0f766e", "#c2410c", "#b6bcc3"
SHOWN, MISTAKES = 50, 30  # how many digits are shown, and how many of them may be mistakes
ABOUT_MATRICES = (
    "The network was written in single numbers. These equations were found in the graph of one "
    "sample; ΔA is dL/dA, ⊙ multiplies number by number, [A > 0] is 1 where that holds and else 0."
)


@default_style()
def write_report(
    folder: Path,
    title: str,
    headline: str,
    settings: Mapping[str, Any],
    model: Module,
    history: History,
    split: Split,
    figures: Sequence[Figure] = (),
) -> list[str]:
    """Write a trained model and all that can be seen of it; return the names of the files.

    The settings are those of an ``Experiment``; the page and the model's file keep them. All of an
    older report in the folder is replaced, or nothing of it.
    """
    page, kind = Page(title, headline), DATA_SETS[settings["data"]]
    page.add_plot("loss.png", "Loss and accuracy", plot_history(history))
    if kind.features == 2:
        with unseen():
            boundary = decision_boundary(model, split.X_test, split.y_test)
        page.add_plot("decision.png", "Predictions on held-out samples", boundary.figure)
    else:
        predicted = [out.index(max(out)) for out in Predictor(model)(split.X_test)]
        confusion = plot_confusion(kind, predicted, split.y_test)
        page.add_plot("confusion.png", "Predictions on held-out samples", confusion)
        if kind.name == "digits" and settings["raw"]:
            digits = plot_digits(predicted, split)
            page.add_plot("digits.png", "Held-out digits, the mistakes first", digits)
    page.add_plot("gradients.png", "Size of the gradient in each layer", plot_gradients(history))
    flow = gradient_flow(model, cross_entropy, split.X, split.y)
    page.add("How the gradient flows now", flow._repr_html_())
    with suppress(TinygradEduError):  # without NumPy the run was on Values, and there are none
        found = network_equations(model, cross_entropy, split.X[0], split.y[0])
        page.add("The matrices in it", equations_table(found), ABOUT_MATRICES)
    for figure in (*figures, network_figure(model, split)):
        page.add_figure(figure)
    rows = [(name, "default" if x is None else str(x)) for name, x in settings.items()]
    page.add(
        "Settings",
        html_table("Every setting of this run.", (), rows, "<<"),
    )
    epochs = "\n".join(epoch_line(history, epoch) for epoch in range(len(history.loss)))
    page.add("Epochs", f"<pre>{escape(epochs) or 'none was finished'}</pre>")
    page.files["history.json"] = json.dumps(asdict(history), indent=1).encode()
    with replacing(folder, FILES) as new:
        save(model, new / "model.json", headline=headline, settings=dict(settings))
        return [*page.write(new), "model.json"]


def subplots(rows: int, columns: int, size: tuple[float, float]) -> Any:
    """Return the Axes of a new Matplotlib figure of a size in inches, which pyplot forgets."""
    figures = extra("matplotlib.figure", "matplotlib", "the report")
    return figures.Figure(figsize=size, layout="constrained").subplots(rows, columns)


def plot_history(history: History) -> Any:
    """Plot loss and accuracy against epochs, and the loss of each batch in gray."""
    left, right = subplots(1, 2, (9.0, 3.6))
    batches = len(history.batch_loss)
    per_epoch = batches / len(history.loss) if history.loss else max(batches, 1)
    left.plot([(i + 1) / per_epoch for i in range(batches)], history.batch_loss, color=PALE, lw=0.7)
    epochs = range(1, len(history.loss) + 1)
    for ax, training, held_out in (
        (left, history.loss, history.validation_loss),
        (right, history.accuracy, history.validation_accuracy),
    ):
        ax.plot(epochs, training, "o-", ms=3, color=RIGHT, label="training")
        if held_out:
            ax.plot(epochs, held_out, "s--", ms=3, color=WRONG, label="held out")
    left.set(xlabel="epoch", ylabel="cross entropy (nats)", yscale="log", title="Loss")
    right.set(xlabel="epoch", ylabel="share of correct predictions", title="Accuracy")
    left.legend(loc="upper right", frameon=False)
    right.legend(loc="lower right", frameon=False)
    return left.figure


def plot_gradients(history: History) -> Any:
    """Plot the root mean square of dL/dw in each layer against epochs, on a logarithmic scale."""
    ax = subplots(1, 1, (9.0, 3.6))
    for layer in history.gradient[0] if history.gradient else ():
        sizes = [sizes[layer] for sizes in history.gradient]
        ax.plot(range(1, len(sizes) + 1), sizes, "o-", ms=3, label=layer)
    ax.set(xlabel="epoch", ylabel="rms of dL/dw, last batch", title="Size of the gradient")
    if history.gradient:
        ax.set_yscale("log")
        ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    return ax.figure


def plot_confusion(kind: DataSet, predicted: Sequence[int], targets: Sequence[int]) -> Any:
    """Plot how many samples of each class were taken for which."""
    ax = subplots(1, 1, (6.0, 5.0))
    counts = [[0] * kind.classes for _ in range(kind.classes)]
    for guess, target in zip(predicted, targets, strict=True):
        counts[target][guess] += 1
    ax.imshow(counts, cmap="Greens")
    middle = max(map(max, counts)) / 2
    for i, row in enumerate(counts):
        for j, count in enumerate(row):
            color = "white" if count > middle else "black"
            ax.text(j, i, str(count) if count else "·", ha="center", va="center", color=color)
    names = kind.class_names or [*map(str, range(kind.classes))]
    ax.set_xticks(range(kind.classes), names, rotation=15 if max(map(len, names)) > 8 else 0)
    ax.set_yticks(range(kind.classes), names)
    ax.set(xlabel="predicted class", ylabel="true class", title="Held-out samples")
    return ax.figure


def plot_digits(predicted: Sequence[int], split: Split) -> Any:
    """Show held-out digits with their predictions, the mistakes first and in orange."""
    samples = range(len(predicted))
    wrong = [i for i in samples if predicted[i] != split.y_test[i]]
    right = [i for i in samples if predicted[i] == split.y_test[i]]
    axes = subplots(5, SHOWN // 5, (9.0, 5.4)).ravel()
    axes[0].figure.suptitle(f"{len(wrong)} of {len(predicted)} held-out digits wrong (orange)")
    for ax in axes:
        ax.axis("off")
    for ax, i in zip(axes, wrong[:MISTAKES] + right, strict=False):
        rows = [split.X_test[i][start : start + 8] for start in range(0, 64, 8)]
        ax.imshow(rows, cmap="gray_r", vmin=0.0, vmax=1.0)
        good = predicted[i] == split.y_test[i]
        words = f"{predicted[i]}" if good else f"{predicted[i]}, is {split.y_test[i]}"
        ax.set_title(words, color=RIGHT if good else WRONG, fontsize=9, pad=2)
    return axes[0].figure


def network_figure(model: Module, split: Split) -> Figure:
    """Draw the network folded to its layers, with the gradients of one sample's loss."""
    copy = deepcopy(model)  # so the model's own gradients stay as they were
    copy.zero_grad()
    loss = cross_entropy(copy(split.X[0]), split.y[0])
    loss.backward()
    return Figure(
        "network.svg",
        "The network, folded to its layers",
        "One training sample's loss: what flows forwards, and the size of the gradients.",
        draw(loss, style="folded"),
    )


def equations_table(equations: Equations) -> str:
    """Return the equations that were found, each beside that of Das and Varma, as an HTML table."""
    head = ("in the graph, one row per sample", "in Das and Varma, one column per sample")
    rows = [
        # a number that follows a letter is that of a matrix, unlike the 0 of a maximum
        [Markup(re.sub(r"(?<=[A-Za-z])(\d+)", r"<sub>\1</sub>", escape(text))) for text in pair]
        for pair in equations.beside_the_book()
    ]
    return html_table("In the order in which they run.", head, rows, "<<")
