"""Keep a training run on disk: all that it takes to go on as if it had never stopped."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from math import inf, isfinite
from os import PathLike
from pathlib import Path
from random import Random
from time import monotonic
from typing import Any

from tinygrad_edu.engine.errors import AnomalyError, FileError
from tinygrad_edu.nn import Module, load, read, save
from tinygrad_edu.nn.generators import generators, get_state, set_state
from tinygrad_edu.shared.files import as_path, replaceable, writable_folder
from tinygrad_edu.train.history import History
from tinygrad_edu.train.optim import Optimizer
from tinygrad_edu.train.stopping import Best, Stopping, named_numbers


@dataclass(frozen=True)
class Checkpoint:
    """The file that keeps a run, and the settings of that run.

    Attributes
    ----------
    path : str or os.PathLike
    settings : what JSON keeps; a file with other settings under the same names is refused
    resume : bool, False to begin anew: the first epoch then replaces the file
    every : float, seconds that pass at least between two writes; the first epoch and the end of
        the run are always written
    """

    path: str | PathLike[str]
    settings: Mapping[str, Any] = field(default_factory=dict)
    resume: bool = True
    every: float = 0.0


@dataclass
class Run:
    """What changes while a model is trained, and the file that keeps it, if there is one."""

    model: Module
    optimizer: Optimizer
    rng: Random
    history: History
    stopping: Stopping
    checkpoint: Checkpoint | None = None
    settings: dict[str, Any] = field(default_factory=dict)  # the checkpoint's, as JSON keeps them
    last: int = 0  # the number of the last epoch
    saved: float = -inf  # when the file was written, on the clock that only goes forwards

    def begin(self, epochs: int) -> int:
        """Go on from the checkpoint if it is there; return the number of the last epoch."""
        self.last = epochs if self._resumed() else len(self.history.loss) + epochs
        self.stopping.begin(self.history)
        return self.last

    def _resumed(self) -> bool:
        """Resume if there is a file to resume from; refuse a path that can't be written to."""
        if self.checkpoint is not None:
            path = as_path(self.checkpoint.path)
            writable_folder(path.parent)
            replaceable(path)
            self.settings = _as_json(path, self.checkpoint.settings)
            if self.checkpoint.resume and path.exists():
                self.resume(path)
                return True
        self.history.stopped = ""
        return False

    def check(self, entry: Mapping[str, Any]) -> None:
        """Raise AnomalyError if an epoch that is to be saved has left a number not finite."""
        if self.checkpoint is None:
            return
        numbers = {name: x for name, x in entry.items() if isinstance(x, float)}
        numbers |= {f"the gradient of {name}": x for name, x in entry["gradient"].items()}
        numbers |= {name: value.data for name, value in named_numbers(self.model)}
        for i, state in enumerate(self.optimizer.state):
            numbers |= {f"state {j} of parameter {i}": float(x) for j, x in enumerate(state)}
        for name, x in numbers.items():
            if not isfinite(x):
                raise AnomalyError(
                    f"{name} became {x}.",
                    where=f"the end of epoch {len(self.history.loss) + 1}, which is not saved",
                    fix=f"lower the learning rate, which is {self.optimizer.rate:.4g}.",
                )

    def save(self) -> None:
        """Write it all to the checkpoint's file, if there is one and it is time: all or nothing."""
        if self.checkpoint is None:
            return
        ended = self.history.stopped or len(self.history.loss) >= self.last
        if not ended and monotonic() - self.saved < self.checkpoint.every:
            return
        save(
            self.model,
            self.checkpoint.path,
            settings=self.settings,
            optimizer={
                "kind": type(self.optimizer).__name__,
                "steps": self.optimizer.steps,
                "state": [[*map(float, numbers)] for numbers in self.optimizer.state],
            },
            rng=get_state(self.rng),
            layers={name: get_state(source) for name, source in generators(self.model)},
            history=asdict(self.history),
            best=asdict(self.stopping.best),
        )
        self.saved = monotonic()

    def resume(self, path: Path) -> None:
        """Go back to where the file was written; nothing is changed if it does not fit.

        Raises
        ------
        FileError
            If the file can't be read, was damaged, or is of another model, optimizer or settings.
        """
        facts = read(path)
        self._check_facts(path, facts)
        load(self.model, path)
        kept = facts["optimizer"]
        self.optimizer.steps = kept["steps"]
        self.optimizer.state = [tuple(numbers) for numbers in kept["state"]]
        set_state(self.rng, facts["rng"])
        for name, source in generators(self.model):
            set_state(source, facts["layers"][name])
        for part in fields(History):
            setattr(self.history, part.name, facts["history"][part.name])
        self.stopping.best = Best(**facts["best"])

    def _check_facts(self, path: Path, facts: dict[str, Any]) -> None:
        """Raise FileError if the file is of another run; settings it does not keep don't count."""
        kept, mine = facts.get("settings", {}), self.settings
        other = [name for name, value in mine.items() if kept.get(name, value) != value]
        if other:
            pairs = [f"{name} was {kept[name]!r:.60}, is {mine[name]!r:.60}" for name in other]
            raise FileError(
                f"{path}: a run with other settings: {'; '.join(pairs)}.",
                fix="pass the settings it began with, or begin anew: resume=False, no --resume.",
            )
        wanted = {"optimizer", "rng", "layers", "history", "best"}
        if not wanted <= facts.keys():
            raise FileError(
                f"{path}: a model without the state of its training.",
                fix="name a file that fit(..., checkpoint=...) wrote, or load it with nn.load.",
            )
        kind = facts["optimizer"]["kind"]
        theirs = f"{kind} of {len(facts['optimizer']['state'])}"
        ours = f"{type(self.optimizer).__name__} of {len(self.optimizer.state)}"
        if theirs != ours:
            raise FileError(
                f"{path}: written by {theirs} parameters, not by {ours}.",
                fix=f"pass the same model and {kind}, or the name of a new file.",
            )
        if [*facts["layers"]] != [name for name, _ in generators(self.model)]:
            raise FileError(
                f"{path}: of a model with other random layers: {[*facts['layers']]!r:.80}.",
                fix="build the model as the script that wrote the file did.",
            )


def _as_json(path: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings as a file gives them back, tuples as lists; FileError if it can't."""
    try:
        kept: dict[str, Any] = json.loads(json.dumps(dict(settings), allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise FileError(
            f"{path}: can't keep these settings: {error}.",
            fix="make them of text, finite numbers, True, False, None, lists and dicts of these.",
        ) from None
    return kept
