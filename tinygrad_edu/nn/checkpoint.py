"""Parameters on disk: JSON that no accident can turn into other numbers unnoticed.

A file holds ``format``, ``version``, ``facts`` (whatever the saver wants to remember) and
``parameters`` (and buffers): name to number, spelled by ``repr``, so that every bit comes back.
``sha256`` is taken over the file without its own line. A file that is not byte for byte what
:func:`save` makes of its content is refused, and so is nan or inf: a model that diverged never
replaces a good one.

References
----------
Pillai et al., All file systems are not created equal, OSDI 2014: why write, fsync, rename, fsync.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Any, NoReturn

from tinygrad_edu.engine import Value, set_numbers
from tinygrad_edu.engine.errors import FileError, SettingError
from tinygrad_edu.nn.module import Module
from tinygrad_edu.shared.files import as_path, read_limited, write_atomically

FORMAT, VERSION = "tinygrad_edu checkpoint", 1
LIMIT = 64 * 2**20  # bytes; more than a million parameters
DEPTH = 100  # lists in lists among the facts; JSON is read by recursion
KEYS = ["sha256", "format", "version", "facts", "parameters"]
_LAYER, _FIRST = re.compile(r"(layer|part)\d+"), re.compile(r"layer0|part\d")
RESTORE = "restore the file from a copy, or train and save again."


def save(model: Module, path: str | os.PathLike[str], /, **facts: Any) -> None:
    """Write the parameters of a model, all or nothing: at no moment is there half a file.

    The file before stays until the new one is on the disk. A process that is killed meanwhile may
    leave a file beside it whose name starts with a dot, which can be deleted.

    Parameters
    ----------
    model : Module
    path : str or os.PathLike
    facts : what JSON gives back as it was: text, numbers, True, False, None, lists, and dicts
        with text as keys

    Raises
    ------
    SettingError
        If the model or the path is something else.
    FileError
        If a parameter is nan or inf, a fact can't be kept, or the file can't be written.

    Examples
    --------
    >>> import os, tempfile
    >>> from tinygrad_edu.nn import MLP, load, read, save
    >>> path = os.path.join(tempfile.mkdtemp(), "model.json")
    >>> save(MLP(2, [3, 1]), path, widths=[3, 1], epochs=20)
    >>> model = MLP(2, read(path)["widths"])
    >>> load(model, path)
    """
    path = as_path(path)
    parameters = {name: value.data for name, value in _kept(model).items()}
    for name, number in parameters.items():
        if not math.isfinite(number):
            _fail(path, f"not written, since {name} is {number}", "save before training diverges.")
    for name, fact in facts.items():
        _check_fact(path, name, fact)
    data = _encode(facts, parameters)
    if len(data) > LIMIT:
        _fail(path, f"not written: {len(data)} bytes, at most {LIMIT} allowed", "save less.")
    write_atomically(path, data)


def load(model: Module, path: str | os.PathLike[str]) -> None:
    """Give a model the parameters in a file; it is changed only if all of the file is right.

    Raises
    ------
    SettingError
        If the model or the path is something else.
    FileError
        If the file can't be read, was damaged or edited, or has not the parameters of the model.
    """
    path = as_path(path)
    parameters = _kept(model)
    numbers = _renamed(_read(path)[1], parameters)
    if parameters.keys() != numbers.keys():
        first = next(
            name for name in [*parameters, *numbers] if (name in parameters) != (name in numbers)
        )
        _fail(
            path,
            f"has {len(numbers)} parameters, the model {len(parameters)}; "
            f"only the {'model' if first in parameters else 'file'} has {first!r:.60}",
            "build the model as it was when it was saved, then load.",
        )
    data = [numbers[name] for name in parameters]
    set_numbers(parameters.values(), "data", data)


def read(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read the facts in a file that :func:`save` wrote, with the checks of :func:`load`."""
    return _read(as_path(path))[0]


