"""The random generators of a model: find them, keep their state as JSON does, and set it again."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial
from operator import attrgetter
from random import Random
from types import BuiltinMethodType, FunctionType, MethodType, ModuleType
from typing import Any

from tinygrad_edu.engine import Value
from tinygrad_edu.engine.errors import SettingError
from tinygrad_edu.nn.module import Module, named

LISTS = (list, tuple, deque)
PLAIN = (Value, str, bytes, int, float, type, ModuleType, type(None))  # they hold no generator
# where libraries keep the generator that their functions draw from
GLOBAL = {"random": "_inst", "numpy.random": "mtrand._rand", "torch": "default_generator"}


def generators(model: Module) -> list[tuple[str, Any]]:
    """List the generators that the modules hold with their paths, each once even if shared.

    They are found where parameters are: in attributes, and there in lists, tuples and dicts; and in
    objects, methods and functions that a module holds, such as a sampler of its own.

    Returns
    -------
    list of (str, generator)
        Generators of :mod:`random`, of NumPy and of PyTorch.

    Raises
    ------
    SettingError
        If two of them would have the same name.

    Examples
    --------
    >>> from tinygrad_edu import nn
    >>> from tinygrad_edu.nn.generators import generators
    >>> [name for name, _ in generators(nn.Sequential(nn.Layer(2, 3), "relu", nn.Dropout(0.1)))]
    ['layer2.rng']
    """
    found = dict(named(model, "generators", ".", _kinds()))
    known = {id(source) for source in found.values()}
    modules = model.named_modules()
    for path, module in modules:
        seen = {id(other) for _, other in modules} | known
        waiting = _named(path.replace("/", "."), vars(module).items())
        while waiting:
            name, part = waiting.pop()
            if id(part) not in seen:
                seen.add(id(part))
                if isinstance(part, _kinds()):
                    found[name] = part
                else:
                    waiting += _named(name, held_by(part))
    return [*found.items()]


def global_generators() -> dict[str, Any]:
    """Return the generators of the whole process: Python's, and those of imported libraries."""
    return {
        name: attrgetter(place)(sys.modules[name])
        for name, place in GLOBAL.items()
        if name in sys.modules
    }


def held_by(thing: Any) -> Iterator[tuple[Any, Any]]:
    """Yield what a container, a function or another object holds, each part with its name."""
    if isinstance(thing, dict):
        yield from thing.items()
    elif isinstance(thing, LISTS):
        yield from enumerate(thing)
    elif isinstance(thing, MethodType | BuiltinMethodType):
        yield "__self__", thing.__self__
    elif isinstance(thing, partial):
        yield from enumerate((thing.func, *thing.args, *thing.keywords.values()))
    elif isinstance(thing, FunctionType):
        yield from enumerate(thing.__defaults__ or ())
        cells = zip(thing.__code__.co_freevars, thing.__closure__ or (), strict=True)
        for name, cell in cells:
            with suppress(ValueError):  # a name that has no value yet
                yield name, cell.cell_contents
    else:
        yield from getattr(thing, "__dict__", {}).items()


def _named(path: str, parts: Iterable[tuple[Any, Any]]) -> list[tuple[str, Any]]:
    """Return what may hold a generator with its path, the first at the end."""
    some = [(key, part) for key, part in parts if not isinstance(part, PLAIN)]
    return [(f"{path}.{key}".lstrip("."), part) for key, part in reversed(some)]


def get_state(generator: Any) -> Any:
    """Return the state of a generator in the form in which JSON keeps it.

    Raises
    ------
    SettingError
        If it has none, as random.SystemRandom, whose numbers come from outside.
    """
    try:
        if isinstance(generator, Random):
            return _plain(generator.getstate())
        if hasattr(generator, "set_state"):  # NumPy's RandomState, or PyTorch's Generator
            state = generator.get_state(**{"legacy": False} if _is_numpy(generator) else {})
            return _plain(state)
        return _plain(getattr(generator, "bit_generator", generator).state)
    except NotImplementedError:
        raise SettingError(
            f"{type(generator).__name__} has no state that could be kept.",
            where="a layer draws from it, so that a run can't go on as if it had never stopped",
            fix="draw from random.Random(seed) in the layer.",
        ) from None


def set_state(generator: Any, state: Any) -> None:
    """Give a generator the state that :func:`get_state` returned of one of its kind.

    Raises
    ------
    SettingError
        If the state is of another kind of generator; it is then as it was.
    """
    try:
        if isinstance(generator, Random):
            generator.setstate(_tuples(state))
        elif _is_numpy(generator) and hasattr(generator, "set_state"):
            generator.set_state(state)
        elif hasattr(generator, "set_state"):
            generator.set_state(generator.get_state().new_tensor(state))
        else:
            getattr(generator, "bit_generator", generator).state = state
    except (TypeError, ValueError, LookupError, OverflowError, RuntimeError):
        raise SettingError(
            f"this is not the state of a {type(generator).__name__}: {state!r:.60}.",
            fix="build the model with the kinds of generators that it had when it was saved.",
        ) from None


def _kinds() -> tuple[type, ...]:
    """Return the classes of generators; those of a library only if somebody has imported it."""
    libraries = [(sys.modules.get(name), name) for name in ("numpy.random", "torch")]
    names = {"numpy.random": ("Generator", "RandomState", "BitGenerator"), "torch": ("Generator",)}
    found = [getattr(library, kind, None) for library, at in libraries for kind in names[at]]
    return (Random, *(kind for kind in found if isinstance(kind, type)))


def _is_numpy(generator: Any) -> bool:
    return type(generator).__module__.startswith("numpy")


def _plain(state: Any) -> Any:
    """Turn tuples, arrays and tensors into lists, at any depth."""
    if isinstance(state, dict):
        return {name: _plain(part) for name, part in state.items()}
    if isinstance(state, (list, tuple)):
        return [_plain(part) for part in state]
    return state.tolist() if hasattr(state, "tolist") else state


def _tuples(state: Any) -> Any:
    return tuple(_tuples(part) for part in state) if isinstance(state, list) else state
