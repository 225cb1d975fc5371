"""Judge what was measured: which fault, where, and what to try.

References
----------
Das and Varma, The Backprop Algorithm, "Issues with Backprop": activation functions, initial weights
and learning rate have to be chosen well. The rest of the advice is from
Glorot and Bengio 2010, Understanding the difficulty of training deep feedforward neural networks;
He, Zhang, Ren and Sun 2015, Delving deep into rectifiers; the same 2016, Deep residual learning;
Ioffe and Szegedy 2015, Batch normalization; Pascanu, Mikolov and Bengio 2013, On the difficulty of
training recurrent neural networks (clipping); Maas, Hannun and Ng 2013, Rectifier nonlinearities
(leaky relu); LeCun, Bottou, Orr and Müller 1998, Efficient BackProp, section 4.3 (inputs of mean 0
and alike in size); Karpathy 2022, Building makemore part 3 (a step of about 1e-3 of the weights);
Smith 2017, Cyclical learning rates, section 3.3 (try rates, and look at the loss).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from tinygrad_edu.diagnose.measurements import LayerFlow, Summary
from tinygrad_edu.diagnose.trials import HARDLY, Trial
from tinygrad_edu.engine.errors import TinygradEduError

VANISHING = 1e-3  # of the last layer's gradient: what five sigmoids leave of it, (1/4)^5
EXPLODING = 1e3  # times the last layer's gradient, the same the other way
STEEP = 100.0  # gradient over weights: with a learning rate of 0.01 a step as large as the weights
USUAL_WEIGHT = 0.1  # He's at a fan_in of 200; next to smaller ones any gradient looks large
GROWTH = 20.0  # hidden activations over inputs: Glorot's and He's variances keep them near 1
CROWDED = 0.3  # share saturated: ten times that of unit normal sums, P(|z| > 2.2) = 0.03, in tanhs
DEAD = 0.9  # share of dead relus in a layer: by chance He's weights leave no layer so few alive
APART = 100.0  # largest over smallest feature: two orders of magnitude
SHIFTED = 10.0  # |mean| over spread: the samples differ by a tenth of what they share
LARGE, SMALL = 10.0, 0.01  # root mean square of a feature: that of standardised data is 1
RULE_OF_THUMB = 1e-3  # Karpathy's step over weights
GAIN = 10.0  # a rate is too small where a much larger one lowers the loss so many times as much

DAS_VARMA = "Das and Varma, Issues with Backprop"
GLOROT, HE = "Glorot and Bengio 2010", "He et al. 2015"
BATCH_NORM, RESIDUAL = "Ioffe and Szegedy 2015", "He et al. 2016"
ADVICE = {
    "unscaled inputs": "subtract from each feature its mean over the training data and divide by "
    "its standard deviation (LeCun et al. 1998), and do the same with all data to come",
    "not finite": "run model and loss inside detect_anomaly(), which names the first bad node and "
    "its line; look for nan in the data; lower the learning rate and start again",
    "no gradient": "look for detach(), float() or .data between the parameters and the loss, and "
    "for units that are 0 or saturated everywhere",
    "symmetry": f"draw the initial weights at random: glorot_uniform ({GLOROT}) or he_uniform "
    f"({HE})",
    "dead relus": f"he_uniform weights and biases of 0 ({HE}); a smaller learning rate; scaled "
    "inputs; softplus or a leaky relu (Maas et al. 2013), whose slope is nowhere 0",
    "saturation": f"smaller initial weights, as glorot_uniform draws ({GLOROT}); scaled inputs; "
    f"batch normalisation ({BATCH_NORM}); relu instead ({DAS_VARMA})",
    "vanishing": f"relu instead of sigmoid, whose slope is at most 1/4 ({DAS_VARMA}); "
    f"glorot_uniform ({GLOROT}) or he_uniform weights ({HE}); batch normalisation ({BATCH_NORM}); "
    f"residual connections ({RESIDUAL}); fewer layers",
    "exploding": f"smaller initial weights: glorot_uniform ({GLOROT}) or he_uniform ({HE}); batch "
    f"normalisation ({BATCH_NORM}); targets scaled to about 1; clipped gradients "
    "(Pascanu et al. 2013); a smaller learning rate",
    "learning rate too large": "{0:g} or {1:g}; learning_rate_range shows which rates are usable "
    "(Smith 2017)",
}
ADVICE["learning rate too small"] = ADVICE["learning rate too large"]


@dataclass(frozen=True)
class Finding:
    """One fault: its name (a key of ``ADVICE``), its numbers, and what to try, with sources."""

    fault: str
    text: str
    advice: str

    def __str__(self) -> str:
        return f"{self.fault}: {self.text}\n  try: {self.advice}"


def find_faults(
    layers: Sequence[LayerFlow],
    losses: Sequence[float],
    X: Sequence[Any],
    trials: Sequence[Trial],
    step: float,
    reached: bool = True,
) -> list[Finding]:
    """Judge inputs, network and learning rate, causes before effects.

    ``losses`` are those of the samples, ``step`` is the size of the first step over the weights,
    ``reached`` tells whether any parameter got a gradient from any sample.
    Each rule returns the signs of its fault, none where the fault is not there.
    """
    features = _features(X)
    signs = {"unscaled inputs": _inputs(features), "not finite": _not_finite(layers, losses)}
    if not signs["not finite"]:
        signs["no gradient"] = _no_gradient(losses, reached)
        sizes = Summary.of([feature.rms for feature in features])
        signs["symmetry"] = _symmetry(layers)
        signs["dead relus"] = _dead(layers)
        signs["saturation"] = _saturation(layers)
        if not signs["dead relus"]:  # else it is known why little flows back
            signs["vanishing"] = _vanishing(layers)
        signs["exploding"] = _exploding(layers, max(sizes.rms if sizes else 0.0, 1.0))
    findings = [
        Finding(fault, "; ".join(found), ADVICE[fault]) for fault, found in signs.items() if found
    ]
    if trials and not signs["not finite"]:
        findings += _rate(trials, step)
    return findings


def _features(X: Sequence[Any]) -> list[Summary]:
    """Sum up each feature; return none where samples are not equally long rows of numbers."""
    if any(isinstance(x, str) for x in X):
        return []
    try:
        columns = [*zip(*[[*map(float, x)] for x in X], strict=True)]
    except (TypeError, ValueError, TinygradEduError):
        return []
    return [summary for column in columns if (summary := Summary.of(column)) is not None]


def _inputs(features: Sequence[Summary]) -> list[str]:
    """Find features of very different sizes, far from 0, or all too large or too small.

    Sizes are compared by the largest number, since a pixel may be 0 in nearly all samples.
    """
    used = [(feature, i) for i, feature in enumerate(features) if feature.largest > 0.0]
    if not used:
        return []
    signs = []
    (least, j), (most, i) = (pick(used, key=lambda f: f[0].largest) for pick in (min, max))
    if most.largest > APART * least.largest:
        signs.append(
            f"feature {i} reaches {most.largest:.3g}, feature {j} only {least.largest:.3g}"
        )
    large, i = max(used, key=lambda f: f[0].rms)
    if large.rms > LARGE:
        signs.append(f"feature {i} has a root mean square of {large.rms:.3g}")
    if large.rms < SMALL:
        signs.append(f"no feature has a root mean square above {large.rms:.2g}")
    far = [(f, i) for f, i in used if abs(f.mean) > SHIFTED * f.spread > 0.0]
    for feature, i in far[:1]:
        signs.append(
            f"feature {i} has a mean of {feature.mean:.3g} and varies by {feature.spread:.2g} only"
        )
    return signs


def _not_finite(layers: Sequence[LayerFlow], losses: Sequence[float]) -> list[str]:
    bad = sum(not isfinite(loss) for loss in losses)
    where = [layer.name for layer in layers if not layer.finite]
    signs = [f"{bad} of {len(losses)} samples have a loss that is nan or inf"] if bad else []
    if where:
        signs.append(f"{where[0]} is the first layer with a number that is nan or inf")
    elif bad:
        signs.append("the numbers of the layers are finite")
    return signs


def _no_gradient(losses: Sequence[float], reached: bool) -> list[str]:
    """Find a model of which nothing can be learned; where all losses are 0, nothing need be."""
    if reached or not any(losses):
        return []
    return ["no sample gives any parameter a gradient other than 0, so no step changes anything"]


def _symmetry(layers: Sequence[LayerFlow]) -> list[str]:
    trained = [layer for layer in layers if layer.weight is not None]
    alike = [layer.name for layer in trained[:-1] if layer.alike]
    if not alike:
        return []
    return [
        f"all neurons of {_listed(alike)} have the same weights and get the same gradients, so "
        "they stay alike: each such layer learns as if it had one neuron"
    ]


def _dead(layers: Sequence[LayerFlow]) -> list[str]:
    worst = [(layer.name, layer.dead) for layer in layers if (layer.dead or 0.0) >= DEAD]
    if not worst:
        return []
    return [
        f"relus that are 0 for every sample given: {_shares(worst)}. No gradient passes them, "
        "so they and what lies before them learn little or nothing"
    ]


def _saturation(layers: Sequence[LayerFlow]) -> list[str]:
    worst = [(one.name, one.saturated) for one in layers[:-1] if (one.saturated or 0.0) > CROWDED]
    if not worst:
        return []
    return [f"activations with nearly no slope: {_shares(worst)}. They pass hardly any gradient"]


def _vanishing(layers: Sequence[LayerFlow]) -> list[str]:
    trained = [layer for layer in layers if layer.gradient is not None]
    ratio = gradient_ratio(layers)
    if ratio is None or ratio >= VANISHING:
        return []
    first, last = trained[0], trained[-1]
    signs = [f"{first.name} gets {ratio:.2g} of {last.name}'s gradient"]
    if first.saturated is not None:
        signs.append(f"{percent(first.saturated)} of its activations are saturated")
    if ratio:
        passed = ratio ** (1 / (len(trained) - 1))
        signs.append(f"on average a layer passes on {passed:.2g} of what it gets")
    else:
        signs.append("nothing reaches it")
    return signs


def _exploding(layers: Sequence[LayerFlow], usual: float) -> list[str]:
    """Find gradients that grow from layer to layer or next to weights, and growing activations."""
    trained = [layer for layer in layers if layer.gradient is not None]
    signs, ratio = [], gradient_ratio(layers)
    if ratio is not None and ratio > EXPLODING:
        signs.append(f"{trained[0].name} gets {ratio:.2g} times {trained[-1].name}'s gradient")
    steep = [
        (layer.gradient.rms / max(layer.weight.rms, USUAL_WEIGHT), layer.name)
        for layer in layers
        if layer.gradient is not None and layer.weight is not None
    ]
    if steep and max(steep)[0] > STEEP:
        times, name = max(steep)
        signs.append(f"the gradient of {name} is {times:.2g} times its weights")
    hidden = [(s.rms / usual, layer.name) for layer in layers[:-1] if (s := layer.activation)]
    if hidden and max(hidden)[0] > GROWTH:
        times, name = max(hidden)
        signs.append(f"the activations of {name} are {times:.2g} times as large as the inputs")
    return signs


def _rate(trials: Sequence[Trial], step: float) -> list[Finding]:
    """Judge the learning rate: does the loss grow, or fall far more with a much larger rate?

    The first trial is at the rate asked about, the last at the largest that was tried.
    """
    trial, faster = trials[0], trials[-1]
    rate, steps = trial.learning_rate, len(trial.losses) - 1
    if trial.grew:
        fault, better = "learning rate too large", (rate / 10, rate / 100)
        text = (
            f"in {steps} trial steps with {rate:g} the loss goes from {trial.losses[0]:.3g} up to "
            f"{trial.worst:.3g}"
        )
    elif trial.fall < HARDLY <= faster.fall and not faster.grew and faster.fall > GAIN * trial.fall:
        fault = "learning rate too small"
        better = (faster.learning_rate / 10, faster.learning_rate)
        text = (
            f"{steps} trial steps with {rate:g} lower the loss by {percent(trial.fall)}, with "
            f"{faster.learning_rate:g} by {percent(faster.fall)}"
        )
    else:
        return []
    text += f"; the first step is {step:.2g} of the weights (rule of thumb {RULE_OF_THUMB:g})"
    return [Finding(fault, text, ADVICE[fault].format(*better))]


def gradient_ratio(layers: Sequence[LayerFlow]) -> float | None:
    """Divide the first layer's gradient by the last layer's, each a root mean square.

    None for fewer than two layers with parameters, or where the last one has no gradient.
    """
    sizes = [layer.gradient.rms for layer in layers if layer.gradient is not None]
    if len(sizes) < 2 or not sizes[-1] > 0.0:
        return None
    return sizes[0] / sizes[-1]


def percent(share: float) -> str:
    """Write a share as "97 %", or "0.4 %" where it is small; never round it to all."""
    number = 100.0 * share
    digits = 1 if 0.0 < abs(number) < 1.0 or 99.0 < number < 100.0 else 0
    return f"{number:.{digits}f} %"


def _shares(worst: Sequence[tuple[str, float | None]]) -> str:
    return ", ".join(f"{percent(share or 0.0)} in {name}" for name, share in worst)


def _listed(names: Sequence[str]) -> str:
    if len(names) <= 3:
        return " and ".join(names)
    return f"{names[0]}, {names[1]} and {len(names) - 2} more layers"