def _kept(model: Module) -> dict[str, Value]:
    """Collect parameters, also frozen ones, then buffers such as running means."""
    if not isinstance(model, Module):
        raise SettingError(
            f"the model is {model!r:.60}.",
            expected="a Module, such as MLP or Sequential",
            fix="pass the model first, then the path: save(model, 'model.json').",
        )
    return dict(model.named_values())


def _renamed(numbers: dict[str, float], parameters: Iterable[str]) -> dict[str, float]:
    """Give numbers of the first edition the names of today, if they are of the same structure.

    There layers were counted from 0, and those of Sequential were called part0, part2, ...
    """
    now = [*parameters]
    old = numbers.keys() != set(now) and any(map(_FIRST.search, numbers))
    same = [_LAYER.sub("", name) for name in numbers] == [_LAYER.sub("", name) for name in now]
    return dict(zip(now, numbers.values(), strict=True)) if old and same else numbers


def _encode(facts: dict[str, Any], parameters: dict[str, float]) -> bytes:
    """Spell a file in the only way that is accepted."""
    content = {"format": FORMAT, "version": VERSION, "facts": facts, "parameters": parameters}
    text = json.dumps(content, indent=1, allow_nan=False)
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    return f'{{\n "sha256": "{sha256}",{text[1:]}\n'.encode()


def _check_fact(path: Path, name: str, fact: Any) -> None:
    try:
        kept = bool(json.loads(json.dumps(fact, allow_nan=False)) == fact)
    except (TypeError, ValueError, RecursionError):
        kept = False
    if not kept or _depth(fact) > DEPTH:
        _fail(
            path,
            f"not written, since JSON can't keep the fact {name} as it is: {type(fact).__name__}",
            "make it of text, finite numbers, True, False, None, lists and dicts of these, "
            f"at most {DEPTH} deep.",
        )


def _depth(fact: Any) -> int:
    """Count how many lists and dicts stand in one another."""
    level, depth = [fact], 0
    while level := [part for part in level if isinstance(part, (list, dict))]:
        held = [part.values() if isinstance(part, dict) else part for part in level]
        level, depth = [*chain.from_iterable(held)], depth + 1
    return depth


def _read(path: Path) -> tuple[dict[str, Any], dict[str, float]]:
    """Return the facts and parameters of a file, if all of it is right."""
    data = read_limited(path, LIMIT)
    try:
        content = json.loads(data.decode())
    except (ValueError, RecursionError) as error:
        _fail(path, f"not JSON: {error}", RESTORE)
    _check_form(path, content)
    facts, parameters = content["facts"], content["parameters"]
    for name, number in parameters.items():
        if type(number) is not float or not math.isfinite(number):
            _fail(path, f"{name!r:.60} is {number!r:.60}, not a finite decimal number", RESTORE)
    try:
        whole = _encode(facts, parameters) == data
    except (ValueError, RecursionError):
        whole = False
    if not whole:
        _fail(path, "damaged or edited: it is not what its sha256 was taken from", RESTORE)
    return facts, parameters


def _check_form(path: Path, content: Any) -> None:
    """Check that the content is a checkpoint of this version with all keys."""
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        _fail(path, f"not a checkpoint: it has no format {FORMAT!r}", "choose another file.")
    version = content.get("version")
    if type(version) is not int or version != VERSION:
        _fail(
            path,
            f"version {version!r:.60} of the format; this tinygrad_edu reads version {VERSION}",
            "install the tinygrad_edu that wrote it, or a newer one.",
        )
    if sorted(content) != sorted(KEYS):
        _fail(path, f"has the keys {[*content]!r:.60}, expected {KEYS}", RESTORE)
    for key in ("facts", "parameters"):
        if not isinstance(content[key], dict):
            _fail(path, f"its {key} are a {type(content[key]).__name__}, not an object", RESTORE)


def _fail(path: Path, what: str, fix: str) -> NoReturn:
    raise FileError(f"{path}: {what}.", fix=fix) from None
