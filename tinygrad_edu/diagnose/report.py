"""``diagnose_report``: a folder with the verdict in words, the numbers and the pictures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from math import isfinite
from pathlib import Path
from random import Random
from typing import Any

from tinygrad_edu.compiled.symbolic import Loss
from tinygrad_edu.diagnose.flow import GradientFlow, gradient_flow
from tinygrad_edu.diagnose.landscape import loss_surface
from tinygrad_edu.diagnose.learning_rates import learning_rate_range
from tinygrad_edu.nn import Module
from tinygrad_edu.nn.init import choose_rng
from tinygrad_edu.shared.arguments import extra
from tinygrad_edu.shared.files import writable_folder
from tinygrad_edu.shared.folders import alone_in, replacing
from tinygrad_edu.shared.plots import png_of, unseen
from tinygrad_edu.shared.samples import by_position
from tinygrad_edu.train.optim import Optimizer


def diagnose_report(
    folder: Path,
    model: Module,
    loss: Loss,
    X: Sequence[Any],
    y: Sequence[Any],
    *,
    learning_rate: float | None = None,
    optimizer: Optimizer | None = None,
    rng: Random | None = None,
    compiled: bool | str = "auto",
) -> tuple[GradientFlow, list[str]]:
    """Run every diagnosis of a model and write what was found.

    The folder is made if it does not exist. The other parameters are those of
    :func:`gradient_flow` and of :mod:`tinygrad_edu.diagnose`.

    Returns
    -------
    GradientFlow, list of str
        The diagnosis, and the files: ``diagnosis.txt`` (the verdict in words), ``diagnosis.json``
        (all numbers; nan and inf are null), ``gradient_flow.png``, ``learning_rate.png``,
        ``loss_surface.png``.

    Raises
    ------
    FileError
        Before any work, if the folder can't be written to.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from tinygrad_edu import nn
    >>> from tinygrad_edu.diagnose import diagnose_report
    >>> with TemporaryDirectory() as folder:
    ...     flow, files = diagnose_report(
    ...         Path(folder), nn.MLP(1, [3, 1]), nn.mse, [[-1.0], [0.5], [1.0]], [1.0, 0.2, 1.0]
    ...     )
    ...     (Path(folder) / "diagnosis.txt").exists(), files[:2]
    (True, ['diagnosis.txt', 'diagnosis.json'])
    """
    rng, X, y = choose_rng(rng), by_position(X), by_position(y, "y")
    extra("matplotlib.figure", "matplotlib", "the diagnosis's pictures")
    folder = writable_folder(Path(folder))
    flow = gradient_flow(
        model, loss, X, y, learning_rate=learning_rate, optimizer=optimizer, compiled=compiled
    )
    rates = learning_rate_range(model, loss, X, y, optimizer=optimizer, rng=rng, compiled=compiled)
    surface = loss_surface(model, loss, X, y, rng=rng, compiled=compiled)
    parts: dict[str, Any] = {"gradient_flow": flow, "learning_rate": rates, "loss_surface": surface}
    numbers = {name: asdict(part) for name, part in parts.items()}
    files = {
        "diagnosis.txt": ("\n\n".join(map(str, parts.values())) + "\n").encode(),
        "diagnosis.json": json.dumps(_finite(numbers), indent=1, allow_nan=False).encode(),
    }
    with unseen():
        files |= {f"{name}.png": png_of(part.plot().figure) for name, part in parts.items()}
    with alone_in(folder), replacing(folder, files) as new:
        for name, content in files.items():
            (new / name).write_bytes(content)
    return flow, list(files)


def _finite(numbers: Any) -> Any:
    """Put None for nan and inf, which JSON does not have."""
    if isinstance(numbers, dict):
        return {name: _finite(item) for name, item in numbers.items()}
    if isinstance(numbers, list | tuple):
        return [_finite(item) for item in numbers]
    return None if isinstance(numbers, float) and not isfinite(numbers) else numbers
