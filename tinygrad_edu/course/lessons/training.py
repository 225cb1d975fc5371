"""Notebook 07: the complete training algorithm."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from math import fsum, log
from random import Random
from typing import Any

from tinygrad_edu.course.exercise import Exercise, Mistake
from tinygrad_edu.course.kinds import Function
from tinygrad_edu.course.oracles import one, some


def _batch(rng: Random) -> Any:
    return one(rng), some(rng, rng.randint(2, 5)), one(rng, 0.1, 0.9)


def _exact_update(w: float, gradients: list[float], rate: float) -> float:
    total = sum(map(Fraction, gradients))
    return float(Fraction(w) - Fraction(rate) * total / len(gradients))


def _counts(rng: Random) -> Any:
    size, epochs = rng.randint(3, 9), rng.randint(2, 9)
    return size * rng.randint(2, 9) + rng.randint(1, size - 1), size, epochs


def _counted_updates(samples: int, batch_size: int, epochs: int) -> int:
    """Run the loop itself, and count its updates."""
    return sum(1 for _ in range(epochs) for _ in range(0, samples, batch_size))


def _losses(rng: Random) -> Any:
    return some(rng, 6, 0.3, 2.0), one(rng, 0.2, 0.8)


def _epochs_run(losses: list[float], threshold: float) -> int:
    below = [i for i, loss in enumerate(losses, 1) if loss < threshold]
    return below[0] if below else len(losses)


def _predictions(rng: Random) -> Any:
    samples = [some(rng, 3, 0.1, 0.9) for _ in range(rng.randint(2, 4))]
    return samples, [rng.randrange(1, 3) for _ in samples]


def _exact_loss(probabilities: list[list[float]], targets: list[int]) -> float:
    terms = [Decimal(row[t]).ln() for row, t in zip(probabilities, targets, strict=True)]
    return float(-sum(terms) / len(terms))


def _picked(p: list[list[float]], t: list[int]) -> list[float]:
    return [row[i] for row, i in zip(p, t, strict=True)]


EXERCISES = (
    Exercise(
        id="training_1",
        statement="""
            Write update(w, gradients, learning_rate): the new weight after one batch, from the
            list of the gradients of its samples.
            """,
        asks=Function("w, gradients, learning_rate", _batch),
        truth=_exact_update,
        mistakes=(
            Mistake(
                "The sign of the step: downhill is against the gradient, so subtract.",
                lambda w, g, r: w + r * sum(g) / len(g),
            ),
            Mistake(
                "You forgot to divide by the batch size: the step is against the mean gradient.",
                lambda w, g, r: w - r * sum(g),
            ),
            Mistake(
                "Correct for the first sample only: that is SGD; a batch takes the mean.",
                lambda w, g, r: w - r * g[0],
            ),
            Mistake(
                "Correct for the last sample only: gradients of the batch add up (+=, not =).",
                lambda w, g, r: w - r * g[-1],
            ),
            Mistake("The learning rate is forgotten.", lambda w, g, r: w - sum(g) / len(g)),
            Mistake(
                "That is the step alone: add it to the old weight.",
                lambda w, g, r: -r * sum(g) / len(g),
            ),
        ),
        hints=(
            "Step 3(d) of the algorithm: w becomes w minus the learning rate times something.",
            "That something is the mean of the gradients.",
        ),
        solution="""
            def answer(w, gradients, learning_rate):
                return w - learning_rate * sum(gradients) / len(gradients)
            """,
    ),
    Exercise(
        id="training_2",
        statement="""
            Write updates(samples, batch_size, epochs): how often are the weights changed? A last,
            smaller batch counts.
            """,
        asks=Function("samples, batch_size, epochs", _counts, corners=((12, 4, 3),)),
        truth=_counted_updates,
        mistakes=(
            Mistake(
                "The last, smaller batch of each epoch is dropped.", lambda m, b, e: m // b * e
            ),
            Mistake(
                "Off by one where the batches come out even: there is no further batch then.",
                lambda m, b, e: (m // b + 1) * e,
            ),
            Mistake(
                "That is SGD, with one update per sample: here there is one per batch.",
                lambda m, b, e: m * e,
            ),
            Mistake(
                "That is gradient descent, with one update per epoch: here there is one per batch.",
                lambda m, b, e: e,
            ),
            Mistake(
                "The epochs are forgotten: that is one pass over the data.",
                lambda m, b, e: -(-m // b),
            ),
            Mistake(
                "An epoch starts its batches anew: round up in each epoch, not over all.",
                lambda m, b, e: -(-m * e // b),
            ),
        ),
        hints=(
            "How many batches has one epoch?",
            "Samples over batch size, rounded up, times the epochs.",
        ),
        solution="""
            from math import ceil


            def answer(samples, batch_size, epochs):
                return ceil(samples / batch_size) * epochs
            """,
        relative=0.0,
    ),
    Exercise(
        id="training_3",
        statement="""
            losses are the validation losses after epoch 1, 2, ... Training stops after the first
            below the threshold, else after the last. Write epochs_run(losses, threshold).
            """,
        asks=Function(
            "losses, threshold",
            _losses,
            corners=(([2.0, 1.0, 0.4, 0.9, 0.3], 0.5), ([2.0, 1.5], 0.5)),
        ),
        truth=_epochs_run,
        mistakes=(
            Mistake(
                "You count from 0: after the loss at index 0, one epoch has been run.",
                lambda x, t: next((i for i, v in enumerate(x) if v < t), len(x)),
            ),
            Mistake(
                "That is the smallest loss: training stopped at the first below the threshold.",
                lambda x, t: x.index(min(x)) + 1,
            ),
            Mistake(
                "It stops at the first loss above the threshold: below is meant.",
                lambda x, t: next((i for i, v in enumerate(x, 1) if v > t), len(x)),
            ),
            Mistake(
                "These are all epochs with a loss below: training ended at the first.",
                lambda x, t: sum(v < t for v in x),
            ),
            Mistake("It never stops early.", lambda x, t: len(x)),
        ),
        hints=(
            "Go through the losses in order and stop at the first that is below.",
            "enumerate(losses, start=1) counts epochs from 1.",
        ),
        solution="""
            def answer(losses, threshold):
                for epoch, loss in enumerate(losses, 1):
                    if loss < threshold:
                        return epoch
                return len(losses)
            """,
        relative=0.0,
    ),
    Exercise(
        id="training_4",
        statement="""
            Write validation_loss(probabilities, targets): the mean over the samples of minus the
            natural log of the probability of the target. Each sample has a list of probabilities,
            and an index.
            """,
        asks=Function("probabilities, targets", _predictions),
        truth=_exact_loss,
        mistakes=(
            Mistake(
                "You forgot to divide by the number of samples.",
                lambda p, t: -fsum(map(log, _picked(p, t))),
            ),
            Mistake(
                "The minus sign is forgotten.", lambda p, t: fsum(map(log, _picked(p, t))) / len(t)
            ),
            Mistake(
                "The mean comes after the logarithm: this is the log of the mean.",
                lambda p, t: -log(fsum(_picked(p, t)) / len(t)),
            ),
            Mistake(
                "The logarithm is forgotten: this is the mean of 1 − y.",
                lambda p, t: fsum(1 - y for y in _picked(p, t)) / len(t),
            ),
            Mistake(
                "The targets are not used: it is always the first class's probability.",
                lambda p, t: -fsum(log(row[0]) for row in p) / len(t),
            ),
            Mistake(
                "You divided by the number of classes: the mean is over the samples.",
                lambda p, t: -fsum(map(log, _picked(p, t))) / len(p[0]),
            ),
        ),
        hints=(
            "One sample first: which probability counts?",
            "Of each sample the log of probabilities[m][targets[m]]; then the mean, with a minus.",
        ),
        solution="""
            from math import log


            def answer(probabilities, targets):
                terms = [-log(row[t]) for row, t in zip(probabilities, targets)]
                return sum(terms) / len(terms)
            """,
    ),
)
