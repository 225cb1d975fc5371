"""A training run on disk: all that it takes to go on as if it had never stopped."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from math import inf, isfinite
from os import PathLike
from pathlib import Path
from random import Random
from typing import Any

from tinygrad_edu.compiled.agreement import generators
from tinygrad_edu.engine import Value, set_numbers
from tinygrad_edu.engine.errors import AnomalyError, FileError
from tinygrad_edu.nn import Module, load, read, save
from tinygrad_edu.shared.files import as_path, replaceable, writable_folder
from tinygrad_edu.train.history import History
from tinygrad_edu.train.optim import Optimizer


@dataclass(frozen=True)
class Checkpoint:
    """Where a run is kept, and what it is a run of.

    Attributes
    ----------
    path : str or os.PathLike
    settings : what JSON keeps; a file with other settings under the same names is refused
    resume : bool, False to begin anew: the first epoch then replaces the file
    """

    path: str | PathLike[str]
    settings: Mapping[str, Any] = field(default_factory=dict)
    resume: bool = True


@dataclass
class Best:
    """The best epoch so far: its loss, and the numbers of the model then."""

    loss: float | None = None
    epoch: int = 0
    numbers: list[float] = field(default_factory=list)

    def look(self, loss: float, epoch: int, model: Module) -> None:
        """Remember this epoch if it is the best."""
        if loss < (inf if self.loss is None else self.loss):
            self.loss, self.epoch = loss, epoch
            self.numbers = [value.data for value in _numbers(model)]

    def restore(self, model: Module) -> None:
        """Give the model the numbers of the best epoch."""
        if self.numbers:
            set_numbers(_numbers(model), "data", self.numbers)


@dataclass
class Run:
    """What changes while a model is trained."""

    model: Module
    optimizer: Optimizer
    rng: Random
    history: History
    best: Best = field(default_factory=Best)
    settings: dict[str, Any] = field(default_factory=dict)  # the checkpoint's, as JSON keeps them

    def begin(self, checkpoint: Checkpoint | None, epochs: int) -> int:
        """Go on from the checkpoint, if it is there; the number of the epoch to end with."""
        if checkpoint is not None:
            path = as_path(checkpoint.path)
            writable_folder(path.parent)
            replaceable(path)
            self.settings = _as_json(path, checkpoint.settings)
            if checkpoint.resume and path.exists():
                self.resume(checkpoint)
                return epochs
        self.history.stopped = ""
        return len(self.history.loss) + epochs

    def check(self, entry: Mapping[str, Any]) -> None:
        """AnomalyError if this epoch's entry, or what it made of the model, is not finite."""
        numbers = {name: x for name, x in entry.items() if isinstance(x, float)}
        numbers |= {f"the gradient of {name}": x for name, x in entry["gradient"].items()}
        numbers |= {name: value.data for name, value in _named(self.model)}
        for i, state in enumerate(self.optimizer.state):
            numbers |= {f"state {j} of parameter {i}": float(x) for j, x in enumerate(state)}
        for name, x in numbers.items():
            if not isfinite(x):
                raise AnomalyError(
                    f"{name} became {x}.",
                    where=f"the end of epoch {len(self.history.loss) + 1}, which is not saved",
                    fix="lower the learning rate.",
                )

    def save(self, checkpoint: Checkpoint) -> None:
        """Write it all to one file, all or nothing."""
        optimizer = self.optimizer
        save(
            self.model,
            checkpoint.path,
            settings=self.settings,
            optimizer={
                "kind": type(optimizer).__name__,
                "steps": optimizer.steps,
                "state": [[*map(float, numbers)] for numbers in optimizer.state],
            },
            rng=_plain(self.rng),
            layers={name: _plain(rng) for name, rng in generators(self.model)},
            history=asdict(self.history),
            best=asdict(self.best),
        )

    def resume(self, checkpoint: Checkpoint) -> None:
        """Go back to where a file was written; nothing is changed if it does not fit.

        Raises
        ------
        FileError
            If the file can't be read, was damaged, or is of another model, optimizer or settings.
        """
        path = Path(checkpoint.path)
        facts = read(path)
        _check_settings(path, facts.get("settings", {}), self.settings)
        self._check(path, facts)
        load(self.model, path)
        optimizer, kept = self.optimizer, facts["optimizer"]
        optimizer.steps = kept["steps"]
        optimizer.state = [tuple(numbers) for numbers in kept["state"]]
        self.rng.setstate(_state(facts["rng"]))
        for name, rng in generators(self.model):
            rng.setstate(_state(facts["layers"][name]))
        for part in fields(History):
            setattr(self.history, part.name, facts["history"][part.name])
        self.best = Best(**facts["best"])

    def _check(self, path: Path, facts: dict[str, Any]) -> None:
        wanted = {"optimizer", "rng", "layers", "history", "best"}
        if not wanted <= facts.keys():
            raise FileError(
                f"{path}: a model without the state of its training.",
                fix="name a file that fit(..., checkpoint=...) wrote, or load it with nn.load.",
            )
        kind = facts["optimizer"]["kind"]
        mine = (type(self.optimizer).__name__, len(self.optimizer.state))
        if (kind, len(facts["optimizer"]["state"])) != mine:
            raise FileError(
                f"{path}: written by {kind} of {len(facts['optimizer']['state'])} parameters, "
                f"not by {mine[0]} of {mine[1]}.",
                fix="go on with the same model and optimizer, or choose another file.",
            )
        if [*facts["layers"]] != [name for name, _ in generators(self.model)]:
            raise FileError(
                f"{path}: of a model with other random layers: {[*facts['layers']]!r:.80}.",
                fix="build the model as it was.",
            )


def _as_json(path: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings as a file gives them back: tuples as lists. FileError if it can't keep them."""
    try:
        kept: dict[str, Any] = json.loads(json.dumps(dict(settings), allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise FileError(
            f"{path}: can't keep these settings: {error}.",
            fix="make them of text, finite numbers, True, False, None, lists and dicts of these.",
        ) from None
    return kept


def _check_settings(path: Path, kept: Mapping[str, Any], mine: Mapping[str, Any]) -> None:
    """FileError, with all that differ; what an older file does not have is not compared."""
    other = [name for name, value in mine.items() if kept.get(name, value) != value]
    if other:
        differ = "; ".join(
            f"{name} was {kept[name]!r:.60}, is {mine[name]!r:.60}" for name in other
        )
        raise FileError(
            f"{path}: a run with other settings: {differ}.",
            fix="go on with those it began with, or begin anew: resume=False, or without --resume.",
        )


def _named(model: Module) -> Sequence[tuple[str, Value]]:
    return [*model.named_parameters(), *model.named_buffers()]


def _numbers(model: Module) -> Sequence[Value]:
    return [value for _, value in _named(model)]


def _plain(rng: Random) -> list[Any]:
    """The state of a generator as JSON keeps it."""
    version, numbers, gauss = rng.getstate()
    return [version, list(numbers), gauss]


def _state(plain: Sequence[Any]) -> Any:
    return (plain[0], tuple(plain[1]), plain[2])
