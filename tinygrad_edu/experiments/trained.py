"""Use a network that ``tinygrad-edu train`` has trained: rows of features in, predictions out."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from tinygrad_edu import nn
from tinygrad_edu.compiled.predict import Predictor
from tinygrad_edu.engine.errors import FileError, LengthError
from tinygrad_edu.experiments.experiment import Experiment
from tinygrad_edu.experiments.scaling import Scaling


class Trained:
    """The function of a trained network; ``trained`` makes it.

    Attributes
    ----------
    model : Module; columns : names of its features, where they have names
    classes : names of the classes, or () where the target is an amount
    """

    def __init__(self, path: Path) -> None:
        facts = nn.read(path)
        if "ends" not in facts:
            raise FileError(
                f"{path} was not written by tinygrad-edu train.",
                fix="name the folder of a report, for example trained('training').",
            )
        settings = Experiment(**facts["settings"])
        self.model = settings.network(ends=tuple(facts["ends"]))
        nn.load(self.model, path)
        self.model.eval()
        self.columns, self.classes = tuple(facts["columns"]), tuple(facts["classes"])
        self._features = facts["ends"][0]
        self._scaling = facts["scaling"] and Scaling(**facts["scaling"])
        self._unit = facts["unit"] and Scaling(**facts["unit"])

    def __call__(self, rows: Sequence[Sequence[float]]) -> list[Any]:
        """Predict the class of each row of features by its name or index, or the amount.

        Raises
        ------
        LengthError
            If a row has another number of features.
        """
        for i, row in enumerate(rows):
            if len(row) != self._features:
                raise LengthError(
                    f"row {i} has {len(row)} features.",
                    expected=f"{self._features}: {', '.join(self.columns)}".rstrip(": "),
                    fix="pass a list of rows, each with every feature in this order.",
                )
        scaled = [self._scaling.to(row) if self._scaling else list(row) for row in rows]
        outputs = Predictor(self.model)(scaled) if scaled else []
        if self._unit:
            return [self._unit.back(output)[0] for output in outputs]
        indices = [output.index(max(output)) for output in outputs]
        return [self.classes[i] for i in indices] if self.classes else indices


def trained(folder: str | PathLike[str]) -> Trained:
    """Return the network in the folder of a report as a function of rows of features.

    Parameters
    ----------
    folder : the folder that ``tinygrad-edu train --out`` wrote, or its ``model.json``

    Raises
    ------
    FileError
        If no network is there.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from tinygrad_edu.experiments import Experiment, run, trained
    >>> with TemporaryDirectory() as folder:
    ...     _ = run(Experiment(data="iris"), Path(folder), progress=False)
    ...     predict = trained(folder)
    >>> predict([[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]])
    ['setosa', 'virginica']
    """
    path = Path(folder)
    return Trained(path / "model.json" if path.is_dir() else path)
