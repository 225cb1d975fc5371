"""What a run of ``tinygrad-edu train`` reached, as a folder a person opens."""

from __future__ import annotations

import json
from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinygrad_edu.compiled.predict import Predictor
from tinygrad_edu.compiled.program import network_equations
from tinygrad_edu.diagnose import decision_boundary, gradient_flow
from tinygrad_edu.engine.errors import TinygradEduError
from tinygrad_edu.experiments.page import (
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
from tinygrad_edu.nn import Module, cross_entropy, save
from tinygrad_edu.shared.files import write_atomically
from tinygrad_edu.train.data import Split
from tinygrad_edu.train.datasets import DATA_SETS
from tinygrad_edu.train.history import History

if TYPE_CHECKING:
    from tinygrad_edu.experiments.experiment import Experiment


def write_experiment(
    folder: Path,
    settings: Experiment,
    model: Module,
    history: History,
    split: Split,
    headline: str,
) -> list[str]:
    """Write every file of the report; return their names, ``index.html`` among them."""
    save(model, folder / "model.json", headline=headline, settings=asdict(settings))
    files = {"history.json": json.dumps(asdict(history), indent=1).encode()}
    files["loss.png"] = png(lambda axes: plot_history(history, axes), 1, 2)
    files["gradients.png"] = png(lambda axes: plot_gradients(history, axes[0]), 1, 1)
    seen = "decision.png" if len(split.X[0]) == 2 else "confusion.png"
    plot = _boundary if len(split.X[0]) == 2 else _confusion
    files[seen] = png(lambda axes: plot(axes[0], settings.data, model, split), 1, 1, size=(6, 5))
    flow = gradient_flow(model, cross_entropy, split.X, split.y)
    sections = [
        picture("Loss and accuracy", files["loss.png"]),
        picture("What it says of samples it has never seen", files[seen]),
        picture("Size of the gradient in each layer", files["gradients.png"]),
        f"<h2>How the gradient flows now</h2>\n{flow._repr_html_()}",
        *_matrices(model, split),
        folded(network_figure(model, split.X[0], split.y[0])),
        _settings_table(settings),
        epochs_table(history),
    ]
    files["index.html"] = page(f"{settings.data}: a training run", headline, sections).encode()
    for file, content in files.items():
        write_atomically(folder / file, content)
    return ["index.html", "model.json", *(name for name in files if name != "index.html")]


def _matrices(model: Module, split: Split) -> list[str]:
    try:
        return [matrices(network_equations(model, cross_entropy, split.X[0], split.y[0]))]
    except TinygradEduError:  # no NumPy: the run was on Values
        return []


def _settings_table(settings: Experiment) -> str:
    rows = "\n".join(
        f"<tr><td>{escape(name)}</td><td>{escape(str(value))}</td></tr>"
        for name, value in asdict(settings).items()
    )
    return section("Settings", "Every choice of this run.", f"<table>\n{rows}\n</table>")


def _boundary(ax: Any, data: str, model: Module, split: Split) -> None:
    decision_boundary(model, split.X_test, split.y_test, ax=ax)


def _confusion(ax: Any, data: str, model: Module, split: Split) -> None:
    """How many samples of each class were taken for which."""
    kind = DATA_SETS[data]
    names = kind.class_names or tuple(map(str, range(kind.classes)))
    counts = [[0] * kind.classes for _ in names]
    for out, target in zip(Predictor(model)(split.X_test), split.y_test, strict=True):
        counts[target][out.index(max(out))] += 1
    ax.imshow(counts, cmap="Greens")
    middle = max(map(max, counts)) / 2
    for i, row in enumerate(counts):
        for j, count in enumerate(row):
            color = "white" if count > middle else "black"
            ax.text(j, i, str(count) if count else "·", ha="center", va="center", color=color)
    places = range(kind.classes)
    ax.set_xticks(places, names, rotation=15 if max(map(len, names)) > 8 else 0)
    ax.set_yticks(places, names)
    ax.set(xlabel="what the network says", ylabel="what it is", title="Held-out samples")
