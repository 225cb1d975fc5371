"""Describe a training run by facts that can be compared: is it the run that a checkpoint keeps?"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from functools import partial
from hashlib import sha256
from math import isfinite
from numbers import Real
from random import Random
from types import FunctionType
from typing import Any

from tinygrad_edu.engine.guards import FROZEN
from tinygrad_edu.nn import Module
from tinygrad_edu.nn.generators import get_state, held_by
from tinygrad_edu.train.stepping import Task

DEEP = 4  # so many functions and objects in one another are described
# attributes of an optimizer that are not settings: they change as it makes steps
STATE = ("parameters", "rate", "steps", "_state", "_arrays")


def facts_of(task: Task, rng: Random) -> dict[str, Any]:
    """Return what decides the numbers of a run, by the names of the settings, as JSON keeps it.

    Data and the state of ``rng`` are described by a SHA-256 of their numbers, functions by their
    names and by the numbers that they hold.
    """
    return {
        "data": fingerprint(task.X, task.y),
        "validation": fingerprint(*task.validation) if task.validation is not None else None,
        "sample_weight": digest(task.weights) if task.weights is not None else None,
        "batch_size": task.batch_size,
        "loss": described(task.loss),
        "penalty": described(task.penalty),
        **{name: described(x) for name, x in vars(task.optimizer).items() if name not in STATE},
        **_layers(task.model),
        "frozen": frozen(task.model),
        "rng": digest(get_state(rng)),
    }


def frozen(model: Module) -> list[str]:
    """List the parameters that are not trained, which a callback may change during a run."""
    return [name for name, value in model.named_values() if value.constant == FROZEN]


def described(thing: Any, deep: int = DEEP) -> Any:
    """Return a number, a function or an object as text, numbers and lists, without addresses."""
    if thing is None or isinstance(thing, bool | int | str):
        return thing
    if isinstance(thing, Real):
        return float(thing) if isfinite(thing) else str(thing)
    if isinstance(thing, partial) and deep:
        return [described(part, deep - 1) for _, part in held_by(thing)]
    parts = [*thing] if isinstance(thing, list | tuple) else [part for _, part in held_by(thing)]
    if isinstance(thing, FunctionType) and not str(thing.__module__).startswith("tinygrad_edu."):
        parts += [x for x in thing.__code__.co_consts if isinstance(x, float)]
    if isinstance(thing, Module | type) or not deep:
        parts = []
    kind = thing if hasattr(thing, "__qualname__") else type(thing)
    name = kind.__qualname__.rpartition("<locals>.")[2].lstrip("_")
    return [name, *(described(part, deep - 1) for part in parts)] if parts else name


def fingerprint(X: Sequence[Any], y: Sequence[Any]) -> str:
    """Return how many samples there are, and a SHA-256 of their numbers, whatever holds them."""
    found = sha256()
    for sample in (*X, *y):
        found.update(_bytes_of(sample) + b";")
    return f"{len(X)} samples of SHA-256 {found.hexdigest()[:12]}"


def _bytes_of(sample: Any) -> bytes:
    """Return the numbers of a sample as bytes, those of nested lists one list after another."""
    if isinstance(sample, str) or not isinstance(sample, Iterable):
        alone = float(sample) if isinstance(sample, Real) else sample
        return repr(alone).encode()
    try:
        return array("d", sample).tobytes()
    except TypeError:
        return b",".join(map(_bytes_of, sample))


def digest(state: Any) -> str:
    """Return a SHA-256 of lists of numbers, the state of a generator."""
    return sha256(repr(state).encode()).hexdigest()[:12]


def _layers(model: Module) -> dict[str, Any]:
    """Return the settings of this package's layers, such as the rate of a Dropout."""
    return {
        f"{path}.{name}".lstrip("."): x
        for path, part in model.named_modules()
        if type(part).__module__.startswith("tinygrad_edu.")
        for name, x in vars(part).items()
        if isinstance(x, bool | int | float | str)
        and name not in ("training", "scope")
        and not name.startswith("_")
    }
