"""``gradient_flow``: is this network fit to learn, and if not, what is wrong with it?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import hypot
from typing import TYPE_CHECKING, Any

from tinygrad_edu.compiled.program import check_compiled
from tinygrad_edu.compiled.symbolic import Loss
from tinygrad_edu.diagnose.flow import LayerFlow, Passes, Summary, run_passes, unit_name
from tinygrad_edu.diagnose.learning_rates import try_steps
from tinygrad_edu.diagnose.objective import objective
from tinygrad_edu.diagnose.sandbox import copied, untouched
from tinygrad_edu.diagnose.setup_faults import (
    FASTER,
    HARDLY,
    Trial,
    features_of,
    held_faults,
    input_faults,
    rate_faults,
)
from tinygrad_edu.diagnose.verdicts import Finding, network_faults, percent, ratio_of
from tinygrad_edu.engine import Value, set_numbers
from tinygrad_edu.engine.collector import collector_paused
from tinygrad_edu.engine.errors import SettingError
from tinygrad_edu.nn import Module
from tinygrad_edu.shared.arguments import same_length, whole, within
from tinygrad_edu.shared.tables import html_table, text_table
from tinygrad_edu.train.optim import Optimizer

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TRIAL_STEPS = 10  # enough for a loss that grows by a twentieth a step to reach GROWS
ATTEMPTS = 4  # rates up to a million times as large as the one asked about
COLUMNS = (
    "layer", "parameters", "gradient: norm", "mean", "spread",
    "output: norm", "mean", "spread", "saturated", "dead", "step/weights",
)  # fmt: skip


@dataclass(frozen=True, repr=False)
class GradientFlow:
    """What :func:`gradient_flow` found: ``print`` it, plot it, or take the numbers.

    Attributes
    ----------
    layers : tuple of LayerFlow, in the order they run in
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
        """The names of the faults found."""
        return [finding.fault for finding in self.findings]

    @property
    def verdict(self) -> str:
        """In words: each fault with its numbers and what to try, or "no fault found"."""
        return "\n".join(map(str, self.findings)) or "no fault found"

    def numbers(self) -> dict[str, Any]:
        """All of it as dicts, lists, strings and floats, for a file."""
        return asdict(self)

    def __str__(self) -> str:
        table = text_table([COLUMNS, *self._rows()], "<" + ">" * (len(COLUMNS) - 1))
        return "\n".join([self._headline(), *table, self.verdict])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        align = "<" + ">" * (len(COLUMNS) - 1)
        return html_table(self._headline(), COLUMNS, self._rows(), align, self.verdict)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the sizes of gradients and activations, layer by layer; return the Axes."""
        from tinygrad_edu.diagnose.plots import plot_flow

        return plot_flow(self, ax)

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

    Vanishing and exploding gradients, saturated sigmoids and tanhs, dead relus, neurons that are
    all alike, unscaled inputs, numbers that are not finite; gradients that were added up because
    ``zero_grad`` was forgotten, where the parameters still hold them; and with a learning rate,
    whether it is too large or too small. Weights, gradients, optimizer and random generators are
    left as they are.

    Parameters
    ----------
    model : Module; X : samples; y : their targets
    loss : function of the output for one sample and its target
    learning_rate : float > 0, of plain SGD, tried for a few steps on a copy of the weights
    optimizer : tried in its place, with its own formula, learning rate and state
    samples : int, at most so many are run, evenly spread over X; inputs are judged by all
    compiled : whether the trial steps run as matrices, as in :func:`tinygrad_edu.train.fit`; all
        else is measured on the graphs

    Returns
    -------
    GradientFlow

    Raises
    ------
    LengthError, SettingError
        Before any work, if a setting can't be used.

    Notes
    -----
    "Dead" means zero for the samples given: pass many. Of gradients that the model holds, it can be
    told that they are a whole multiple of one pass over these samples, or longer than any mean over
    them can be; sums of passes that cancel out can't be told from one pass over other data.

    References
    ----------
    Das and Varma, The Backprop Algorithm, "Issues with Backprop". Glorot and Bengio 2010,
    Understanding the difficulty of training deep feedforward neural networks, figures 2 to 7:
    activations and gradients by layer. For the rest see
    :mod:`tinygrad_edu.diagnose.verdicts`.

    Examples
    --------
    >>> from random import Random
    >>> from tinygrad_edu import nn
    >>> from tinygrad_edu.diagnose.gradient_flow import gradient_flow
    >>> rng = Random(0)
    >>> X = [[rng.gauss(0, 1), rng.gauss(0, 1)] for _ in range(20)]
    >>> y = [x[0] * x[1] for x in X]
    >>> gradient_flow(nn.MLP(2, [8, 8, 1], rng=rng), nn.mse, X, y).verdict
    'no fault found'
    >>> deep = nn.MLP(2, [8] * 11 + [1], activation="sigmoid", rng=rng)
    >>> gradient_flow(deep, nn.mse, X, y).faults
    ['vanishing']
    """
    same_length("y", y, "X", X)
    rate = _rate(learning_rate, optimizer)
    check_compiled(compiled)
    chosen = range(0, len(X), -(-len(X) // whole("samples", samples)))
    some, targets = [X[i] for i in chosen], [y[i] for i in chosen]
    with collector_paused(), untouched(model, optimizer) as parameters:
        held = [p.grad for p in parameters]
        passes = run_passes(model, loss, some, targets)
        steps = _first_step(model, parameters, passes.gradient, optimizer, rate)
    with collector_paused(), untouched(model, optimizer):
        trials = _trials(model, loss, (some, targets), optimizer, rate, compiled)
    layers = _layers(passes, [p.data for p in parameters], steps)
    return _judged(layers, passes, held, X, trials, steps, parameters)


def _rate(learning_rate: float | None, optimizer: Optimizer | None) -> float | None:
    """The learning rate to try, if any."""
    if learning_rate is None:
        return None if optimizer is None else optimizer.learning_rate
    if optimizer is not None:
        raise SettingError(
            f"learning_rate is {learning_rate!r:.40}, and an optimizer was passed, too.",
            expected="one of the two",
            fix="pass the optimizer alone; it has a learning rate.",
        )
    return within("learning_rate", learning_rate, above=0.0)


def _first_step(
    model: Module,
    parameters: list[Value],
    gradient: list[float],
    optimizer: Optimizer | None,
    rate: float | None,
) -> list[float]:
    """What the first step adds to each parameter; empty without a learning rate."""
    if rate is None:
        return []
    before = [p.data for p in parameters]
    set_numbers(parameters, "grad", gradient)
    copied(optimizer, model, rate).step()
    return [p.data - data for p, data in zip(parameters, before, strict=True)]


def _trials(
    model: Module,
    loss: Loss,
    data: tuple[Sequence[Any], Sequence[Any]],
    optimizer: Optimizer | None,
    rate: float | None,
    compiled: bool | str,
) -> list[Trial]:
    """A few steps at the rate; while they hardly lower the loss, again at much larger ones."""
    if rate is None:
        return []
    task, trials = objective(model, loss, *data, compiled), list[Trial]()
    start = [p.data for p in task.parameters]
    for i in range(ATTEMPTS):
        set_numbers(task.parameters, "data", start)
        tried = rate * FASTER**i
        losses = try_steps(task, copied(optimizer, model, tried), TRIAL_STEPS)
        trials.append(Trial(tried, tuple(losses)))
        if trials[-1].grew or trials[-1].fall >= HARDLY:
            break
    return trials


def _layers(passes: Passes, weights: list[float], steps: list[float]) -> list[LayerFlow]:
    """A row for each layer: those that ran, in order, then those that never did."""
    rows = {name: list[int]() for name in [*passes.seen, *passes.layers]}
    for i, name in enumerate(passes.layers):
        rows[name].append(i)
    found = []
    for name, places in rows.items():
        seen = passes.seen.get(name)
        slopes, alive = (seen.slopes, seen.alive) if seen else ([], [])
        data = [weights[i] for i in places]
        found.append(
            LayerFlow(
                name=name,
                weight=Summary.of(data),
                gradient=Summary.of([passes.gradient[i] for i in places]),
                activation=Summary.of(seen.outputs) if seen else None,
                saturated=sum(slopes) / len(slopes) if slopes else None,
                dead=1.0 - sum(alive) / len(alive) if alive else None,
                update=_ratio([steps[i] for i in places], data) if steps and places else None,
                alike=_alike(passes, places, weights),
            )
        )
    return found


def _alike(passes: Passes, places: Sequence[int], weights: Sequence[float]) -> bool:
    """Whether a layer has several units, all with the same weights and gradients."""
    units = dict[str, list[tuple[float, float]]]()
    for i in places:
        pair = (weights[i], passes.gradient[i])
        units.setdefault(unit_name(passes.names[i]), []).append(pair)
    first, *others = units.values() or [[]]
    return bool(others) and all(_close(first, other) for other in others)


def _close(first: Sequence[tuple[float, float]], second: Sequence[tuple[float, float]]) -> bool:
    """Whether weights are the same, and gradients but for rounding."""
    size = hypot(*[g for _, g in first])
    return len(first) == len(second) and all(
        w == v and abs(g - h) <= 1e-9 * size for (w, g), (v, h) in zip(first, second, strict=True)
    )


def _judged(
    layers: list[LayerFlow],
    passes: Passes,
    held: list[float],
    X: Sequence[Any],
    trials: list[Trial],
    steps: list[float],
    parameters: list[Value],
) -> GradientFlow:
    features = features_of(X)
    size = Summary.of([f.summary.rms for f in features])
    findings = [*input_faults(features)]
    findings += network_faults(layers, passes.losses, size.rms if size else None)
    findings += held_faults(held, passes.gradient, passes.largest, len(passes.losses))
    if trials and "not finite" not in [f.fault for f in findings]:
        ratio = _ratio(steps, [p.data for p in parameters])
        findings += rate_faults(trials, ratio)
    return GradientFlow(
        layers=tuple(layers),
        loss=sum(passes.losses) / len(passes.losses),
        ratio=ratio_of(layers),
        findings=tuple(findings),
        trial=trials[0] if trials else None,
    )


def _ratio(step: Sequence[float], weights: Sequence[float]) -> float:
    """Norm over norm; 0 / 0 is 0, a step from weights of 0 is inf."""
    size, base = hypot(*step), hypot(*weights)
    return size / base if base else (float("inf") if size else 0.0)


def _cells(summary: Summary | None) -> list[str]:
    if summary is None:
        return [""] * 3
    return [f"{x:.3g}" for x in (summary.norm, summary.mean, summary.spread)]
