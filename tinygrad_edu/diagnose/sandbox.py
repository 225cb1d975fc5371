"""Experiments on a model that leave it as it was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

from tinygrad_edu.compiled.program import check_compiled
from tinygrad_edu.compiled.symbolic import Loss
from tinygrad_edu.engine import Value, set_numbers
from tinygrad_edu.engine.collector import collector_paused
from tinygrad_edu.engine.errors import SettingError
from tinygrad_edu.nn import Module
from tinygrad_edu.shared.arguments import same_length, whole
from tinygrad_edu.shared.samples import by_position
from tinygrad_edu.train.optim import SGD, Optimizer


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

    def spread(self, samples: int) -> range:
        """Choose at most so many samples, evenly spread over all; return their numbers."""
        return range(0, len(self.X), -(-len(self.X) // whole("samples", samples)))

    def part(self, samples: int) -> Subject:
        """Return the same subject on at most so many samples."""
        chosen = self.spread(samples)
        return replace(self, X=[self.X[i] for i in chosen], y=[self.y[i] for i in chosen])

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

    Weights, gradients, random generators and running means come back, and whatever else the modules
    hold; so do the Values that the optimizer moves, should some not be the model's. The model is
    not copied: a loss may refer to its parameters, as a penalty does, and an optimizer to its
    Values; both go on meaning the model they are tried on. While it is lent, other threads see the
    changes. The collector rests meanwhile, since graphs have no cycles.
    """
    parameters = model.parameters()
    if not parameters:
        raise SettingError(
            f"{model!r:.60} has no parameters, so there is nothing to diagnose.",
            fix="pass a model with parameters, for example nn.MLP(2, [8, 1]).",
        )
    moved = [*parameters, *(optimizer.parameters if optimizer is not None else ())]
    data, grads = [p.data for p in moved], [p.grad for p in moved]
    modules = [part for _, part in model.named_modules()]
    states = [vars(part) for part in modules]
    memo: dict[int, Any] = {id(kept): kept for kept in [*parameters, *modules]}
    copies = [deepcopy(state, memo) for state in states]
    try:
        _set_states(modules, copies)
        with collector_paused():
            yield parameters
    finally:
        _set_states(modules, states)
        set_numbers(moved, "data", data)
        set_numbers(moved, "grad", grads)


def _set_states(modules: Sequence[Module], states: Sequence[dict[str, Any]]) -> None:
    for module, state in zip(modules, states, strict=True):
        module.__dict__ = state
