"""A training run described by settings: what the commands ``train`` and ``diagnose`` carry out."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from math import ceil, fsum
from pathlib import Path
from random import Random
from typing import Any

from tinygrad_edu import nn
from tinygrad_edu.compiled.predict import Predictor
from tinygrad_edu.compiled.symbolic import Loss
from tinygrad_edu.diagnose import diagnose_report
from tinygrad_edu.engine.errors import AnomalyError, FileError, SettingError, TinygradEduError
from tinygrad_edu.experiments.page import Figure
from tinygrad_edu.experiments.report import FILES, Data, write_report
from tinygrad_edu.experiments.scaling import Scaling
from tinygrad_edu.experiments.table import LEAST_ROWS, TASKS, Table, read_table
from tinygrad_edu.nn.checkpoint import LIMIT
from tinygrad_edu.nn.penalties import Penalty
from tinygrad_edu.shared.arguments import extra, one_of, whole, within
from tinygrad_edu.shared.files import replaceable, writable_folder
from tinygrad_edu.shared.folders import alone_in, beside
from tinygrad_edu.shared.tables import plural
from tinygrad_edu.train import (
    DATA_SETS,
    OPTIMIZERS,
    Checkpoint,
    ClipByNorm,
    ClipByValue,
    History,
    Optimizer,
    Split,
    fit,
    load,
    schedules,
    standardize,
)
from tinygrad_edu.train.datasets import SAMPLES, DataSet

# how the learning rate changes over so many updates
SCHEDULES: dict[str, Callable[[int], schedules.Schedule]] = {
    "constant": lambda updates: schedules.constant(),
    "step": lambda updates: schedules.step_decay(max(updates // 3, 1)),
    "linear": schedules.linear,
    "cosine": schedules.cosine,
}
NORMS = {"none": None, "batch": nn.BatchNorm, "layer": nn.LayerNorm}
CHOICES: dict[str, Iterable[Any]] = {
    "activation": nn.ACTIVATIONS,
    "initializer": [None, *nn.INITIALIZERS],
    "norm": NORMS,
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
    "task": [None, *TASKS],
}
# settings that are numbers, and their bounds; kept as Python's numbers, which go into a file
NUMBERS: list[tuple[str, Callable[..., float], dict[str, Any]]] = [
    *((name, whole, {}) for name in ("epochs", "batch_size", "patience")),
    *(("warm_up", whole, {"least": 0}), ("samples", whole, {"least": LEAST_ROWS})),
    ("seed", whole, {"least": None}),
    *((name, within, {"above": 0.0}) for name in ("learning_rate", "clip_norm", "clip_value")),
    *((name, within, {"least": 0.0}) for name in ("l1", "l2", "noise")),
    *((name, within, {"least": 0.0, "below": 1.0}) for name in ("dropout", "momentum")),
    ("test_share", within, {"above": 0.0, "below": 1.0}),
    ("stop_below", within, {}),
]
# where none is given: the 0.001 of Adam's authors suits networks a thousand times as large
LEARNING_RATES = {"adam": 0.01, "adamw": 0.01}
MOST_WEIGHTS, MOST_LAYERS = 250_000, 50  # what a file and a picture can hold
MARGIN = 1_000_000  # bytes of run.json, for settings and generators
BYTES_PER_WEIGHT = 180  # of run.json: its name, number, two momenta, and that of the best epoch
ENDINGS = {  # why a run ended before its last epoch, for its headline
    "threshold": " (the loss dropped below stop_below)",
    "patience": " (no better epoch within the patience)",
    "callback": " (a callback ended it)",
    "Ctrl-C": " (stopped by Ctrl-C)",
}
LIMITS = ("patience", "stop_below", "eager")  # a resumed run may have others


@dataclass(frozen=True)
class Experiment:
    """Every choice of a run; a choice that is not allowed is refused by name, before work starts.

    The attributes are named as the options of ``tinygrad-edu train``; its ``--help`` explains them.

    Examples
    --------
    >>> from tinygrad_edu.experiments import Experiment
    >>> Experiment(data="iris", hidden=[8]).network()
    Sequential(Layer(4, 8, activation='linear'), 'relu', Layer(8, 3, activation='linear'))
    """

    data: str = "moons"
    target: str | None = None
    task: str | None = None
    samples: int | None = None
    noise: float | None = None
    test_share: float = 0.2
    raw: bool = False
    hidden: list[int] = field(default_factory=lambda: [16, 16])
    activation: str = "relu"
    initializer: str | None = None
    norm: str = "none"
    dropout: float = 0.0
    residual: bool = False
    optimizer: str = "adam"
    learning_rate: float | None = None
    momentum: float | None = None
    epochs: int = 100
    batch_size: int = 32
    schedule: str = "constant"
    warm_up: int = 0
    clip_norm: float | None = None
    clip_value: float | None = None
    l2: float = 0.0
    l1: float = 0.0
    patience: int | None = None
    stop_below: float | None = None
    seed: int = 0
    eager: bool = False

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            one_of(name, getattr(self, name), choices)
        for name, check, bounds in NUMBERS:
            given = getattr(self, name)
            if given is not None or getattr(Experiment, name) is not None:  # None where it may be
                object.__setattr__(self, name, check(name, given, **bounds))
        object.__setattr__(self, "hidden", [whole("hidden", width) for width in self.hidden])
        if self.clip_norm is not None and self.clip_value is not None:
            raise SettingError(
                f"both clip_norm and clip_value are given: {self.clip_norm}, {self.clip_value}.",
                fix="give only one of the two, for example --clip-norm 1.",
            )
        if self.momentum is not None and self.optimizer != "sgd":
            raise SettingError(
                f"momentum is given for {self.optimizer}.",
                fix="use it with sgd: --optimizer sgd --momentum 0.9.",
            )
        if not self.is_file:
            one_of("data", self.data, DATA_SETS)
            self._check_data()

    @property
    def is_file(self) -> bool:
        """Check whether the data are a file of the user's, not one of ``DATA_SETS``."""
        path = Path(self.data)
        named = self.data in DATA_SETS or not self.data.strip()
        return not named and (bool(path.suffix) or path.exists())

    @cached_property
    def source(self) -> DataSet:
        """Return the data set, checked against the other settings; a file is read only once."""
        if not self.is_file:
            return DATA_SETS[self.data]
        table = read_table(self.data, self.target, self.task)
        self._check_data(table)
        return table

    @property
    def loss(self) -> Loss:
        """Return the loss for the task: of classes, or of amounts."""
        source = self.source
        amounts = isinstance(source, Table) and source.regression
        return nn.mse if amounts else nn.cross_entropy

    def _check_data(self, table: Table | None = None) -> None:
        """Raise SettingError where data and settings do not go together, or would not fit."""
        kind = table or DATA_SETS[self.data]
        for name in ("target", "task"):
            if table is None and getattr(self, name) is not None:
                raise SettingError(
                    f"{name} is given for {self.data}, which has its own.",
                    fix=f"leave out --{name}, or name a file of yours: --data FILE.csv.",
                )
        if self.noise is not None and not kind.drawn:
            raise SettingError(
                f"noise is {self.noise:g}, but {kind.name} was measured, not drawn.",
                fix=f"leave out --noise, or draw points: --data moons --noise {self.noise:g}",
            )
        samples = self.samples or kind.samples or SAMPLES
        if kind.samples is not None and samples > kind.samples:
            raise SettingError(
                f"samples is {samples}, but {kind.name} has {kind.samples}.",
                fix=f"pass --samples {kind.samples}, or leave it out for all of them.",
            )
        held_out = round(samples * self.test_share)
        if not 0 < held_out < samples:
            raise SettingError(
                f"test_share is {self.test_share:g}: {held_out} of {samples} samples are held out.",
                expected="at least one sample to test on, and one to train on",
                fix="pass --test-share 0.2.",
            )
        widths = [kind.features, *self.hidden, kind.classes]
        weights = sum((wide + 1) * neurons for wide, neurons in pairwise(widths))
        if weights > MOST_WEIGHTS or len(self.hidden) > MOST_LAYERS:
            raise SettingError(
                f"hidden is {self.hidden!r:.60}: a network of {weights:,} weights in "
                f"{len(widths) - 1:,} layers.",
                expected=f"at most {MOST_WEIGHTS:,} weights, each of which is a single Value, and "
                f"{MOST_LAYERS} hidden layers: what a file and a picture can hold",
                fix="choose fewer or narrower layers, for example --hidden 32 32.",
            )
        updates = ceil((samples - held_out) / self.batch_size)
        per_epoch = history_size(updates, len(self.hidden))
        room = LIMIT - MARGIN - BYTES_PER_WEIGHT * weights
        if self.epochs * per_epoch > room:
            raise SettingError(
                f"epochs is {self.epochs:,}, each of {updates:,} updates: a history of "
                f"{self.epochs * per_epoch / 1e6:,.0f} MB.",
                expected=f"at most {room / 1e6:,.0f} MB, so that it can be saved",
                fix=f"pass fewer epochs, for example --epochs {max(room // per_epoch, 1)}, or a "
                "larger --batch-size.",
            )

    def load(self, rng: Random | None = None) -> Split:
        """Return the data, standardized unless ``raw``, drawn by ``rng`` or else by ``seed``."""
        return self.scaled(self.drawn(rng))

    def drawn(self, rng: Random | None = None) -> Split:
        """Return the data as they are, drawn by ``rng`` or else by ``seed``."""
        return load(
            self.source,
            rng=rng or Random(self.seed),
            samples=self.samples,
            noise=self.noise,
            test_share=self.test_share,
        )

    def scaled(self, data: Split) -> Split:
        """Return the data with standardized features and amounts, unless ``raw``."""
        data = data if self.raw else standardize(data)
        if self.loss is not nn.mse:
            return data
        unit = Scaling.of([[amount] for amount in data.y])
        y, y_test = ([unit.to([x])[0] for x in part] for part in (data.y, data.y_test))
        return replace(data, y=y, y_test=y_test)

    def network(self, rng: Random | None = None, ends: tuple[int, int] | None = None) -> nn.Module:
        """Build the network, its weights drawn by ``rng`` or else by ``seed``.

        Each hidden layer has its normalization, activation and dropout; the last gives the logits,
        or an amount. ``ends`` are the numbers of features and outputs, by default those of the
        data.
        """
        features, outputs = ends or (self.source.features, self.source.classes)
        rng = rng or Random(self.seed)
        start = self.initializer or ("he_uniform" if self.activation == "relu" else None)
        parts: list[nn.Module | str] = []
        width = features
        for neurons in self.hidden:
            block: list[nn.Module | str] = [nn.Layer(width, neurons, initializer=start, rng=rng)]
            norm = NORMS[self.norm]
            block += [norm(neurons)] if norm is not None else []
            block += [self.activation] if self.activation != "linear" else []
            block += [nn.Dropout(self.dropout, rng)] if self.dropout else []
            shortcut = self.residual and width == neurons
            parts += [nn.Residual(nn.Sequential(*block))] if shortcut else block
            width = neurons
        parts.append(nn.Layer(width, outputs, rng=rng))
        return nn.Sequential(*parts)

    def choose_optimizer(self, model: nn.Module, updates: int) -> Optimizer:
        """Build the optimizer of the model, with its schedule over so many updates."""
        schedule = SCHEDULES[self.schedule](max(updates - self.warm_up, 1))
        if self.warm_up:
            schedule = schedules.warm_up(self.warm_up, schedule)
        settings: dict[str, Any] = {"schedule": schedule}
        if self.clip_norm is not None:
            settings["clip"] = ClipByNorm(self.clip_norm)
        if self.clip_value is not None:
            settings["clip"] = ClipByValue(self.clip_value)
        rate = self.learning_rate or LEARNING_RATES.get(self.optimizer)
        for name, number in (("learning_rate", rate), ("momentum", self.momentum)):
            if number is not None:
                settings[name] = number
        return OPTIMIZERS[self.optimizer](model.parameters(), **settings)

    def penalty(self) -> Penalty | None:
        """Build the sum of L1 and L2; None where neither is asked for."""
        l1, l2 = nn.L1(self.l1), nn.L2(self.l2)
        if self.l1 and self.l2:
            return lambda model: l1(model) + l2(model)
        return l1 if self.l1 else l2 if self.l2 else None

    def train(self, model: nn.Module, split: Split, **options: Any) -> History:
        """Train the model on the data; the options are further ones of ``fit``."""
        updates = self.epochs * ceil(len(split.X) / self.batch_size)
        return fit(
            model,
            self.loss,
            split.X,
            split.y,
            epochs=self.epochs,
            batch_size=self.batch_size,
            optimizer=self.choose_optimizer(model, updates),
            penalty=self.penalty(),
            validation=(split.X_test, split.y_test),
            stop_below=self.stop_below,
            patience=self.patience,
            compiled=False if self.eager else "auto",
            **options,
        )

    def identity(self) -> dict[str, Any]:
        """Return the settings that can't change when a run is resumed.

        A schedule ends with the last epoch: with another number of epochs it is another schedule,
        and the learning rate would jump.
        """
        free = [*LIMITS, *["epochs"] * (self.schedule == "constant")]
        kept = {name: value for name, value in asdict(self).items() if name not in free}
        if isinstance(self.source, Table):  # the file may be elsewhere, but not another one
            kept["data"] = f"{self.source.name} (SHA-256 {self.source.digest})"
        return kept


