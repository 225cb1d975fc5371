"""What a training run reached, as a folder that a person opens: model, curves, pictures, a page."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import Any

from tinygrad_edu.compiled.predict import Predictor
from tinygrad_edu.compiled.program import network_equations
from tinygrad_edu.compiled.symbolic import Loss
from tinygrad_edu.compiler.equations import Equations
from tinygrad_edu.diagnose import decision_boundary, gradient_flow
from tinygrad_edu.engine.errors import TinygradEduError
from tinygrad_edu.experiments.page import Figure, Page
from tinygrad_edu.experiments.scaling import Scaling
from tinygrad_edu.experiments.table import Table
from tinygrad_edu.nn import Module, save
from tinygrad_edu.shared.arguments import extra
from tinygrad_edu.shared.folders import replacing
from tinygrad_edu.shared.pictures import default_style
from tinygrad_edu.shared.plots import unseen
from tinygrad_edu.shared.tables import Markup, html_table
from tinygrad_edu.train import History, Split
from tinygrad_edu.train.datasets import DataSet
from tinygrad_edu.train.progress import epoch_line
from tinygrad_edu.viz import draw

FILES = (  # all that a report may consist of; a new report replaces every one of an older one
    *("index.html", "model.json", "history.json", "loss.png", "decision.png", "confusion.png"),
    *("amounts.png", "digits.png", "gradients.png", "neuron.svg", "network.svg"),
)
RIGHT, WRONG, PALE = "#0f766e", "#c2410c", "#b6bcc3"
SHOWN, MISTAKES = 50, 30  # how many digits are shown, and how many of them may be mistakes
LONGEST_NAME = 24  # letters of a user's name in a picture
LARGE = 20_000  # weights; the graphs of larger networks take minutes
LEFT_OUT = (
    "How the gradient flows, and the drawing of the network, would take minutes with {weights:,} "
    "weights, each a single Value; tinygrad-edu diagnose computes the flow."
)
COUNTED = 20  # up to so many classes, a table of confusions has its numbers
ABOUT_MATRICES = (
    "The network was written in single numbers. These equations were found in the graph of one "
    "sample; ΔA is dL/dA, ⊙ multiplies number by number, [A > 0] is 1 where that holds and else 0."
)


@dataclass(frozen=True)
class Data:
    """What a network was trained on.

    Attributes
    ----------
    kind : DataSet; split : Split, scaled as the network takes it; loss : the loss of one sample
    scaling : Scaling of the features, or None; unit : that of the target, where it is an amount
    """

    kind: DataSet
    split: Split
    loss: Loss
    scaling: Scaling | None = None
    unit: Scaling | None = None


@default_style()
def write_report(
    folder: Path,
    title: str,
    headline: str,
    settings: Mapping[str, Any],
    model: Module,
    history: History,
    data: Data,
    figures: Sequence[Figure] = (),
) -> list[str]:
    """Write a trained model and all that can be seen of it; return the names of the files.

    The settings are those of an ``Experiment``; the page and the model's file keep them. All of an
    older report in the folder is replaced, or nothing of it.
    """
    page, kind, split = Page(title, headline), data.kind, data.split
    amounts = data.unit is not None
    what = "Loss" if amounts else "Loss and accuracy"
    page.add_plot("loss.png", what, plot_history(history, amounts=amounts))
    outputs = Predictor(model)(split.X_test)
    if data.unit is not None:
        plot = plot_amounts(kind, data.unit, outputs, split.y_test)
        page.add_plot("amounts.png", "Predictions on held-out samples", plot)
    elif kind.features == 2:
        page.add_plot("decision.png", "Predictions on held-out samples", plot_boundary(model, data))
    else:
        predicted = [out.index(max(out)) for out in outputs]
        confusion = plot_confusion(kind, predicted, split.y_test)
        page.add_plot("confusion.png", "Predictions on held-out samples", confusion)
        if kind.name == "digits" and settings["raw"]:
            digits = plot_digits(predicted, split)
            page.add_plot("digits.png", "Held-out digits, the mistakes first", digits)
    page.add_plot("gradients.png", "Size of the gradient in each layer", plot_gradients(history))
    weights = len(model.parameters())
    large = weights > LARGE
    if large:
        page.add("Left out", "", LEFT_OUT.format(weights=weights))
    else:
        flow = gradient_flow(model, data.loss, split.X, split.y)
        page.add("How the gradient flows now", flow._repr_html_())
    with suppress(TinygradEduError):  # without NumPy the run was on Values, and there are none
        found = network_equations(model, data.loss, split.X[0], split.y[0])
        page.add("The matrices in it", equations_table(found), ABOUT_MATRICES)
    for figure in (*figures, *([] if large else [network_figure(model, data)])):
        page.add_figure(figure)
    if isinstance(kind, Table):
        page.add("The table", about_table(kind))
        page.add("Use it in Python", f"<pre>{escape(python_lines(folder, kind, data))}</pre>")
    rows = [(name, "default" if x is None else str(x)) for name, x in settings.items()]
    page.add(
        "Settings",
        html_table("Every setting of this run.", (), rows, "<<"),
    )
    epochs = "\n".join(epoch_line(history, epoch) for epoch in range(len(history.loss)))
    page.add("Epochs", f"<pre>{escape(epochs) or 'none was finished'}</pre>")
    page.files["history.json"] = json.dumps(asdict(history), indent=1).encode()
    with replacing(folder, FILES) as new:
        save(
            model,
            new / "model.json",
            headline=headline,
            settings=dict(settings),
            ends=[kind.features, kind.classes],
            columns=list(kind.columns) if isinstance(kind, Table) else [],
            classes=list(kind.class_names),
            scaling=data.scaling and asdict(data.scaling),
            unit=data.unit and asdict(data.unit),
        )
        return [*page.write(new), "model.json"]


def subplots(rows: int, columns: int, size: tuple[float, float]) -> Any:
    """Return the Axes of a new Matplotlib figure of a size in inches, which pyplot forgets."""
    figures = extra("matplotlib.figure", "matplotlib", "the report")
    return figures.Figure(figsize=size, layout="constrained").subplots(rows, columns)


def plot_history(history: History, *, amounts: bool = False) -> Any:
    """Plot loss and, unless amounts are learned, accuracy; and the loss of each batch in gray."""
    left, right = subplots(1, 2, (9.0, 3.6))
    batches = len(history.batch_loss)
    per_epoch = batches / len(history.loss) if history.loss else max(batches, 1)
    left.plot([(i + 1) / per_epoch for i in range(batches)], history.batch_loss, color=PALE, lw=0.7)
    epochs = range(1, len(history.loss) + 1)
    for ax, training, held_out in (
        (left, history.loss, history.validation_loss),
        *[(right, history.accuracy, history.validation_accuracy)] * (not amounts),
    ):
        ax.plot(epochs, training, "o-", ms=3, color=RIGHT, label="training")
        if held_out:
            ax.plot(epochs, held_out, "s--", ms=3, color=WRONG, label="held out")
    unit = "squared error (in standard deviations)" if amounts else "cross entropy (nats)"
    left.set(xlabel="epoch", ylabel=unit, yscale="log", title="Loss")
    left.legend(loc="upper right", frameon=False)
    if amounts:
        right.remove()
        return left.figure
    right.set(xlabel="epoch", ylabel="share of correct predictions", title="Accuracy")
    right.legend(loc="lower right", frameon=False)
    return left.figure


def plot_amounts(
    kind: DataSet, unit: Scaling, outputs: Sequence[Sequence[float]], targets: Sequence[float]
) -> Any:
    """Plot predicted against true amounts, in the units of the target; right ones are on a line."""
    predicted = [unit.back(out)[0] for out in outputs]
    true = [unit.back([y])[0] for y in targets]
    ax = subplots(1, 1, (5.6, 5.0))
    ax.plot(true, predicted, "o", ms=4, color=RIGHT, alpha=0.7)
    ends = [min(true), max(true)]
    ax.plot(ends, ends, color=PALE, lw=1.0)
    name = plain(kind.target) if isinstance(kind, Table) else "target"
    ax.set(xlabel=f"{name}, true", ylabel=f"{name}, predicted", title="Held-out samples")
    return ax.figure


def plot_boundary(model: Module, data: Data) -> Any:
    """Plot the regions of the classes, and the held-out samples, in the plane of two features."""
    kind, split = data.kind, data.split
    with unseen():
        ax = decision_boundary(model, split.X_test, split.y_test, class_names=kind.class_names)
    columns = kind.columns if isinstance(kind, Table) else ("feature 0", "feature 1")
    scale = "" if data.scaling is None else ", standardized"
    x, y = (plain(name) + scale for name in columns)
    ax.set(xlabel=x, ylabel=y)
    return ax.figure


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
    for i, row in enumerate(counts if kind.classes <= COUNTED else ()):
        for j, count in enumerate(row):
            color = "white" if count > middle else "black"
            ax.text(j, i, str(count) if count else "·", ha="center", va="center", color=color)
    names = [plain(name) for name in kind.class_names or map(str, range(kind.classes))]
    size = 10 if kind.classes <= COUNTED else 5
    turned = 90 if sum(map(len, names)) > 60 else 15 if max(map(len, names)) > 8 else 0
    ax.set_xticks(range(kind.classes), names, rotation=turned, fontsize=size)
    ax.set_yticks(range(kind.classes), names, fontsize=size)
    ax.set(xlabel="predicted class", ylabel="true class", title="Held-out samples")
    return ax.figure


def plot_digits(predicted: Sequence[int], split: Split) -> Any:
    """Show held-out digits with their predictions, the mistakes first and in orange."""
    samples = range(len(predicted))
    wrong = [i for i in samples if predicted[i] != split.y_test[i]]
    right = [i for i in samples if predicted[i] == split.y_test[i]]
    ax = subplots(1, 1, (9.0, 5.4))  # a single one: fifty would take a second to be laid out
    ax.set_title(f"{len(wrong)} of {len(predicted)} held-out digits wrong (orange)", pad=18)
    for place, i in enumerate((wrong[:MISTAKES] + right)[:SHOWN]):
        row, column = divmod(place, SHOWN // 5)
        top, left = 11 * row, 10 * column  # in pixels of the digits
        rows = [split.X_test[i][start : start + 8] for start in range(0, 64, 8)]
        edges = (left, left + 8, top + 8, top)
        ax.imshow(rows, cmap="gray_r", vmin=0.0, vmax=1.0, extent=edges)
        good = predicted[i] == split.y_test[i]
        words = f"{predicted[i]}" if good else f"{predicted[i]}, is {split.y_test[i]}"
        color = RIGHT if good else WRONG
        ax.text(left + 4, top - 0.3, words, color=color, fontsize=9, ha="center", va="bottom")
    ax.set(xlim=(0, 98), ylim=(52, 0))
    ax.axis("off")
    return ax.figure


def network_figure(model: Module, data: Data) -> Figure:
    """Draw the network folded to its layers, with the gradients of one sample's loss."""
    copy = deepcopy(model)  # so the model's own gradients stay as they were
    copy.zero_grad()
    loss = data.loss(copy(data.split.X[0]), data.split.y[0])
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
        [
            Markup(re.sub(r"(?<=[A-Za-z])(\d+)|_(rows|cols)", r"<sub>\1\2</sub>", escape(text)))
            for text in pair
        ]
        for pair in equations.beside_the_book()
    ]
    return html_table("In the order in which they run.", head, rows, "<<")


