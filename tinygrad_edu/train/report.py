"""What was reached, as a folder a person opens: model, curves, digits, one page."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from copy import deepcopy
from dataclasses import asdict
from html import escape
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinygrad_edu.checks import extra
from tinygrad_edu.compiler.equations import Equations
from tinygrad_edu.engine import Value
from tinygrad_edu.files import write_atomically
from tinygrad_edu.nn import Module, cross_entropy, save
from tinygrad_edu.train.data import Split
from tinygrad_edu.train.history import History
from tinygrad_edu.train.progress import epoch_line
from tinygrad_edu.viz import Drawing, draw

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STYLE = """\
body { font: 16px/1.5 Helvetica, Arial, sans-serif; max-width: 60rem; margin: 2rem auto;
  padding: 0 1rem; color: #1f2328; background: #fff }
table { border-collapse: collapse; font-family: Georgia, "Times New Roman", serif }
th { font: bold 14px Helvetica, Arial, sans-serif; text-align: left }
th, td { padding: .15rem 2rem .15rem 0; border-bottom: 1px solid #d8dee4 }
img { max-width: 100%; height: auto } pre { overflow-x: auto } h2 { margin-top: 2rem }
"""
RIGHT, WRONG, PALE = "#0f766e", "#c2410c", "#b6bcc3"


def write_report(
    folder: Path,
    model: Module,
    history: History,
    split: Split,
    neuron: Value,
    headline: str,
    equations: Equations,
) -> list[str]:
    """Write every file of the report; return their names.

    ``model.json`` (weights, with a sha256), ``history.json``, ``loss.png``, ``digits.png``,
    ``gradients.png``, ``neuron.svg``, ``network.svg``, ``index.html`` with all pictures inside.
    """
    save(model, folder / "model.json", headline=headline)
    files = {"history.json": json.dumps(asdict(history), indent=1).encode()}
    files["loss.png"] = _png(lambda axes: plot_history(history, axes), 1, 2)
    files["digits.png"] = _digits_png(model, split)
    files["gradients.png"] = _png(lambda axes: plot_gradients(history, axes[0]), 1, 1)
    figures = {"neuron": draw(neuron), "network": network_figure(model, split.X[0], split.y[0])}
    files |= {f"{name}.svg": figure.svg().encode() for name, figure in figures.items()}
    files["index.html"] = _page(headline, history, files, figures, equations).encode()
    for file, content in files.items():
        write_atomically(folder / file, content)
    return ["model.json", *files]


def need_plots() -> Any:
    """Matplotlib's ``figure`` module; MissingExtraError where it is not installed."""
    return extra("matplotlib.figure", "matplotlib", "the report")


def plot_history(history: History, axes: Any) -> None:
    """Loss and accuracy against epochs, on two Axes; each batch's loss in grey."""
    left, right = axes
    batches = len(history.batch_loss)
    per_epoch = batches / len(history.loss) if history.loss else max(batches, 1)
    left.plot([(i + 1) / per_epoch for i in range(batches)], history.batch_loss, color=PALE, lw=0.7)
    epochs = range(1, len(history.loss) + 1)
    left.plot(epochs, history.loss, "o-", ms=3, color=RIGHT, label="training")
    left.set(xlabel="epoch", ylabel="cross entropy (nats)", yscale="log", title="Loss")
    right.plot(epochs, history.accuracy, "o-", ms=3, color=RIGHT, label="training")
    if history.validation_loss:
        left.plot(epochs, history.validation_loss, "s--", ms=3, color=WRONG, label="held out")
        right.plot(epochs, history.validation_accuracy, "s--", ms=3, color=WRONG, label="held out")
    right.set(xlabel="epoch", ylabel="share that is right", title="Accuracy")
    for ax in axes:
        if history.loss:
            ax.legend(frameon=False)


def plot_gradients(history: History, ax: Axes) -> Axes:
    """Root mean square of dL/dw in each layer, against epochs, on a logarithmic scale."""
    for layer in history.gradient[0] if history.gradient else ():
        sizes = [sizes[layer] for sizes in history.gradient]
        ax.plot(range(1, len(sizes) + 1), sizes, "o-", ms=3, label=layer)
    if history.gradient:
        ax.set_yscale("log")
        ax.legend(frameon=False)
    ax.set(xlabel="epoch", ylabel="rms of dL/dw, last batch", title="Size of the gradient")
    return ax


def network_figure(model: Module, x: list[float], target: int) -> Drawing:
    """The network folded to its layers, with the gradients of one sample's loss.

    The model's own gradients are as before.
    """
    copy = deepcopy(model)
    copy.zero_grad()
    loss = cross_entropy(copy(x), target)
    loss.backward()
    return draw(loss, style="folded")


def predict(model: Module, x: list[float]) -> int:
    """The class with the largest logit."""
    logits = [v.data for v in model(x)]
    return logits.index(max(logits))


def _digits_png(model: Module, split: Split) -> bytes:
    """Fifty held-out digits, the mistakes first."""
    guesses = [predict(model, x) for x in split.X_test]
    wrong = [i for i, guess in enumerate(guesses) if guess != split.y_test[i]]
    right = [i for i, guess in enumerate(guesses) if guess == split.y_test[i]]
    shown = wrong[:30] + right[: 50 - len(wrong[:30])]

    def draw(axes: Any) -> None:
        for ax in axes:
            ax.axis("off")
        for ax, i in zip(axes, shown, strict=False):
            pixels = [split.X_test[i][row : row + 8] for row in range(0, 64, 8)]
            ax.imshow(pixels, cmap="gray_r", vmin=0.0, vmax=1.0)
            good = guesses[i] == split.y_test[i]
            title = f"{guesses[i]}" if good else f"{guesses[i]}, is {split.y_test[i]}"
            ax.set_title(title, color=RIGHT if good else WRONG, fontsize=9, pad=2)

    title = f"{len(wrong)} of {len(guesses)} held-out digits wrong (orange)"
    return _png(draw, 5, 10, title)


def _png(draw: Any, rows: int, columns: int, title: str = "") -> bytes:
    plots = need_plots()
    size = (9.0, 3.6) if rows == 1 else (9.0, 5.4)
    figure = plots.Figure(figsize=size, layout="constrained")
    draw(figure.subplots(rows, columns, squeeze=False).ravel())
    if title:
        figure.suptitle(title)
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()


def equations_table(equations: Equations) -> str:
    """The equations that were found, each beside the textbook's, as an HTML table."""
    rows = "\n".join(
        f"<tr><td>{_subscripts(found)}</td><td>{_subscripts(book)}</td></tr>"
        for found, book in equations.beside_the_book()
    )
    return (
        "<table><thead><tr><th>found in the graph of one sample, a sample a row</th>"
        "<th>in the book, a sample a column</th></tr></thead>\n"
        f"<tbody>\n{rows}\n</tbody></table>"
    )


def _subscripts(equation: str) -> str:
    return re.sub(r"(?<=[A-Za-z])(\d+)", r"<sub>\1</sub>", escape(equation))


def _page(
    headline: str,
    history: History,
    files: dict[str, bytes],
    figures: dict[str, Drawing],
    equations: Equations,
) -> str:
    def picture(name: str, text: str) -> str:
        data = b64encode(files[name]).decode()
        return f'<h2>{text}</h2><img alt="{text}" src="data:image/png;base64,{data}">'

    lines = "\n".join(epoch_line(history, epoch) for epoch in range(len(history.loss)))
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>tinygrad_edu: handwritten digits</title>
<style>
{STYLE}</style>
<h1>Handwritten digits, learned by single numbers</h1>
<p>{escape(headline)}</p>
{picture("loss.png", "Loss and accuracy")}
{picture("digits.png", "What it says of digits it has never seen")}
{picture("gradients.png", "Size of the gradient in each layer")}
<h2>The matrices in it</h2>
<p>The network was written in single numbers. These equations were found in its graph;
ΔA is dL/dA, ⊙ multiplies number by number, [A &gt; 0] is 1 where that holds and else 0.</p>
{equations_table(equations)}
<h2>One neuron, step by step</h2>
<p>The book's neuron: values above the wires, and below them what each wire adds to the gradient.
Step through the forward and the backward pass with the buttons or the arrow keys.</p>
{figures["neuron"].html()}
<h2>The network, folded to its layers</h2>
<p>One training sample's loss: what flows forwards, and the size of the gradients.</p>
{figures["network"].html()}
<h2>Epochs</h2>
<pre>{escape(lines) or "none was finished"}</pre>
</html>
"""
