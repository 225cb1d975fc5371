"""Experiments on a model that leave it as it was."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from copy import copy, deepcopy
from dataclasses import dataclass
from functools import partial
from threading import RLock
from typing import Any

from tinygrad_edu.compiled.program import check_compiled
from tinygrad_edu.compiled.symbolic import Loss, loss_of
from tinygrad_edu.engine import Value, set_numbers
from tinygrad_edu.engine.collector import collector_paused
from tinygrad_edu.engine.errors import SettingError
from tinygrad_edu.nn import Module
from tinygrad_edu.shared.arguments import same_length, whole
from tinygrad_edu.shared.samples import by_position
from tinygrad_edu.train.optim import SGD, Optimizer

_TURN = RLock()


@dataclass(frozen=True)
class Subject:
    """What is diagnosed: a model, its loss, samples with targets, and how it is to be trained."""

    model: Module
    loss: Loss
    X: Sequence[Any]
    y: Sequence[Any]
    optimizer: Optimizer | None = None
    compiled: bool | str = "auto"

    def __post_init__(self) -> None:
        for name in ("X", "y"):  # the fields of a frozen class are set in this way
            object.__setattr__(self, name, by_position(getattr(self, name), name))
        same_length("y", self.y, "X", self.X)
        check_compiled(self.compiled)
        self._check_kinds()
        object.__setattr__(self, "loss", partial(loss_of, self.loss))
        if not self.model.parameters():
            raise SettingError(
                f"{self.model!r:.60} has no parameters to train, so there is nothing to diagnose.",
                fix="pass a model with parameters, for example nn.MLP(2, [8, 1]), and call "
                "model.unfreeze() if they are frozen.",
            )
        self._check_optimizer()

    def _check_kinds(self) -> None:
        """Check that model, loss and optimizer are what they are called."""
        model, loss, optimizer = self.model, self.loss, self.optimizer
        for name, good, wanted, example in (
            ("model", isinstance(model, Module), "a Module", "nn.MLP(2, [8, 1])"),
            ("loss", callable(loss), "a function of an output and its target", "nn.mse"),
            (
                "optimizer",
                optimizer is None or isinstance(optimizer, Optimizer),
                "an Optimizer, or None for plain SGD",
                "train.SGD(model.parameters(), 0.1)",
            ),
        ):
            if not good:
                raise SettingError(
                    f"{name} is {getattr(self, name)!r:.60}.",
                    expected=wanted,
                    fix=f"pass {name}={example}, for example.",
                )

    def _check_optimizer(self) -> None:
        """Refuse an optimizer whose steps change nothing of the model: it is another model's."""
        if self.optimizer is None:
            return
        own = set(self.model.parameters())
        if own.isdisjoint(self.optimizer.parameters):
            kind, rate = type(self.optimizer).__name__, self.optimizer.learning_rate
            raise SettingError(
                f"the optimizer has {len(self.optimizer.parameters)} parameters, none of which "
                "belongs to the model.",
                where="the model was built anew, or loaded, after the optimizer was made",
                fix=f"make it anew: optimizer=train.{kind}(model.parameters(), {rate:g}).",
            )

    def spread(self, samples: int) -> range:
        """Choose at most so many samples, evenly spread over all; return their numbers."""
        return range(0, len(self.X), -(-len(self.X) // whole("samples", samples)))

    def part(self, samples: int) -> Subject:
        """Return the same subject on at most so many samples."""
        chosen = self.spread(samples)
        part = copy(self)
        for name in ("X", "y"):
            object.__setattr__(part, name, [getattr(self, name)[i] for i in chosen])
        return part

    def untouched(self) -> AbstractContextManager[list[Value]]:
        """Lend the model's parameters; see :func:`untouched`."""
        return untouched(self.model, self.optimizer)

    def mover(self, learning_rate: float) -> Optimizer:
        """Copy the optimizer with its state; the copy moves the same Values. The default is SGD."""
        if self.optimizer is None:
            return SGD(self.model.parameters(), learning_rate)
        memo: dict[int, Any] = {id(p): p for p in self.optimizer.parameters}
        twin = deepcopy(self.optimizer, memo)
        twin.learning_rate = learning_rate
        return twin


@contextmanager
def untouched(model: Module, optimizer: Optimizer | None = None) -> Iterator[list[Value]]:
    """Lend the model's parameters: on any exit the model is as it was before.

    Weights, gradients, random generators (also those that Python and NumPy share with everybody)
    and running means come back, and whatever else the modules hold; so do the Values that the
    optimizer moves, should some not be the model's. The model is not copied: a loss may refer to
    its parameters, as a penalty does, and an optimizer to its Values; both go on meaning the model
    they are tried on. While it is lent, other threads see the changes, so that diagnoses take
    turns. The collector rests meanwhile, since graphs have no cycles.
    """
    with _TURN:
        parameters = model.parameters()
        moved = [*parameters, *(optimizer.parameters if optimizer is not None else ())]
        data, grads = [p.data for p in moved], [p.grad for p in moved]
        modules = [part for _, part in model.named_modules()]
        states = [vars(part) for part in modules]
        memo: dict[int, Any] = {id(kept): kept for kept in [*parameters, *modules]}
        copies = [{name: _copied(held, memo) for name, held in state.items()} for state in states]
        numpy, python_state = sys.modules.get("numpy"), random.getstate()
        numpy_state = numpy.random.get_state() if numpy is not None else None

        def restore() -> None:
            _set_states(modules, states)
            set_numbers(moved, "data", data)
            set_numbers(moved, "grad", grads)
            random.setstate(python_state)
            if numpy is not None:
                numpy.random.set_state(numpy_state)

        try:
            _set_states(modules, copies)
            with collector_paused():
                yield parameters
        finally:
            try:
                restore()
            except KeyboardInterrupt:  # it came meanwhile, and is passed on when all is as before
                restore()
                raise


def _copied(held: Any, memo: dict[int, Any]) -> Any:
    """Copy what a module holds; locks, open files and generators are lent as they are."""
    try:
        return deepcopy(held, memo)
    except TypeError:
        return held


def _set_states(modules: Sequence[Module], states: Sequence[dict[str, Any]]) -> None:
    for module, state in zip(modules, states, strict=True):
        module.__dict__ = state