def plain(name: str) -> str:
    """Return a user's name as Matplotlib draws it letter by letter: short, and not a formula."""
    shown = "".join(letter if letter.isprintable() else " " for letter in name)
    shown = shown if len(shown) <= LONGEST_NAME else shown[: LONGEST_NAME - 1] + "…"
    return shown.replace("$", r"\$")


def about_table(table: Table) -> str:
    """Return the columns of a user's file, its classes, and how it was read, as HTML."""
    rows = [(name, "feature") for name in table.columns] + [(table.target, "target")]
    rows += [(name, f"class {i}") for i, name in enumerate(table.class_names)]
    notes = "".join(f"<p>{escape(note)}.</p>\n" for note in table.notes)
    return notes + html_table(f"{table}.", ("name", ""), rows, "<<")


def python_lines(folder: Path, table: Table, data: Data) -> str:
    """Return a program that predicts new samples with the saved model."""
    first = data.split.X[0] if data.scaling is None else data.scaling.back(data.split.X[0])
    sample = ", ".join(f"{x:.6g}" for x in first)
    return (
        "from tinygrad_edu.experiments import trained\n\n"
        f"predict = trained({str(folder.resolve())!r})\n"
        f"print(predict([[{sample}]]))  # {', '.join(map(repr, table.columns))}\n"
    )
