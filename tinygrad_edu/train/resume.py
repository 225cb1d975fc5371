"""Keep a training run on disk: all that it takes to go on as if it had never stopped."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from math import inf, isfinite
from os import PathLike
from pathlib import Path
from random import Random
from time import monotonic
from typing import Any

from tinygrad_edu.engine.errors import AnomalyError, FileError, SettingError
from tinygrad_edu.nn import load, read, save
from tinygrad_edu.nn.generators import generators, get_state, global_generators, set_state
from tinygrad_edu.shared.arguments import one_of
from tinygrad_edu.shared.files import as_path, replaceable, writable_folder
from tinygrad_edu.train.history import History
from tinygrad_edu.train.identity import digest, facts_of, frozen
from tinygrad_edu.train.stepping import Task
from tinygrad_edu.train.stopping import Best, Stopping


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
    keep : "last" to write the file after each epoch, "best" only after those with the lowest loss
        so far (on validation data, if there are any): :func:`tinygrad_edu.nn.load` then gives a
        model the best weights, and a run goes on from there
    changed : names of what may differ from the run in the file, for example ``["learning_rate"]``;
        the error about a difference lists them. Patience then begins anew
    """

    path: str | PathLike[str]
    settings: Mapping[str, Any] = field(default_factory=dict)
    resume: bool = True
    every: float = 0.0
    keep: str = "last"
    changed: Collection[str] = ()

    def __post_init__(self) -> None:
        one_of("keep", self.keep, ("last", "best"))
        if isinstance(self.changed, str):
            raise SettingError(
                f"changed is {self.changed!r:.60}.",
                expected="a list of names",
                fix=f"put it in a list, as in changed=[{self.changed!r:.60}].",
            )


