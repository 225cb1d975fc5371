"""The measures of a training run, epoch by epoch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import nan
from typing import TYPE_CHECKING, Any

from tinygrad_edu.engine.errors import SettingError
from tinygrad_edu.shared.arguments import extra
from tinygrad_edu.shared.plots import drawable, legend, new_plot
from tinygrad_edu.shared.tables import plural

if TYPE_CHECKING:
    from matplotlib.figure import Figure

METRICS = ("metrics", "validation_metrics")


@dataclass(repr=False)
class History:
    """One entry for each finished epoch; ``batch_loss`` has one for each batch.

    A list is empty where no run has had that measure. If some runs had it, and others that went on
    filling the same history had not, it is nan for the epochs of those.

    Attributes
    ----------
    batch_loss, loss : list of float, with the penalty where there is one
    accuracy : list of float, share of the samples that were right before their update; only where
        the targets are classes
    validation_loss, validation_accuracy : list of float, in evaluation mode, without penalty
    metrics, validation_metrics : dict of list of float, by the names that ``fit`` was given
    gradient : list of dict, the root mean square of dL/dw by layer, in the epoch's last batch
    learning_rate : list of float, at the epoch's last update
    seconds : list of float, since the start; a resumed run counts on
    stopped : str, why the run ended: "epochs", "threshold", "patience" or "callback"; "" while it
        runs and after Ctrl-C
    begun : int, how many of the epochs are those of earlier runs
    """

    batch_loss: list[float] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    validation_accuracy: list[float] = field(default_factory=list)
    metrics: dict[str, list[float]] = field(default_factory=dict)
    validation_metrics: dict[str, list[float]] = field(default_factory=dict)
    gradient: list[dict[str, float]] = field(default_factory=list)
    learning_rate: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    stopped: str = ""
    begun: int = 0

    def __repr__(self) -> str:
        """Show the last epoch in a line: a notebook would print every number that ``fit`` kept."""
        names = ("loss", "accuracy", "validation_loss", "validation_accuracy")
        last = [f"{name}={kept[-1]:.4g}" for name in names if (kept := getattr(self, name))]
        parts = [plural(len(self.loss), "epoch"), *last, f"stopped={self.stopped!r}"]
        return f"History({', '.join(parts)})"

    def __setstate__(self, facts: dict[str, Any]) -> None:
        """Read a pickle, perhaps of an earlier version, which had fewer measures."""
        self.__dict__ = vars(History()) | facts

    def begin(self) -> None:
        """Begin a run, which is judged by its own epochs, whatever runs before have left here."""
        for name, kept in self._by_epoch().items():
            if len(kept) not in (0, len(self.loss)):
                raise SettingError(
                    f"history.{name} has {len(kept)} entries, history.loss has {len(self.loss)}.",
                    expected="one entry for each epoch in each list, or none",
                    fix="pass a history that fit has filled, or a new one: history=History().",
                )
        self.begun, self.stopped = len(self.loss), ""

    def add(self, entry: Mapping[str, Any]) -> None:
        """Add an epoch once all of it is known; what was not measured is nan."""
        before = len(self.loss)
        for kind in METRICS:
            for name in entry.get(kind, ()):
                getattr(self, kind).setdefault(name, [])
        for name, kept in self._by_epoch().items():
            kind, _, metric = name.partition(".")
            empty: Any = {} if name == "gradient" else nan
            measured = entry.get(kind, {}) if metric else entry
            if kept or (metric or name) in measured:
                kept += [empty] * (before - len(kept))
                kept.append(measured.get(metric or name, empty))

    @property
    def judged(self) -> list[float]:
        """Return the losses that this run is judged by: on validation data, if it has them."""
        held_out = self.validation_loss[self.begun :]
        return held_out if any(x == x for x in held_out) else self.loss[self.begun :]

    @property
    def latest(self) -> float:
        """Return the last validation loss or, without validation data, the last training loss."""
        return self.judged[-1]

    def plot(self) -> Figure:
        """Plot losses, accuracies and metrics against epochs; return the Matplotlib figure.

        A notebook shows it once, and so does ``plt.show()`` in a script. Each measure that is a
        share or a metric has a line of its own beside the losses.
        """
        with new_plot("the plot of a history", (9.0, 3.6), 1, 2) as (left, right):
            for name, kept in self._by_epoch().items():
                kind, _, metric = name.rpartition(".")
                held_out = name.startswith("validation_")
                ax = left if name.endswith("loss") else right
                shown = metric.removeprefix("validation_") if kind in ("", *METRICS) else ""
                if kept and shown not in ("", "gradient", "learning_rate", "seconds"):
                    label = f"{shown}, held out" if held_out else shown
                    drawn = [*map(drawable, kept)]
                    ax.plot(
                        range(1, len(kept) + 1), drawn, "s--" if held_out else "o-", label=label
                    )
            left.set(xlabel="epoch", title="Loss")
            right.set(xlabel="epoch", title="Accuracy and metrics")
            legend(left, "upper right")
            legend(right, "lower right")
        figure: Figure = left.figure
        return figure

    def frame(self) -> Any:
        """Return the measures as a pandas table: one row per epoch, counted from 1.

        Its columns are named as the lists, "metrics.f1" for a metric and "gradient.layer1" for the
        size of a gradient.

        Raises
        ------
        MissingExtraError
            If pandas is not installed.
        """
        pandas = extra("pandas", "pandas", "a history as a table", None)
        columns = {name: kept for name, kept in self._by_epoch().items() if kept}
        sizes = columns.pop("gradient", [])
        for layer in dict.fromkeys(layer for each in sizes for layer in each):
            columns[f"gradient.{layer}"] = [each.get(layer, nan) for each in sizes]
        epochs = pandas.RangeIndex(1, len(self.loss) + 1, name="epoch")
        return pandas.DataFrame(columns, index=epochs)

    def _by_epoch(self) -> dict[str, list[Any]]:
        """Return all lists with one entry for each epoch: "loss", "metrics.f1" and so on."""
        lists = {
            name: kept
            for name, kept in vars(self).items()
            if isinstance(kept, list) and name != "batch_loss"
        }
        return lists | {f"{k}.{name}": x for k in METRICS for name, x in getattr(self, k).items()}
