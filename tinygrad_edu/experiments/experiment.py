"""A training run described by settings: what the commands ``train`` and ``diagnose`` carry out."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from itertools import pairwise
from math import ceil
from pathlib import Path
from random import Random
from typing import Any

from tinygrad_edu.engine.errors import AnomalyError, SettingError
from tinygrad_edu.nn import (
    ACTIVATIONS,
    INITIALIZERS,
    L1,
    L2,
    BatchNorm,
    Dropout,
    Layer,
    LayerNorm,
    Module,
    Residual,
    Sequential,
    cross_entropy,
)
from tinygrad_edu.nn.penalties import Penalty
from tinygrad_edu.shared.arguments import whole, within
from tinygrad_edu.shared.files import writable_folder
from tinygrad_edu.train.data import Split, standardize
from tinygrad_edu.train.datasets import DATA_SETS, load
from tinygrad_edu.train.history import History
from tinygrad_edu.train.loop import fit
from tinygrad_edu.train.optim import OPTIMIZERS, Optimizer
from tinygrad_edu.train.resume import Checkpoint
from tinygrad_edu.train.runners import evaluate
from tinygrad_edu.train.schedules import (
    ClipByNorm,
    ClipByValue,
    Schedule,
    constant,
    cosine,
    linear,
    step_decay,
    warm_up,
)

NORMS: dict[str, type[BatchNorm] | type[LayerNorm] | None] = {
    "none": None, "batch": BatchNorm, "layer": LayerNorm
}  # fmt: skip
SCHEDULES = ("constant", "step", "linear", "cosine")
MOST_WEIGHTS = 1_000_000
LIMITS = ("epochs", "patience", "stop_below", "eager")  # a resumed run may have others


@dataclass(frozen=True)
class Experiment:
    """Every choice of a run; each is checked, by name, before work starts.

    Attributes are named as the options of ``tinygrad-edu train``.
    """

    data: str = "moons"
    samples: int | None = None
    noise: float | None = None
    test_share: float = 0.2
    raw: bool = False
    hidden: list[int] = field(default_factory=lambda: [16])
    activation: str = "relu"
    initializer: str | None = None
    norm: str = "none"
    dropout: float = 0.0
    residual: bool = False
    optimizer: str = "adam"
    learning_rate: float | None = None
    momentum: float | None = None
    epochs: int = 50
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
        for name, allowed in (
            ("data", DATA_SETS), ("activation", ACTIVATIONS), ("norm", NORMS),
            ("optimizer", OPTIMIZERS), ("schedule", SCHEDULES),
        ):  # fmt: skip
            one_of(name, getattr(self, name), allowed)
        if self.initializer is not None:
            one_of("initializer", self.initializer, INITIALIZERS)
        for i, width in enumerate(self.hidden):
            whole(f"hidden[{i}]", width)
        self._check_size()
        whole("epochs", self.epochs)
        whole("batch_size", self.batch_size)
        whole("warm_up", self.warm_up, least=0)
        within("dropout", self.dropout, least=0.0, below=1.0)
        within("test_share", self.test_share, above=0.0, below=1.0)
        if self.clip_norm is not None and self.clip_value is not None:
            raise SettingError(
                "both clip_norm and clip_value are given.", fix="choose one of the two."
            )
        if self.momentum is not None and self.optimizer != "sgd":
            raise SettingError(
                f"momentum is given for {self.optimizer}.", fix="use it with --optimizer sgd."
            )

    def _check_size(self) -> None:
        kind = DATA_SETS[self.data]
        widths = [kind.features, *self.hidden, kind.classes]
        weights = sum((wide + 1) * neurons for wide, neurons in pairwise(widths))
        if weights > MOST_WEIGHTS:
            raise SettingError(
                f"hidden is {self.hidden!r:.60}: a network of {weights:,} weights.",
                expected=f"at most {MOST_WEIGHTS:,}, each a single Value",
                fix="take fewer or narrower layers.",
            )

    def load(self) -> Split:
        """The data, standardized unless ``raw``."""
        split = load(
            self.data, rng=Random(self.seed), samples=self.samples, noise=self.noise,
            test_share=self.test_share,
        )  # fmt: skip
        return split if self.raw else standardize(split)

    def network(self) -> Sequential:
        """Hidden layers, each with its normalisation, activation and dropout; then the logits."""
        rng, kind = Random(self.seed), DATA_SETS[self.data]
        start = self.initializer or ("he_uniform" if self.activation == "relu" else None)
        parts: list[Module | str] = []
        width = kind.features
        for neurons in self.hidden:
            block: list[Module | str] = [Layer(width, neurons, initializer=start, rng=rng)]
            norm = NORMS[self.norm]
            block += [norm(neurons)] if norm is not None else []
            block += [self.activation] if self.activation != "linear" else []
            block += [Dropout(self.dropout, rng)] if self.dropout else []
            shortcut = self.residual and width == neurons
            parts += [Residual(Sequential(*block))] if shortcut else block
            width = neurons
        parts.append(Layer(width, kind.classes, rng=rng))
        return Sequential(*parts)

    def choose_optimizer(self, model: Module, updates: int) -> Optimizer:
        """The optimizer of the model, with its schedule over so many updates."""
        settings: dict[str, Any] = {"schedule": self._schedule(updates)}
        if self.learning_rate is not None:
            settings["learning_rate"] = self.learning_rate
        if self.momentum is not None:
            settings["momentum"] = self.momentum
        if self.clip_norm is not None:
            settings["clip"] = ClipByNorm(self.clip_norm)
        if self.clip_value is not None:
            settings["clip"] = ClipByValue(self.clip_value)
        make: Any = OPTIMIZERS[self.optimizer]
        chosen: Optimizer = make(model.parameters(), **settings)
        return chosen

    def _schedule(self, updates: int) -> Schedule:
        left = max(updates - self.warm_up, 1)
        after = {
            "constant": constant(),
            "step": step_decay(max(left // 3, 1)),
            "linear": linear(left),
            "cosine": cosine(left),
        }[self.schedule]
        return warm_up(self.warm_up, after) if self.warm_up else after

    def identity(self) -> dict[str, Any]:
        """What makes a run this one: every setting that can't change when it is resumed."""
        return {name: value for name, value in asdict(self).items() if name not in LIMITS}

    def penalty(self) -> Penalty | None:
        """L1 and L2 together, or None."""
        l1, l2 = L1(self.l1), L2(self.l2)
        if self.l1 and self.l2:
            return lambda model: l1(model) + l2(model)
        return l1 if self.l1 else l2 if self.l2 else None


