"""What was reached, as a folder a person opens: model, curves, digits, one page."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tinygrad_edu.compiler.equations import Equations
from tinygrad_edu.engine import Value
from tinygrad_edu.experiments.page import (
    RIGHT,
    WRONG,
    epochs_table,
    folded,
    matrices,
    network_figure,
    page,
    picture,
    plot_gradients,
    plot_history,
    png,
    section,
)
from tinygrad_edu.nn import Module, save
from tinygrad_edu.shared.files import write_atomically
from tinygrad_edu.train.data import Split
from tinygrad_edu.train.history import History
from tinygrad_edu.viz import Drawing, draw


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
    files["loss.png"] = png(lambda axes: plot_history(history, axes), 1, 2)
    files["digits.png"] = _digits_png(model, split)
    files["gradients.png"] = png(lambda axes: plot_gradients(history, axes[0]), 1, 1)
    figures = {"neuron": draw(neuron), "network": network_figure(model, split.X[0], split.y[0])}
    files |= {f"{name}.svg": figure.svg().encode() for name, figure in figures.items()}
    files["index.html"] = _page(headline, history, files, figures, equations).encode()
    for file, content in files.items():
        write_atomically(folder / file, content)
    return ["model.json", *files]


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
    return png(draw, 5, 10, title)


def _page(
    headline: str,
    history: History,
    files: dict[str, bytes],
    figures: dict[str, Drawing],
    equations: Equations,
) -> str:
    return page(
        "Handwritten digits, learned by single numbers",
        headline,
        [
            picture("Loss and accuracy", files["loss.png"]),
            picture("What it says of digits it has never seen", files["digits.png"]),
            picture("Size of the gradient in each layer", files["gradients.png"]),
            matrices(equations),
            section(
                "One neuron, step by step",
                "The book's neuron: values above the wires, and below them what each wire adds to "
                "the gradient. Step through the forward and the backward pass with the buttons or "
                "the arrow keys.",
                figures["neuron"].html(),
            ),
            folded(figures["network"]),
            epochs_table(history),
        ],
    )
