"""Notebook 10: keeping it honest."""

from __future__ import annotations

from decimal import Decimal
from random import Random
from typing import Any

from tinygrad_edu.course.exercise import Exercise, Mistake
from tinygrad_edu.course.kinds import Function, Numbers
from tinygrad_edu.course.oracles import one, slopes, some


def _masked(rng: Random) -> Any:
    return some(rng, 4), [1, 0, *(rng.randint(0, 1) for _ in range(2))], one(rng, 0.3, 0.9)


def _validated(rng: Random) -> Any:
    return some(rng, 9, 0.2, 2.0), rng.randint(1, 3)


def _kept(losses: list[float], patience: int) -> int:
    """Go through the best epochs so far, to the first that stays best for ``patience`` epochs."""
    best = [i for i, loss in enumerate(losses) if loss < min(losses[:i], default=9e9)]
    after = [*best[1:], len(losses) + patience + 1]
    return next(i for i, following in zip(best, after, strict=True) if following - i > patience)


def _stopping(losses: list[float], patience: int, *, last: bool) -> int:
    """Run the learner's loop; return the best epoch, or the one it stopped at."""
    best = epoch = 0
    for epoch, loss in enumerate(losses):
        if loss < losses[best]:
            best = epoch
        if epoch - best >= patience:
            break
    return epoch if last else best


LATE = ([1.0, 0.8, 0.9, 0.95, 0.5, 0.6], 2), ([1.0, 0.8, 0.9, 0.7, 0.75, 0.74, 0.6], 2)


EXERCISES = (
    Exercise(
        id="honest_1",
        statement="""
            strength/2·w² is added to the loss (L2). Write l2_gradient(gradient, w, strength): the
            new ∂L/∂w, where gradient is that of the loss without it.
            """,
        asks=Function(
            "gradient, w, strength", lambda rng: (one(rng), one(rng), one(rng, 0.05, 1.0))
        ),
        truth=lambda g, w, s: slopes(lambda v: g * v + s / 2 * v * v)(w)[0],
        mistakes=(
            Mistake(
                "The sign: the penalty is added to the loss, so its slope adds.",
                lambda g, w, s: g - s * w,
            ),
            Mistake(
                "Twice the slope of the penalty: the 1/2 cancels the 2.",
                lambda g, w, s: g + 2 * s * w,
            ),
            Mistake(
                "You added the penalty itself: add its slope.", lambda g, w, s: g + s / 2 * w * w
            ),
            Mistake("The gradient of the loss itself is forgotten.", lambda g, w, s: s * w),
            Mistake("The slope of w² is not constant: it grows with w.", lambda g, w, s: g + s),
            Mistake(
                "That is L1's slope: it knows only the sign of w.",
                lambda g, w, s: g + (s if w > 0 else -s),
            ),
        ),
        hints=(
            "The gradient of a sum is the sum of the gradients.",
            "What is the slope of strength/2·w² in w?",
        ),
        solution="""
            def answer(gradient, w, strength):
                return gradient + strength * w
            """,
    ),
    Exercise(
        id="honest_2",
        statement="""
            Write dropout(x, mask, keep): where the mask is 0 the number becomes 0; the others are
            scaled so that the mean stays as it was. keep is the share of numbers that is kept.
            """,
        asks=Function("x, mask, keep", _masked),
        truth=lambda x, m, k: [
            float(Decimal(a) / Decimal(k)) if b else 0.0 for a, b in zip(x, m, strict=True)
        ],
        mistakes=(
            Mistake(
                "Not scaled: with a share of them gone, the mean is smaller.",
                lambda x, m, k: [a * b for a, b in zip(x, m, strict=True)],
            ),
            Mistake(
                "Multiplied by keep: what is left should grow, so divide.",
                lambda x, m, k: [a * b * k for a, b in zip(x, m, strict=True)],
            ),
            Mistake(
                "You divided by the share that is dropped, 1 − keep.",
                lambda x, m, k: [a * b / (1 - k) for a, b in zip(x, m, strict=True)],
            ),
            Mistake(
                "The mask is reversed: 1 means kept.",
                lambda x, m, k: [a * (1 - b) / k for a, b in zip(x, m, strict=True)],
            ),
            Mistake("The mask is not used.", lambda x, m, k: [a / k for a in x]),
        ),
        hints=(
            "Multiply by the mask first.",
            "On average the share keep of each number is left: what factor makes it whole?",
        ),
        solution="""
            def answer(x, mask, keep):
                return [a * b / keep for a, b in zip(x, mask)]
            """,
    ),
    Exercise(
        id="honest_3",
        statement="""
            losses are the validation losses of epochs 0, 1, ... Training stops once `patience`
            epochs in a row brought no new best. Write epoch_kept(losses, patience): the best
            epoch until then.
            """,
        asks=Function("losses, patience", _validated, corners=LATE),
        truth=_kept,
        mistakes=(
            Mistake(
                "That is the epoch it stopped at: the weights of the best one are kept.",
                lambda x, p: _stopping(x, p, last=True),
            ),
            Mistake(
                "The best of all: training had stopped before it was reached.",
                lambda x, p: x.index(min(x)),
            ),
            Mistake(
                "You count from 1: the first epoch is 0.",
                lambda x, p: _stopping(x, p, last=False) + 1,
            ),
            Mistake(
                "Off by one: it waits one epoch longer than its patience.",
                lambda x, p: _stopping(x, p + 1, last=False),
            ),
            Mistake(
                "It stops at the first rise: it should wait for `patience` epochs.",
                lambda x, p: _stopping(x, 1, last=False),
            ),
        ),
        hints=(
            "Go through the epochs and remember the best so far.",
            "The difference of two indices tells how old the best is; stop when it is patience.",
        ),
        solution="""
            def answer(losses, patience):
                best = 0
                for epoch, loss in enumerate(losses):
                    if loss < losses[best]:
                        best = epoch
                    if epoch - best >= patience:
                        break
                return best
            """,
        relative=0.0,
    ),
    Exercise(
        id="honest_4",
        statement="""
            3 learning rates, 5 widths, every pair tried with 4 seeds: how many training runs?
            """,
        asks=Numbers(),
        truth=lambda: len([(r, w, s) for r in "abc" for w in "abcde" for s in "abcd"]),
        mistakes=(
            Mistake("The choices are added: every one goes with every other, so multiply.", 12),
            Mistake("The seeds are forgotten: each pair is run once for each.", 15),
            Mistake("3·5 pairs and 4 more: each pair has 4 runs of its own.", 19),
        ),
        hints=(
            "How many pairs of learning rate and width are there?",
            "Each pair takes a run for each seed.",
        ),
        solution="answer = 3 * 5 * 4",
    ),
)
