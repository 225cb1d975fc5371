"""What ends a training run before its last epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any, TypeAlias

from tinygrad_edu.engine import set_numbers
from tinygrad_edu.engine.errors import SettingError
from tinygrad_edu.engine.guards import is_bool, scalar
from tinygrad_edu.nn import Module
from tinygrad_edu.shared.arguments import whole, within
from tinygrad_edu.train.history import History

Callback: TypeAlias = Callable[[History, Module], Any]


@dataclass
class Best:
    """The best epoch so far: its loss, and the numbers of the model then.

    An epoch is better than all before if its loss is the lowest. Patience counts the epochs since
    ``since``, the last whose loss was more than ``min_delta`` below ``mark``, that of such an epoch
    before.
    """

    loss: float | None = None
    epoch: int = 0
    numbers: list[float] = field(default_factory=list)
    mark: float | None = None
    since: int = 0

    def look(self, loss: float, epoch: int, model: Module, min_delta: float = 0.0) -> None:
        """Remember this epoch if it is the best."""
        if loss < (inf if self.mark is None else self.mark - min_delta):
            self.mark, self.since = loss, epoch
        if loss < (inf if self.loss is None else self.loss):
            self.loss, self.epoch = loss, epoch
            self.numbers = [value.data for _, value in model.named_values()]

    def restore(self, model: Module) -> None:
        """Give the model the numbers of the best epoch."""
        if self.numbers:
            set_numbers([value for _, value in model.named_values()], "data", self.numbers)


@dataclass
class Stopping:
    """The limits of a run, its callbacks, and what it has reached.

    Attributes
    ----------
    below : float or None, end when the validation (else training) loss has dropped below it
    patience : int or None, end after so many epochs without a better loss
    min_delta : float, by how much a loss must be lower so that patience begins anew
    callbacks : functions of (history, model); one that returns True ends the run
    keep_best : bool, whether the best epoch is wanted without patience, too
    best : Best, kept up where there is patience, or where it is wanted
    """

    below: float | None = None
    patience: int | None = None
    min_delta: float = 0.0
    callbacks: Sequence[Callback] = ()
    keep_best: bool = False
    best: Best = field(default_factory=Best)

    def __post_init__(self) -> None:
        if self.below is not None:
            self.below = within("stop_below", self.below)
        if self.patience is not None:
            self.patience = whole("patience", self.patience)
        self.min_delta = within("min_delta", self.min_delta, least=0.0)
        if self.min_delta and self.patience is None:
            raise SettingError(
                f"min_delta is {self.min_delta:g}, but there is no patience that it serves.",
                fix="pass a patience, for example patience=5.",
            )
        if not isinstance(self.callbacks, Iterable) or not all(map(callable, self.callbacks)):
            raise SettingError(
                f"callbacks is {self.callbacks!r:.60}.",
                expected="a list of functions of (history, model)",
                fix="put it in a list, as in callbacks=[lambda history, model: None].",
            )

    @property
    def looks_for_best(self) -> bool:
        """Check whether the best epoch is looked for."""
        return self.keep_best or self.patience is not None

    @property
    def may_change_weights(self) -> bool:
        """Check for callbacks that look at the weights: they may also change them."""
        return any(getattr(callback, "reads_weights", True) for callback in self.callbacks)

    @property
    def reads_weights(self) -> bool:
        """Check whether the weights are looked at after each epoch."""
        return self.may_change_weights or self.looks_for_best

    def begin(self, history: History) -> None:
        """Judge a run that was stopped before by the limits of this one."""
        if not self.looks_for_best or self.best.loss is None:
            self.best = Best(since=len(history.loss))  # epochs not looked at do not count
        if history.stopped in ("threshold", "patience"):
            history.stopped = self._limit(history)

    def verdict(self, history: History, model: Module) -> str:
        """Look at an epoch and let the callbacks look; return why to stop, or ""."""
        if self.looks_for_best:
            self.best.look(history.latest, len(history.loss), model, self.min_delta)
        answers = [callback(history, model) for callback in self.callbacks]
        asked = any(is_bool(answer) and answer for answer in map(scalar, answers))
        return self._limit(history) or ("callback" if asked else "")

    def _limit(self, history: History) -> str:
        """Return the name of the limit that is reached, or ""."""
        if self.below is not None and history.latest < self.below:
            return "threshold"
        waited = len(history.loss) - self.best.since
        return "patience" if self.patience is not None and waited >= self.patience else ""