def history_size(updates: int, hidden: int) -> int:
    """Return how many bytes each epoch takes in a file at most, by updates and hidden layers."""
    return 26 * updates + 250 + 50 * (2 * hidden + 1)  # a layer may have a normalization


def run(
    settings: Experiment,
    folder: Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    progress: bool | None = None,
    rng: Random | None = None,
    title: str = "",
    figures: Sequence[Figure] = (),
) -> tuple[str, list[str], bool]:
    """Train, and write a report into a folder, which is made if it does not exist.

    The state of the run is written to ``run.json`` after the first epoch, at most once per second
    after that, and at the end. Ctrl-C ends the training, not the report: it shows what was
    reached. Before the first epoch has ended, or while the report is made, Ctrl-C ends all, and
    leaves an older report as it was.

    Parameters
    ----------
    resume : bool, whether to go on with the run whose ``run.json`` is in the folder
    overwrite : bool, whether to begin anew where the folder has a run or a report already
    progress : True for a tqdm bar, False for none, None for a bar where tqdm is installed
    rng : random.Random that makes every draw; by default the data, the weights and the order of
        the samples are drawn by a ``Random(settings.seed)`` each
    title : str, of the report's page; figures : what the page shows beside the network

    Returns
    -------
    str, list of str, bool
        What was reached, the names of the files in the folder, whether Ctrl-C ended the training.

    Raises
    ------
    SettingError, FileError
        Before training: a setting that can't be used, a folder that can't be written to or whose
        run would be overwritten, or nothing to resume.
    AnomalyError
        If training diverges; ``run.json`` is that of the last epoch before.
    TinygradEduError
        If a file can't be written once training has begun.
    """
    extra("matplotlib.figure", "matplotlib", "the report")
    state = folder / "run.json"
    if resume and not state.exists():
        raise FileError(
            f"there is no run to resume in the folder {folder}: it has no run.json.",
            fix="leave out --resume to begin a run, or name the folder of the run with --out.",
        )
    raw, history = settings.drawn(rng), History()
    split, model = settings.scaled(raw), settings.network(rng)
    scaling = None if settings.raw else Scaling.of(raw.X)
    unit = Scaling.of([[y] for y in raw.y]) if settings.loss is nn.mse else None
    with alone_in(writable_folder(folder)):
        _check_folder(settings, folder, resume, overwrite)
        checkpoint = Checkpoint(state, settings.identity(), resume, every=1.0)
        options = {"rng": rng or Random(settings.seed), "checkpoint": checkpoint}
        stopped = False
        try:
            settings.train(model, split, history=history, progress=progress, **options)
        except AnomalyError as error:
            raise AnomalyError(
                f"training diverged in epoch {len(history.loss) + 1}: {str(error).splitlines()[0]}",
                where="nothing of this epoch is saved: run.json is as it was before",
                fix="lower the learning rate (--learning-rate), or limit the gradient "
                "(--clip-norm).",
            ) from None
        except FileError as error:
            raise (_failed(folder, error) if history.loss else error) from None
        except KeyboardInterrupt:
            if len(history.loss) < 2 and not _keeps(state, history):  # the first write is whole
                raise
            stopped = True
            print("\nstopping: writing the report …", file=sys.stderr, flush=True)
        outputs = Predictor(model)(split.X_test)
        single = unit is not None  # an amount, not a list of logits
        pairs = [
            (out[0] if single else out, y) for out, y in zip(outputs, split.y_test, strict=True)
        ]
        loss = fsum(settings.loss(out, y).data for out, y in pairs) / len(pairs)
        epochs, seconds = plural(len(history.loss), "epoch"), sum(history.seconds[-1:])
        count = len(split.y_test)
        if unit is None:
            right = sum(
                out.index(max(out)) == y for out, y in zip(outputs, split.y_test, strict=True)
            )
            reached = f"{right / count:.1%} of {count} held-out samples right"
        else:  # in the units of the target
            off = loss**0.5 * unit.deviation[0]
            reached = f"{count} held-out samples with a root mean square error of {off:.4g}"
        headline = (
            f"{settings.source.name}: {reached}, loss {loss:.4f}, after {epochs} in {seconds:.1f} s"
            f"{ENDINGS.get('Ctrl-C' if stopped else history.stopped, '')}; "
            f"{len(model.parameters()):,} parameters, each a single Value."
        )
        title = title or f"{settings.source.name}: a training run"
        data = Data(settings.source, split, settings.loss, scaling, unit)
        try:
            files = write_report(
                folder, title, headline, asdict(settings), model, history, data, figures
            )
        except FileError as error:
            raise _failed(folder, error) from None
        except KeyboardInterrupt:
            print(
                f"\nno report was written, but {state} keeps the run: repeat the command with "
                "--resume for its report.",
                file=sys.stderr,
            )
            raise
        return headline, [*files, *["run.json"] * state.exists()], stopped