def run(
    settings: Experiment, folder: Path, *, resume: bool = False, progress: bool | None = None
) -> tuple[str, list[str], bool]:
    """Train, and write a report; what was reached, the files, and whether Ctrl-C ended it.

    The state is written to ``run.json`` after each epoch; with ``resume`` a run goes on from there.

    Raises
    ------
    SettingError, FileError
        Before training.
    AnomalyError
        If training diverges; ``run.json`` is that of the last epoch before.
    """
    from tinygrad_edu.experiments.experiment_report import write_experiment
    from tinygrad_edu.experiments.page import need_plots

    need_plots()
    writable_folder(folder)
    split, model, history = settings.load(), settings.network(), History()
    updates = settings.epochs * ceil(len(split.X) / settings.batch_size)
    optimizer, penalty = settings.choose_optimizer(model, updates), settings.penalty()
    checkpoint = folder / "run.json"
    stopped = False
    try:
        fit(
            model, cross_entropy, split.X, split.y, epochs=settings.epochs,
            batch_size=settings.batch_size, optimizer=optimizer, penalty=penalty,
            validation=(split.X_test, split.y_test), stop_below=settings.stop_below,
            patience=settings.patience, rng=Random(settings.seed),
            checkpoint=Checkpoint(checkpoint, settings.identity(), resume),
            progress=progress, history=history, compiled=False if settings.eager else "auto",
        )  # fmt: skip
    except AnomalyError as error:
        raise _diverged(error, history) from None
    except KeyboardInterrupt:
        stopped = True
    headline = _headline(settings, model, split, history, stopped)
    files = write_experiment(folder, settings, model, history, split, headline)
    return headline, ["run.json"] * checkpoint.exists() + files, stopped


def diagnose(settings: Experiment, folder: Path) -> tuple[str, list[str]]:
    """Look at the network before it is trained; what was found, and the files of the report."""
    from tinygrad_edu.diagnose import diagnose_report

    writable_folder(folder)
    split, model = settings.load(), settings.network()
    flow, files = diagnose_report(
        folder, model, cross_entropy, split.X, split.y,
        optimizer=settings.choose_optimizer(model, 1), rng=Random(settings.seed),
        compiled=False if settings.eager else "auto",
    )  # fmt: skip
    return str(flow), files


def one_of(name: str, value: Any, allowed: Any) -> None:
    """SettingError, with the allowed ones, where a value is none of them."""
    if value not in allowed:
        raise SettingError(
            f"{name} is {value!r:.60}.", expected=", ".join(allowed), fix="choose one of these."
        )


def _diverged(error: AnomalyError, history: History) -> AnomalyError:
    return AnomalyError(
        f"training diverged in epoch {len(history.loss) + 1}: {str(error).splitlines()[0]}",
        where="nothing of this epoch is saved: run.json is as it was before",
        fix="lower the learning rate (--learning-rate), or limit the gradient (--clip-norm).",
    )


def _headline(
    settings: Experiment, model: Module, split: Split, history: History, stopped: bool
) -> str:
    loss, accuracy = evaluate(model, cross_entropy, split.X_test, split.y_test)
    why = "stopped by Ctrl-C" if stopped else f"stopped by {history.stopped}"
    seconds = history.seconds[-1] if history.seconds else 0.0
    return (
        f"{settings.data}: {accuracy:.1%} of {len(split.y_test)} held-out samples right, loss "
        f"{loss:.4f}, after {len(history.loss)} epochs in {seconds:.1f} s ({why}); "
        f"{len(model.parameters()):,} parameters, each a single Value."
    )
