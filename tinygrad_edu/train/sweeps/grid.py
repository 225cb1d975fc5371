"""What a sweep is asked for: the grid as plain settings, all refused here that would fail later."""

from __future__ import annotations

import inspect
import json
import pickle
import sys
from collections.abc import Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from pathlib import Path
from typing import Any, TypeAlias

from tinygrad_edu.engine.errors import SettingError
from tinygrad_edu.train.sweeps.store import Settings, plain

Grid: TypeAlias = "Mapping[str, Iterable[Any]] | Iterable[Mapping[str, Any]]"


def combinations(grid: Any) -> list[Mapping[str, Any]]:
    """The settings of a grid, in order."""
    if isinstance(grid, Mapping):
        choices = [_choices(name, values) for name, values in grid.items()]
        return [dict(zip(grid, some, strict=True)) for some in product(*choices)] if grid else []
    if not isinstance(grid, Iterable) or isinstance(grid, str | set | frozenset):
        raise SettingError(
            f"grid is {grid!r:.60}.",
            expected='a dict such as {"learning_rate": [0.1, 1.0]}, or a list of dicts',
            fix="write one of these.",
        )
    return list(grid)


def _choices(name: Any, values: Any) -> list[Any]:
    """The values of one name: in an order, and at least one."""
    ordered = isinstance(values, Iterable) and not isinstance(
        values, str | bytes | Mapping | set | frozenset
    )
    if not ordered or not (listed := list(values)):
        raise SettingError(
            f"the values of {name} in the grid are {values!r:.60}.",
            expected="a list of at least one value",
            fix=f"write a list, for a single value {{{name!r}: [value]}}.",
        )
    return listed


def plain_settings(wanted: list[Mapping[str, Any]]) -> dict[str, Settings]:
    """What JSON gives back for each settings, by its text; SettingError if one is there twice."""
    if not wanted:
        raise SettingError("the grid is empty.", expected="at least one trial", fix="add some.")
    places: dict[str, int] = {}
    for place, settings in enumerate(wanted):
        text = _text(place, settings)
        if places.setdefault(text, place) != place:
            raise SettingError(
                f"the settings {places[text]} and {place} of the grid are the same: {text:.200}",
                expected="each settings once",
                fix="drop one, or add a setting such as seed that tells them apart.",
            )
    return {text: json.loads(json.dumps(dict(wanted[i]))) for text, i in places.items()}


def _text(place: int, settings: Any) -> str:
    if not isinstance(settings, Mapping) or not all(isinstance(name, str) for name in settings):
        raise SettingError(
            f"the settings {place} of the grid are {settings!r:.60}.",
            expected='a dict of names and values, such as {"learning_rate": 0.1}',
            fix="write one.",
        )
    for name, value in settings.items():
        try:
            plain(value)
        except (TypeError, ValueError, RecursionError) as error:
            raise SettingError(
                f"the setting {name} = {value!r:.60} can't be kept as JSON: {error!s:.100}.",
                expected="None, bool, int, finite float, str, or lists and dicts of these",
                fix="give a plain value or a name that the trial looks up; array.tolist() is one.",
            ) from None
    return plain(dict(settings))


def check_trial(trial: Any, executor: Any, asked: Iterable[Settings]) -> None:
    """SettingError if no process, or no executor, or no settings would do."""
    if not callable(trial):
        raise SettingError(
            f"trial is {trial!r:.60}.", expected="a function of the settings", fix="pass one."
        )
    if executor is not None and not callable(getattr(executor, "submit", None)):
        raise SettingError(
            f"executor is {executor!r:.60}.",
            expected="a concurrent.futures.Executor, or None for processes on this machine",
            fix="pass one, for Dask client.get_executor().",
        )
    if executor is None or isinstance(executor, ProcessPoolExecutor):
        try:
            pickle.dumps(trial)
        except Exception as error:
            raise no_process(trial, f"{error!s:.100}") from None
    try:
        signature = inspect.signature(trial)
    except (TypeError, ValueError):  # builtins need not have one
        return
    for settings in asked:
        _check_call(trial, signature, settings)


def _check_call(trial: Any, signature: inspect.Signature, settings: Settings) -> None:
    try:
        signature.bind(**settings)
    except TypeError as error:
        raise SettingError(
            f"{trial!r:.60} can't be called with {settings!r:.200}: {error}.",
            expected=f"settings that fit {signature}",
            fix="correct the names in the grid, or the function.",
        ) from None


def no_process(trial: Any, why: str) -> SettingError:
    """The refusal of a trial that only this process knows."""
    return SettingError(
        f"{trial!r:.60} can't be run in another process: {why}.",
        expected="a function that another process can import by its name",
        fix="define it at the top of a module, a script with the rest under "
        '`if __name__ == "__main__":`, or pass executor=ThreadPoolExecutor().',
    )


def name_of(trial: Any, name: Any) -> str:
    """What the file calls the trial: ``__main__`` is called what it is when imported."""
    module, own = getattr(trial, "__module__", ""), getattr(trial, "__qualname__", "<none>")
    if name is None and "<" not in own.replace("<locals>", ""):
        script = getattr(sys.modules["__main__"], "__file__", None)
        return f"{Path(script).stem if module == '__main__' and script else module}.{own}"
    if isinstance(name, str) and name and name.isprintable():
        return name
    raise SettingError(
        f"the file would know the trial {trial!r:.60} by the name {name!r:.60}.",
        expected="a name that stays the same when the sweep is run again",
        fix='pass name="...", or a function that has one.',
    )
