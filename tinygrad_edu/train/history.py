"""The measures of a training run, epoch by epoch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class History:
    """One entry for each finished epoch; ``batch_loss`` has one for each batch.

    Attributes
    ----------
    batch_loss, loss : list of float, with the penalty where there is one
    accuracy : list of float, share of the samples that were right before their update
    validation_loss, validation_accuracy : list of float, in evaluation mode, without penalty
    gradient : list of dict, the root mean square of dL/dw by layer, in the epoch's last batch
    learning_rate : list of float, at the epoch's last update
    seconds : list of float, since the start; a resumed run counts on
    stopped : str, why the run ended: "epochs", "threshold", "patience" or "callback"; "" while it
        runs and after Ctrl-C
    """

    batch_loss: list[float] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    validation_accuracy: list[float] = field(default_factory=list)
    gradient: list[dict[str, float]] = field(default_factory=list)
    learning_rate: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    stopped: str = ""

    def add(self, entry: Mapping[str, Any]) -> None:
        """Add an epoch once all of it is known, so that Ctrl-C leaves whole epochs."""
        for name, value in entry.items():
            getattr(self, name).append(value)

    @property
    def latest(self) -> float:
        """Return the last validation loss or, without validation data, the last training loss."""
        return (self.validation_loss or self.loss)[-1]
