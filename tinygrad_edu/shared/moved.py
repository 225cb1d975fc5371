"""Names that are looked up when they are first asked for."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any


def moved(module: str, **places: str) -> Callable[[str], Any]:
    """Make the ``__getattr__`` of a module whose names stand in other modules.

    Parameters
    ----------
    module : str, its ``__name__``
    places : for each name the module that has it; a module's own path for the module itself

    Examples
    --------
    >>> from tinygrad_edu.shared.moved import moved
    >>> look_up = moved("arithmetic", sqrt="math")
    >>> look_up("sqrt")(9.0)
    3.0
    """

    def look_up(name: str) -> Any:
        place = places.get(name)
        if place is None:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        found = import_module(place)
        return found if place.endswith(f".{name}") else getattr(found, name)

    return look_up
