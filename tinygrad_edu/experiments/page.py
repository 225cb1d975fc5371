"""Parts of a report: one page with all its pictures inside, and the plots on it."""

from __future__ import annotations

import re
from base64 import b64encode
from copy import deepcopy
from html import escape
from typing import TYPE_CHECKING, Any

from tinygrad_edu.compiler.equations import Equations
from tinygrad_edu.diagnose.plots import png_of
from tinygrad_edu.nn import Module, cross_entropy
from tinygrad_edu.shared.arguments import extra
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


def page(title: str, headline: str, sections: list[str]) -> str:
    """A page that needs no network."""
    parts = "\n".join(sections)
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>tinygrad_edu: {escape(title)}</title>
<style>
{STYLE}</style>
<h1>{escape(title)}</h1>
<p>{escape(headline)}</p>
{parts}
</html>
"""


def section(title: str, text: str, content: str) -> str:
    """A heading, what one sees, and it."""
    return f"<h2>{escape(title)}</h2>\n<p>{escape(text)}</p>\n{content}"


def picture(title: str, data: bytes) -> str:
    """A PNG under its heading."""
    code = b64encode(data).decode()
    text = escape(title)
    return f'<h2>{text}</h2><img alt="{text}" src="data:image/png;base64,{code}">'


def matrices(equations: Equations) -> str:
    """The section of the equations that were found."""
    return section(
        "The matrices in it",
        "The network was written in single numbers. These equations were found in its graph; ΔA is "
        "dL/dA, ⊙ multiplies number by number, [A > 0] is 1 where that holds and else 0.",
        equations_table(equations),
    )


def folded(figure: Drawing) -> str:
    """The section of the network folded to its layers."""
    return section(
        "The network, folded to its layers",
        "One training sample's loss: what flows forwards, and the size of the gradients.",
        figure.html(),
    )


def epochs_table(history: History) -> str:
    """The section with a line for each epoch."""
    lines = "\n".join(epoch_line(history, epoch) for epoch in range(len(history.loss)))
    return f"<h2>Epochs</h2>\n<pre>{escape(lines) or 'none was finished'}</pre>"


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


def png(
    draw: Any, rows: int, columns: int, title: str = "", size: tuple[float, float] | None = None
) -> bytes:
    """Axes drawn on by a function, as a PNG; the size in inches."""
    plots = need_plots()
    size = size or ((9.0, 3.6) if rows == 1 else (9.0, 5.4))
    figure = plots.Figure(figsize=size, layout="constrained")
    draw(figure.subplots(rows, columns, squeeze=False).ravel())
    if title:
        figure.suptitle(title)
    return png_of(figure)


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
