"""Verdicts on a network from what flows through it: which fault, where, what to try.

References
----------
Das and Varma, The Backprop Algorithm, "Issues with Backprop": activation functions, initial weights
and learning rate as what was learned to choose well; the rest of the advice is from
Glorot and Bengio 2010, Understanding the difficulty of training deep feedforward neural networks;
He, Zhang, Ren and Sun 2015, Delving deep into rectifiers; the same 2016, Deep residual learning;
Ioffe and Szegedy 2015, Batch normalization; Pascanu, Mikolov and Bengio 2013, On the difficulty of
training recurrent neural networks (clipping); Maas, Hannun and Ng 2013, Rectifier nonlinearities
(leaky relu).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite

from tinygrad_edu.diagnose.flow import LayerFlow

VANISHING = 1e-3  # of the last layer's gradient: what five sigmoids leave of it, (1/4)^5
EXPLODING = 1e3  # times the last layer's gradient, the same the other way
STEEP = 100.0  # gradient over weights: with a learning rate of 0.01 a step as large as the weights
USUAL_WEIGHT = 0.1  # He's at a fan_in of 200; next to smaller ones any gradient looks large
GROWTH = 20.0  # hidden activations over inputs: Glorot's and He's variances keep them near 1
CROWDED = 0.3  # share saturated: ten times that of unit normal sums, P(|z| > 2.2) = 0.03, in tanhs
DEAD = 0.9  # share of dead relus in a layer: by chance He's weights leave no layer so few alive

BOOK = "Das and Varma, Issues with Backprop"
GLOROT, HE = "Glorot and Bengio 2010", "He et al. 2015"
BATCH_NORM, RESIDUAL = "Ioffe and Szegedy 2015", "He et al. 2016"


@dataclass(frozen=True)
class Finding:
    """One fault.

    Attributes
    ----------
    fault : str, one of "not finite", "symmetry", "dead relus", "saturation", "vanishing",
        "exploding", "unscaled inputs", "accumulated gradients", "learning rate too large" and
        "learning rate too small"
    text : str, the fault with its numbers
    advice : str, what to try, with sources
    """

    fault: str
    text: str
    advice: str

    def __str__(self) -> str:
        return f"{self.fault}: {self.text}\n  try: {self.advice}"


def network_faults(
    layers: Sequence[LayerFlow], losses: Sequence[float], input_rms: float | None
) -> list[Finding]:
    """What is wrong with the network itself, causes before effects."""
    if not all(map(isfinite, losses)) or not _all_finite(layers):
        return [_not_finite(layers, losses)]
    findings = [*_symmetry(layers), *_dead(layers), *_saturation(layers)]
    if not any(finding.fault == "dead relus" for finding in findings):
        findings += _vanishing(layers)
    return [*findings, *_exploding(layers, input_rms)]


def ratio_of(layers: Sequence[LayerFlow]) -> float | None:
    """The first layer's gradient over the last layer's, each a root mean square; None if unfit."""
    sizes = [layer.gradient.rms for layer in layers if layer.gradient is not None]
    if len(sizes) < 2 or not sizes[-1] > 0.0:
        return None
    return sizes[0] / sizes[-1]


def _all_finite(layers: Sequence[LayerFlow]) -> bool:
    summaries = [s for layer in layers for s in (layer.weight, layer.gradient, layer.activation)]
    return all(isfinite(s.norm) for s in summaries if s is not None)


def _not_finite(layers: Sequence[LayerFlow], losses: Sequence[float]) -> Finding:
    bad = sum(not isfinite(loss) for loss in losses)
    where = [layer.name for layer in layers if not _all_finite([layer])]
    text = f"{bad} of {len(losses)} samples have a loss that is nan or inf" if bad else ""
    place = f"{where[0]} is the first layer with a number that is" if where else ""
    return Finding(
        "not finite",
        "; ".join(part for part in (text, place or "the layers' numbers are finite") if part),
        "run model and loss inside detect_anomaly(), which names the first bad node and its line; "
        "look for nan in the data; lower the learning rate and start again",
    )


def _symmetry(layers: Sequence[LayerFlow]) -> Iterator[Finding]:
    trained = [layer for layer in layers if layer.weight is not None]
    alike = [layer.name for layer in trained[:-1] if layer.alike]
    if alike:
        yield Finding(
            "symmetry",
            f"all neurons of {_listed(alike)} have the same weights and get the same gradients, so "
            "they stay alike: each such layer learns as if it had one neuron",
            f"draw the initial weights at random: glorot_uniform ({GLOROT}) or he_uniform ({HE})",
        )


def _dead(layers: Sequence[LayerFlow]) -> Iterator[Finding]:
    worst = [layer for layer in layers if layer.dead is not None and layer.dead >= DEAD]
    if worst:
        shares = ", ".join(f"{percent(layer.dead or 0.0)} in {layer.name}" for layer in worst)
        yield Finding(
            "dead relus",
            f"relus that are 0 for every sample given: {shares}. No gradient passes them, so "
            "they and what lies before them learn little or nothing",
            f"he_uniform weights and biases of 0 ({HE}); a smaller learning rate; scaled inputs; "
            "softplus or a leaky relu (Maas et al. 2013), whose slope is nowhere 0",
        )


def _saturation(layers: Sequence[LayerFlow]) -> Iterator[Finding]:
    worst = [layer for layer in layers[:-1] if (layer.saturated or 0.0) > CROWDED]
    if worst:
        shares = ", ".join(f"{percent(layer.saturated or 0.0)} in {layer.name}" for layer in worst)
        yield Finding(
            "saturation",
            f"sigmoids or tanhs with nearly no slope: {shares}. They pass hardly any gradient",
            f"smaller initial weights, as glorot_uniform draws ({GLOROT}); scaled inputs; batch "
            f"normalisation ({BATCH_NORM}); relu instead ({BOOK})",
        )


def _vanishing(layers: Sequence[LayerFlow]) -> Iterator[Finding]:
    trained = [layer for layer in layers if layer.gradient is not None]
    ratio = ratio_of(layers)
    if ratio is None or ratio >= VANISHING:
        return
    first, last = trained[0], trained[-1]
    text = f"{first.name} gets {ratio:.2g} of {last.name}'s gradient"
    if first.saturated is not None:
        text += f"; {percent(first.saturated)} of its sigmoids or tanhs are saturated"
    yield Finding(
        "vanishing",
        text + _loss_per_layer(ratio, len(trained)),
        f"relu instead of sigmoid, whose slope is at most 1/4 ({BOOK}); glorot_uniform ({GLOROT}) "
        f"or he_uniform weights ({HE}); batch normalisation ({BATCH_NORM}); residual connections "
        f"({RESIDUAL}); fewer layers",
    )


def _loss_per_layer(ratio: float, count: int) -> str:
    if not ratio:
        return "; nothing reaches it"
    return f"; on average a layer passes on {ratio ** (1 / (count - 1)):.2g} of what it gets"


def _exploding(layers: Sequence[LayerFlow], input_rms: float | None) -> Iterator[Finding]:
    signs = [*_explosions(layers, input_rms)]
    if signs:
        yield Finding(
            "exploding",
            "; ".join(signs),
            f"smaller initial weights: glorot_uniform ({GLOROT}) or he_uniform ({HE}); batch "
            f"normalisation ({BATCH_NORM}); targets scaled to about 1; clipped gradients "
            "(Pascanu et al. 2013); a smaller learning rate",
        )


def _explosions(layers: Sequence[LayerFlow], input_rms: float | None) -> Iterator[str]:
    trained = [layer for layer in layers if layer.gradient is not None]
    ratio = ratio_of(layers)
    if ratio is not None and ratio > EXPLODING:
        yield f"{trained[0].name} gets {ratio:.2g} times {trained[-1].name}'s gradient"
    steep = [(_steepness(layer), layer.name) for layer in trained]
    if steep and max(steep)[0] > STEEP:
        yield f"the gradient of {max(steep)[1]} is {max(steep)[0]:.2g} times its weights"
    hidden = [(s.rms, layer.name) for layer in layers[:-1] if (s := layer.activation) is not None]
    usual = max(input_rms or 0.0, 1.0)
    if hidden and max(hidden)[0] > GROWTH * usual:
        yield (
            f"the activations of {max(hidden)[1]} are {max(hidden)[0] / usual:.2g} times as large "
            "as the inputs"
        )


def _steepness(layer: LayerFlow) -> float:
    if layer.gradient is None or layer.weight is None:
        return 0.0
    return layer.gradient.rms / max(layer.weight.rms, USUAL_WEIGHT)


def percent(share: float) -> str:
    """A share in words: "97 %"; "0.4 %" where it is small, and never rounded to all."""
    number = 100.0 * share
    digits = 1 if 0.0 < abs(number) < 1.0 or 99.0 < number < 100.0 else 0
    return f"{number:.{digits}f} %"


def _listed(names: Sequence[str]) -> str:
    if len(names) <= 3:
        return " and ".join(names)
    return f"{names[0]}, {names[1]} and {len(names) - 2} more layers"
