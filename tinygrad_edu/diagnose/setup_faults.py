"""Verdicts on what surrounds a network: its inputs, its learning rate, the gradients it holds.

References
----------
LeCun, Bottou, Orr and Müller 1998, Efficient BackProp, section 4.3: inputs of mean 0 and alike in
size. Karpathy 2022, Building makemore part 3: a step of about 1e-3 of the weights. Smith 2017,
Cyclical learning rates, section 3.3: try rates, and look at the loss.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import hypot, inf, isfinite
from typing import Any

from tinygrad_edu.diagnose.flow import Summary
from tinygrad_edu.diagnose.verdicts import Finding, percent
from tinygrad_edu.engine.errors import TinygradEduError

APART = 100.0  # largest over smallest feature: two orders of magnitude
SHIFTED = 10.0  # |mean| over spread: the samples differ by a tenth of what they share
LARGE, SMALL = 10.0, 0.01  # root mean square of a feature: that of standardised data is 1
RULE_OF_THUMB = 1e-3  # Karpathy's step over weights
GROWS = 1.5  # times the first loss, within the trial: more than the waves of a rate that works
HARDLY = 0.01  # relative fall of the loss in the trial
FASTER, GAIN = 100.0, 10.0  # too small: a rate so many times as large is so much better
SUMMED = 10.0  # held over the largest sample's gradient: a mean had 1 before the last step
EXACTLY = 1e-6  # relative, for gradients that are a multiple of one pass


@dataclass(frozen=True)
class Trial:
    """The losses on all samples before and after each of a few steps, at a learning rate."""

    learning_rate: float
    losses: tuple[float, ...]

    @property
    def worst(self) -> float:
        """The largest loss; inf where one became nan or inf."""
        return max(self.losses) if all(map(isfinite, self.losses)) else inf

    @property
    def grew(self) -> bool:
        """Whether the loss rose well above its start."""
        return self.worst > GROWS * self.losses[0]

    @property
    def fall(self) -> float:
        """By which share of itself the loss fell; negative where it rose."""
        first, last = self.losses[0], self.losses[-1]
        return (first - last) / first if first else 0.0


def rate_faults(trials: Sequence[Trial], ratio: float) -> Iterator[Finding]:
    """Too large where the loss grows; too small where a much larger rate is stable and better.

    The first trial is at the rate asked about, the last at the largest that was tried; ``ratio`` is
    the size of the first step over that of the weights.
    """
    trial, faster = trials[0], trials[-1]
    rate, steps = trial.learning_rate, len(trial.losses) - 1
    step = f"the first step is {ratio:.2g} of the weights (rule of thumb {RULE_OF_THUMB:g})"
    if trial.grew:
        yield Finding(
            "learning rate too large",
            f"in {steps} trial steps with {rate:g} the loss goes from {trial.losses[0]:.3g} up to "
            f"{trial.worst:.3g}; {step}",
            f"{rate / 10:g} or {rate / 100:g}; learning_rate_range shows which rates are usable "
            "(Smith 2017)",
        )
    elif _too_small(trial, faster):
        yield Finding(
            "learning rate too small",
            f"{steps} trial steps with {rate:g} lower the loss by {percent(trial.fall)}, with "
            f"{faster.learning_rate:g} by {percent(faster.fall)}; {step}",
            f"{faster.learning_rate / 10:g} or {faster.learning_rate:g}; learning_rate_range shows "
            "which rates are usable (Smith 2017)",
        )


def _too_small(trial: Trial, faster: Trial) -> bool:
    if faster.grew or trial.fall >= HARDLY:
        return False
    return faster.fall >= HARDLY and faster.fall > GAIN * trial.fall


def held_faults(
    held: Sequence[float], fresh: Sequence[float], largest: float, samples: int
) -> Iterator[Finding]:
    """Gradients in the model that one pass can't have left there.

    ``held`` is what the parameters had, ``fresh`` the gradient of the mean loss at the weights as
    they are, ``largest`` the greatest norm of one sample's gradient. What can be told: that held is
    a whole multiple of fresh, or longer than any mean over these samples is. What can't: sums that
    are short because the passes cancel out, ``samples`` passes (a sum over samples looks the same),
    and anything once zero_grad has run after all.
    """
    size, fresh_size = hypot(*held), hypot(*fresh)
    if not size or not isfinite(size):
        return
    times = round(size / fresh_size) if fresh_size > 0.0 and isfinite(size / fresh_size) else 0
    apart = hypot(*[a - times * b for a, b in zip(held, fresh, strict=True)])
    if times >= 1 and apart <= EXACTLY * size:
        if times not in (1, samples):
            yield _accumulated(f"the gradients in the model are {times} times those of one pass")
    elif isfinite(largest) and size > SUMMED * largest:
        yield _accumulated(
            f"the gradients in the model have the norm {size:.3g}, that of no sample is above "
            f"{largest:.3g}; no mean over samples gives that"
        )


def _accumulated(text: str) -> Finding:
    return Finding(
        "accumulated gradients",
        f"{text}: backward() adds, and zero_grad() was not called between the passes (or losses "
        "were summed rather than averaged)",
        "optimizer.zero_grad() before each backward()",
    )


@dataclass(frozen=True)
class Feature:
    """One input over the samples: its summary and its largest size."""

    place: int
    summary: Summary
    largest: float


def features_of(X: Sequence[Any]) -> list[Feature]:
    """The features; none where samples are not equally long rows of numbers."""
    rows = [list(x) if hasattr(x, "__len__") and not isinstance(x, str) else [] for x in X]
    try:
        columns = [[float(item) for item in column] for column in zip(*rows, strict=True)]
    except (TypeError, ValueError, TinygradEduError):
        return []
    summaries = [(Summary.of(column), max(map(abs, column))) for column in columns]
    return [Feature(i, s, most) for i, (s, most) in enumerate(summaries) if s is not None]


def input_faults(features: Sequence[Feature]) -> Iterator[Finding]:
    """Features of very different sizes, far from 0, or all too large or small."""
    signs = [*_scale_signs([f for f in features if f.largest > 0.0])]
    if signs:
        yield Finding(
            "unscaled inputs",
            "; ".join(signs),
            "subtract from each feature its mean over the training data and divide by its standard "
            "deviation (LeCun et al. 1998), and do the same with all data to come",
        )


def _scale_signs(features: Sequence[Feature]) -> Iterator[str]:
    """Sizes are compared by the largest number: a pixel may be 0 in nearly all samples."""
    if not features:
        return
    least, most = (pick(features, key=lambda f: f.largest) for pick in (min, max))
    if most.largest > APART * least.largest:
        yield (
            f"feature {most.place} reaches {most.largest:.3g}, feature {least.place} only "
            f"{least.largest:.3g}"
        )
    large = max(features, key=lambda f: f.summary.rms)
    if large.summary.rms > LARGE:
        yield f"feature {large.place} has a root mean square of {large.summary.rms:.3g}"
    if large.summary.rms < SMALL:
        yield f"no feature has a root mean square above {large.summary.rms:.2g}"
    far = [f for f in features if abs(f.summary.mean) > SHIFTED * f.summary.spread > 0.0]
    if far:
        yield (
            f"feature {far[0].place} has a mean of {far[0].summary.mean:.3g} and varies by "
            f"{far[0].summary.spread:.2g} only"
        )