def _keeps(state: Path, history: History) -> bool:
    """Check whether a file has epochs of this run, rather than none, or those of an older one."""
    kept: list[float] = []
    with suppress(FileError):
        kept = nn.read(state)["history"]["loss"]
    return bool(kept) and kept == history.loss[: len(kept)]


def _check_folder(settings: Experiment, folder: Path, resume: bool, overwrite: bool) -> None:
    """Refuse a folder whose run would be lost, or is another one than that to be resumed."""
    state = folder / "run.json"
    found = [name for name in ("run.json", *FILES) if os.path.lexists(folder / name)]
    for name in found:
        replaceable(folder / name)
    if resume and overwrite:
        raise SettingError(
            "both --resume and --overwrite are given.",
            fix="give --resume to go on with the run in the folder, --overwrite to begin anew.",
        )
    if resume:
        facts = nn.read(state)
        kept, mine = facts.get("settings", {}), settings.identity()
        other = [name for name, value in mine.items() if kept.get(name, value) != value]
        if other:
            pairs = [f"{name} was {kept[name]!r:.60}, is {mine[name]!r:.60}" for name in other]
            raise FileError(
                f"{folder} has a run with other settings: {'; '.join(pairs)}.",
                fix="pass the settings it began with, or begin anew with --overwrite.",
            )
        done = len(facts["history"]["loss"])
        if done > settings.epochs:
            raise SettingError(
                f"epochs is {settings.epochs}, but the run in {folder} has {done} already.",
                fix=f"pass --epochs {2 * done} to go on, or begin anew with --overwrite.",
            )
    elif found and not overwrite:
        what = "a report"
        with suppress(FileError):
            what = f"a run of {plural(len(nn.read(state)['history']['loss']), 'epoch')}"
        raise FileError(
            f"the folder {folder} has {what} already.",
            where=f"its files {', '.join(found)}",
            fix=f"go on with it by --resume, begin anew by --overwrite, or choose another folder: "
            f"--out {beside(folder)}",
        )


def _failed(folder: Path, error: FileError) -> TinygradEduError:
    """Make of a refusal what it is once training has begun: a failure."""
    return TinygradEduError(
        f"the training came to an end, but {str(error).splitlines()[0]}",
        where=f"{folder}; run.json, if it is there, keeps the run as it was last written",
        fix="make room, and repeat the command with --resume, which also writes the report.",
    )


def diagnose(settings: Experiment, folder: Path) -> tuple[str, list[str]]:
    """Look at the network before it is trained; return what was found, and the report's files."""
    split, model = settings.load(), settings.network()
    writable_folder(folder)
    flow, files = diagnose_report(
        folder,
        model,
        settings.loss,
        split.X,
        split.y,
        optimizer=settings.choose_optimizer(model, 1),
        rng=Random(settings.seed),
        compiled=False if settings.eager else "auto",
    )
    return str(flow), files
