"""``gradient_flow``: is this network ready to learn, and if not, what is wrong with it?

Read it in three steps: ``measurements`` are taken, ``verdicts`` are found in them, and the result,
:class:`GradientFlow`, shows both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

from tinygrad_edu.compiled.symbolic import Loss
from tinygrad_edu.diagnose.measurements import LayerFlow, Passes, Summary, ratio
from tinygrad_edu.diagnose.sandbox import Subject
from tinygrad_edu.diagnose.trials import Trial, run_trials
from tinygrad_edu.diagnose.verdicts import (
    RULE_OF_THUMB,
    Finding,
    find_faults,
    gradient_ratio,
    percent,
)
from tinygrad_edu.engine import Value, set_numbers
from tinygrad_edu.engine.errors import SettingError
from tinygrad_edu.nn import Module
from tinygrad_edu.shared.arguments import within
from tinygrad_edu.shared.plots import BLUE, GREEN, LARGEST, ORANGE, axes_or_new, legend
from tinygrad_edu.shared.tables import html_table, text_table
from tinygrad_edu.train.optim import Optimizer

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS = [
    *("layer", "parameters", "gradient: norm", "mean", "spread", "output: norm", "mean", "spread"),
    *("saturated", "dead", "step/weights"),
]
ALIGN = "<" + ">" * (len(COLUMNS) - 1)
LONG = 9  # characters of a layer's name that fit beside the next one's


@dataclass(frozen=True, repr=False)
class GradientFlow:
    """The result of :func:`gradient_flow`: ``print`` it, plot it, or take the numbers.

    Attributes
    ----------
    layers : tuple of LayerFlow, in the order in which they run
    loss : float, mean over the samples
    ratio : float, root mean square of the first layer's gradient over the last layer's; None for a
        model of one layer, or where the last has no gradient
    findings : tuple of Finding, causes before effects; empty for a network that seems fit
    trial : Trial, the losses of a few steps at the learning rate; None without one
    """

    layers: tuple[LayerFlow, ...]
    loss: float
    ratio: float | None
    findings: tuple[Finding, ...]
    trial: Trial | None

    @property
    def faults(self) -> list[str]:
        """Return the names of the faults found."""
        return [finding.fault for finding in self.findings]

    @property
    def verdict(self) -> str:
        """Write each fault with its numbers and what to try, or "no fault found"."""
        return "\n".join(map(str, self.findings)) or "no fault found"

    def __str__(self) -> str:
        return "\n".join(
            [self._headline(), *text_table([COLUMNS, *self._rows()], ALIGN), self.verdict]
        )

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return html_table(self._headline(), COLUMNS, self._rows(), ALIGN, self.verdict)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the sizes of gradients, outputs and steps, layer by layer; return the Axes."""
        layers, size = self.layers, (max(7.0, 1.0 * len(self.layers)), 4.2)
        with axes_or_new(ax, "the plot of the gradient flow", size) as ax:
            gradients = [layer.gradient.rms if layer.gradient else None for layer in layers]
            outputs = [layer.activation.spread if layer.activation else None for layer in layers]
            updates = [layer.update for layer in layers]
            _line(ax, gradients, "o-", BLUE, "gradient, rms (loss per unit of weight)")
            _line(ax, outputs, "s--", ORANGE, "output, spread (standard deviation)")
            _line(ax, updates, "^:", GREEN, "first step / weights")
            if self.trial is not None:
                rule = f"rule of thumb for the step: {RULE_OF_THUMB:g}"
                ax.axhline(RULE_OF_THUMB, color=GREEN, lw=0.8, label=rule)
            ax.set_yscale("log")
            long = any(len(layer.name) > LONG for layer in layers)
            slanted: dict[str, Any] = {"rotation": 30, "ha": "right"} if long else {}
            ax.set_xticks(range(len(layers)), [_tick(layer) for layer in layers], **slanted)
            ax.set(xlabel="layer, from the inputs on", ylabel="size (logarithmic)")
            ax.set_title(", ".join(self.faults) or "no fault found")
            ax.margins(y=0.25)  # room for the legend below the lines
            legend(ax, "lower right")
        return ax

    def _headline(self) -> str:
        return f"gradient flow at a mean loss of {self.loss:.4g}"

    def _rows(self) -> list[list[str]]:
        return [
            [
                layer.name,
                str(layer.weight.count) if layer.weight else "0",
                *_cells(layer.gradient),
                *_cells(layer.activation),
                "" if layer.saturated is None else percent(layer.saturated),
                "" if layer.dead is None else percent(layer.dead),
                "" if layer.update is None else f"{layer.update:.2g}",
            ]
            for layer in self.layers
        ]