@dataclass
class Run:
    """What changes while a model is trained, and the file that keeps it, if there is one."""

    task: Task
    rng: Random
    history: History
    stopping: Stopping
    checkpoint: Checkpoint | None = None
    settings: dict[str, Any] = field(default_factory=dict)  # the checkpoint's, as JSON keeps them
    facts: dict[str, Any] = field(default_factory=dict)  # of this run, to be compared
    random: dict[str, Any] = field(default_factory=dict)  # the process's generators before
    last: int = 0  # the number of the last epoch
    saved: float = -inf  # when the file was written, on the clock that only goes forwards

    def begin(self, epochs: int) -> int:
        """Go on from the checkpoint if it is there; return the number of the last epoch.

        A path that can't be written to is refused now, and not when an epoch is done.
        """
        resumed = False
        if self.checkpoint is not None:
            path = as_path(self.checkpoint.path)
            writable_folder(path.parent)
            replaceable(path)
            self.settings = _as_json(path, self.checkpoint.settings)
            self._layers()  # an error if one has no state, as one of the system
            self.facts = facts_of(self.task, self.rng)
            resumed = self.checkpoint.resume and path.exists()
            if resumed:
                self._go_on(path)
        if not resumed:
            self.history.begin()
        self.stopping.begin(self.history)
        self.last = epochs if resumed else len(self.history.loss) + epochs
        return self.last

    def set_generators(self) -> None:
        """Let the generators of the process draw on as in the run before, if that drew from them.

        This is the last thing before training, since compiling a model may draw from them, too.
        """
        if self.checkpoint is not None:
            for name, source in global_generators().items():
                if name in self.random:
                    set_state(source, self.random[name])
            self.random = _process()

    def check(self, entry: Mapping[str, Any]) -> None:
        """Raise AnomalyError if an epoch that is to be saved has left a number not finite."""
        if self.checkpoint is None:
            return
        optimizer = self.task.optimizer
        numbers = {name: x for name, x in entry.items() if isinstance(x, float)}
        numbers |= {f"the gradient of {name}": x for name, x in entry["gradient"].items()}
        numbers |= {name: value.data for name, value in self.task.model.named_values()}
        for i, state in enumerate(optimizer.state):
            numbers |= {f"state {j} of parameter {i}": float(x) for j, x in enumerate(state)}
        for name, x in numbers.items():
            if not isfinite(x):
                raise AnomalyError(
                    f"{name} became {x}.",
                    where=f"the end of epoch {len(self.history.loss) + 1}, which is not saved",
                    fix=f"lower the learning rate, which is {optimizer.rate:.4g}.",
                )

    def save(self) -> None:
        """Write it all to the checkpoint's file, if there is one and it is time: all or nothing."""
        checkpoint, best, optimizer = self.checkpoint, self.stopping.best, self.task.optimizer
        if checkpoint is None:
            return
        ended = self.history.stopped or len(self.history.loss) >= self.last
        if not ended and monotonic() - self.saved < checkpoint.every:
            return
        if checkpoint.keep == "best" and best.epoch < len(self.history.loss):
            return
        save(
            self.task.model,
            checkpoint.path,
            settings=self.settings,
            run=self.facts | {"frozen": frozen(self.task.model)},
            optimizer={
                "kind": type(optimizer).__name__,
                "trained": self._trained(),
                "steps": optimizer.steps,
                "learning_rate": optimizer.learning_rate,
                "state": [[*map(float, numbers)] for numbers in optimizer.state],
            },
            rng=get_state(self.rng),
            layers=self._layers(),
            process={name: x for name, x in _process().items() if x != self.random.get(name, x)},
            history=_each(asdict(self.history), _encoded),
            best=asdict(best),
        )
        self.saved = monotonic()

    def _layers(self) -> dict[str, Any]:
        return {name: get_state(source) for name, source in generators(self.task.model)}

    def _trained(self) -> str:
        """Describe which parameters the optimizer trains, in its order; a loss may have some."""
        names = {value: name for name, value in self.task.model.named_values()}
        return digest([names.get(p) for p in self.task.optimizer.parameters])

    def _go_on(self, path: Path) -> None:
        """Go back to where the file was written; nothing is changed if it does not fit."""
        facts, optimizer = read(path), self.task.optimizer
        layers, other = self._check_facts(path, facts)
        history = facts["history"]
        stopped = history.pop("stopped")
        load(self.task.model, path)
        kept = facts["optimizer"]
        optimizer.steps = kept["steps"]
        optimizer.state = [tuple(numbers) for numbers in kept["state"]]
        if "learning_rate" not in other:
            optimizer.learning_rate = kept.get("learning_rate", optimizer.learning_rate)
        if "rng" not in other:
            set_state(self.rng, facts["rng"])
        for name, source in generators(self.task.model):
            set_state(source, layers[name])
        self.random = facts.get("process", {})
        vars(self.history).update(_each(history, _decoded) | {"stopped": stopped})
        kept = facts["best"]
        if "run" not in facts and kept["numbers"]:  # then parameters stood before constants
            values = [value for _, value in self.task.model.named_values()]
            order = sorted(values, key=lambda value: value.constant)
            numbers = dict(zip(order, kept["numbers"], strict=True))
            kept["numbers"] = [numbers[value] for value in values]
        self.stopping.best = Best(**{"mark": kept["loss"], "since": kept["epoch"]} | kept)
        if other:  # old losses are of another run
            self.stopping.best, self.history.begun = Best(), len(self.history.loss)

    def _check_facts(self, path: Path, facts: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
        """Raise FileError if the file is of another run; settings it does not keep don't count.

        Return the states of the layers' generators, and which facts are others but may be.
        """
        other = _differences(facts.get("settings", {}), self.settings)
        if other:
            raise FileError(
                f"{path}: a run with other settings: {'; '.join(other.values())}.",
                fix="pass the settings it began with, or begin anew: resume=False, no --resume.",
            )
        wanted = {"optimizer", "rng", "layers", "history", "best"}
        if not wanted <= facts.keys():
            raise FileError(
                f"{path}: a model without the state of its training.",
                fix="name a file that fit(..., checkpoint=...) wrote, or load it with nn.load.",
            )
        optimizer = self.task.optimizer
        kind = facts["optimizer"]["kind"]
        theirs = f"{kind} of {len(facts['optimizer']['state'])}"
        ours = f"{type(optimizer).__name__} of {len(optimizer.state)}"
        if theirs != ours:
            raise FileError(
                f"{path}: written by {theirs} parameters, not by {ours}.",
                fix=f"pass the same model and {kind}, or the name of a new file.",
            )
        trained = self._trained()
        if facts["optimizer"].get("trained", trained) != trained:  # each has a state of its own
            raise FileError(
                f"{path}: its optimizer trains other parameters, or in another order.",
                fix=f"make the {kind} as the script that wrote the file did, for example "
                "of model.parameters().",
            )
        layers, mine = facts["layers"], [*self._layers()]
        if "run" not in facts and len(layers) == len(mine):  # paths of layers had other names then
            layers = dict(zip(mine, layers.values(), strict=True))
        if [*layers] != mine:
            raise FileError(
                f"{path}: of a model with other random layers: {[*layers]!r:.80}.",
                fix="build the model as the script that wrote the file did.",
            )
        known, kept = self.history.loss, facts["history"]["loss"]
        if any(a != b for a, b in zip(known, kept, strict=False)):
            raise FileError(
                f"{path}: its run has other losses than the {len(known)} epochs of the history.",
                fix="pass a new history: history=train.History(), or the name of a new file.",
            )
        return layers, self._check_run(path, facts)

    def _check_run(self, path: Path, facts: dict[str, Any]) -> list[str]:
        """Raise FileError if data, rates or sizes are others than before; list what may be."""
        allowed = self.checkpoint.changed if self.checkpoint is not None else ()
        before = dict(facts.get("run", {}))
        # what the same objects have become while they trained, in the same process, is not other
        if self.facts["learning_rate"] == facts["optimizer"].get("learning_rate"):
            before.pop("learning_rate", None)
        if self.facts["rng"] in (digest(facts["rng"]), digest(self._shuffled(facts["rng"]))):
            before.pop("rng", None)
        other = _differences(before, self.facts)
        refused = [name for name in other if name not in allowed]
        if refused:
            raise FileError(
                f"{path}: a run on other terms: {'; '.join(other[name] for name in refused)}.",
                fix="pass what it began with, or begin anew in another file, or say what may be "
                f"changed: checkpoint=train.Checkpoint({str(path)!r}, changed={refused!r}).",
            )
        return [*other]

    def _shuffled(self, state: Any) -> Any:
        """Return the state of the generator after one more shuffle, of an epoch broken off."""
        rng = deepcopy(self.rng)
        set_state(rng, state)
        rng.shuffle([*range(len(self.task.X))])
        return get_state(rng)


def _process() -> dict[str, Any]:
    """Return the states of the generators of the whole process."""
    return {name: get_state(source) for name, source in global_generators().items()}


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, str]:
    """Return in words what is other now, of all that both have."""
    return {
        name: f"{name} was {before[name]!r:.60}, is {value!r:.60}"
        for name, value in now.items()
        if before.get(name, value) != value
    }


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


def _each(part: Any, change: Callable[[Any], Any]) -> Any:
    """Change every entry of lists and dicts, at any depth."""
    if isinstance(part, dict):
        return {name: _each(value, change) for name, value in part.items()}
    return [_each(value, change) for value in part] if isinstance(part, list) else change(part)


def _encoded(entry: Any) -> Any:
    """Return nan and infinities as text, since JSON has no numbers for them."""
    return str(entry) if isinstance(entry, float) and not isfinite(entry) else entry


def _decoded(entry: Any) -> Any:
    return float(entry) if isinstance(entry, str) else entry
