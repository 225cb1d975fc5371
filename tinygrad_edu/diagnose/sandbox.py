"""Experiments on a model that leave it as it was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

from tinygrad_edu.engine import Value, set_numbers
from tinygrad_edu.engine.errors import SettingError
from tinygrad_edu.nn import Module
from tinygrad_edu.train.optim import SGD, Optimizer


@contextmanager
def untouched(model: Module, optimizer: Optimizer | None = None) -> Iterator[list[Value]]:
    """Lend the model's parameters: on any exit the model is as it was before.

    Weights, gradients, random generators and running means, all that its modules hold, come back;
    and the Values that the optimizer moves, should some not be the model's. Not a deep copy: a loss
    may refer to the model's parameters, as a penalty does, and an optimizer to its Values; both go
    on meaning the model they are tried on. While it is lent, other threads see the changes.

    Examples
    --------
    >>> from tinygrad_edu import nn
    >>> from tinygrad_edu.diagnose.sandbox import untouched
    >>> model = nn.MLP(1, [1])
    >>> before = model.parameters()[0].data
    >>> with untouched(model) as parameters:
    ...     parameters[0].data = 100.0
    >>> model.parameters()[0].data == before
    True
    """
    parameters = model.parameters()
    if not parameters:
        raise SettingError(
            f"{model!r:.60} has no parameters.", fix="pass a model with something to train."
        )
    moved = [*parameters, *(optimizer.parameters if optimizer is not None else ())]
    data, grads = [p.data for p in moved], [p.grad for p in moved]
    modules = [part for _, part in model.named_modules()]
    states = [vars(part) for part in modules]
    memo: dict[int, Any] = {id(kept): kept for kept in [*parameters, *modules]}
    copies = [deepcopy(state, memo) for state in states]
    try:
        _set_states(modules, copies)
        yield parameters
    finally:
        _set_states(modules, states)
        set_numbers(moved, "data", data)
        set_numbers(moved, "grad", grads)


def copied(optimizer: Optimizer | None, model: Module, learning_rate: float) -> Optimizer:
    """A copy of the optimizer with its state, that moves the same Values; by default plain SGD."""
    if optimizer is None:
        return SGD(model.parameters(), learning_rate)
    memo: dict[int, Any] = {id(p): p for p in optimizer.parameters}
    twin = deepcopy(optimizer, memo)
    twin.learning_rate = learning_rate
    return twin


def _set_states(modules: Sequence[Module], states: Sequence[dict[str, Any]]) -> None:
    for module, state in zip(modules, states, strict=True):
        module.__dict__ = state