def gradient_flow(
    model: Module,
    loss: Loss,
    X: Sequence[Any],
    y: Sequence[Any],
    *,
    learning_rate: float | None = None,
    optimizer: Optimizer | None = None,
    samples: int = 100,
    compiled: bool | str = "auto",
) -> GradientFlow:
    """Run samples forwards and backwards, look at every layer, and name what is wrong.

    The faults are vanishing and exploding gradients, saturated activation functions, dead relus,
    neurons that are all alike, unscaled inputs, numbers that are not finite and, with a learning
    rate, one that is too large or too small.

    Parameters
    ----------
    learning_rate : float > 0, of plain SGD, tried for a few steps
    optimizer : tried in its place, with its own learning rate
    model, loss, X, y, samples, compiled : see :mod:`tinygrad_edu.diagnose`. The inputs are judged
        by all samples; only the trial steps can run as matrices

    Notes
    -----
    "Dead" means zero for all samples given, so pass many. A function saturates, also one that you
    add to the table yourself, if its row has hardly any slope far to the left and far to the right.

    References
    ----------
    Das and Varma, The Backprop Algorithm, "Issues with Backprop". Glorot and Bengio 2010,
    Understanding the difficulty of training deep feedforward neural networks, figures 2 to 7.
    For the rest see :mod:`tinygrad_edu.diagnose.verdicts`.

    Examples
    --------
    >>> from random import Random
    >>> from tinygrad_edu import nn
    >>> from tinygrad_edu.diagnose import gradient_flow
    >>> rng = Random(0)
    >>> X = [[rng.gauss(0, 1), rng.gauss(0, 1)] for _ in range(20)]
    >>> y = [x[0] * x[1] for x in X]
    >>> gradient_flow(nn.MLP(2, [8, 8, 1], rng=rng), nn.mse, X, y).verdict
    'no fault found'
    >>> deep = nn.MLP(2, [8] * 11 + [1], activation="sigmoid", rng=rng)
    >>> gradient_flow(deep, nn.mse, X, y).faults
    ['vanishing']
    """
    subject = Subject(model, loss, X, y, optimizer, compiled).part(samples)
    rate = _rate(learning_rate, optimizer)
    with subject.untouched() as parameters:
        passes = Passes(subject)
        step = [] if rate is None else _first_step(subject, parameters, passes.gradient, rate)
    with subject.untouched():  # once more, so that the trials begin as the passes did
        trials = run_trials(subject, rate) if rate is not None and passes.reached else []

    layers = passes.flows(step)
    size = ratio(step, passes.weights)
    findings = find_faults(layers, passes.losses, subject.X, trials, size, passes.reached)
    return GradientFlow(
        layers=tuple(layers),
        loss=sum(passes.losses) / len(passes.losses),
        ratio=gradient_ratio(layers),
        findings=tuple(findings),
        trial=trials[0] if trials else None,
    )


def _rate(learning_rate: float | None, optimizer: Optimizer | None) -> float | None:
    """Return the learning rate to try, if there is one."""
    if learning_rate is None:
        return None if optimizer is None else optimizer.learning_rate
    if optimizer is not None:
        raise SettingError(
            f"learning_rate is {learning_rate!r:.40}, and an optimizer was passed, too.",
            expected="one of the two",
            fix="pass the optimizer alone, for example optimizer=SGD(model.parameters(), 0.05).",
        )
    return within("learning_rate", learning_rate, above=0.0)


def _first_step(
    subject: Subject, parameters: Sequence[Value], gradient: Sequence[float], rate: float
) -> list[float]:
    """Compute what the first step adds to each parameter; the weights are changed."""
    before = [p.data for p in parameters]
    set_numbers(parameters, "grad", gradient)
    subject.mover(rate).step()
    return [p.data - data for p, data in zip(parameters, before, strict=True)]


def _cells(summary: Summary | None) -> list[str]:
    if summary is None:
        return [""] * 3
    return [f"{x:.3g}" for x in (summary.norm, summary.mean, summary.spread)]


def _line(ax: Axes, sizes: Sequence[float | None], style: str, color: str, label: str) -> None:
    """Draw the sizes that have a place on a logarithmic scale, one for each layer."""
    shown = [(i, size) for i, size in enumerate(sizes) if size and isfinite(size)]
    shown = [(i, min(max(size, 1.0 / LARGEST), LARGEST)) for i, size in shown]
    if shown:
        ax.plot(*zip(*shown, strict=True), style, color=color, label=label, ms=6)


def _tick(layer: LayerFlow) -> str:
    """Write the name of the layer, and under it what is the matter with its units."""
    lines = [layer.name]
    if layer.saturated:
        lines.append(f"{percent(layer.saturated)}\nsaturated")
    if layer.dead:
        lines.append(f"{percent(layer.dead)}\ndead")
    return "\n".join(lines)
