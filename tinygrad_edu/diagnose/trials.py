"""Try a learning rate for a few steps, and much larger ones where it hardly lowers the loss."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite

from tinygrad_edu.diagnose.objective import objective
from tinygrad_edu.diagnose.sandbox import Subject
from tinygrad_edu.engine import set_numbers

STEPS = 10  # enough for a loss that grows by a twentieth a step to reach GROWS
GROWS = 1.5  # times the first loss, within the trial: more than the waves of a rate that works
HARDLY = 0.01  # relative fall of the loss in the trial
FASTER, ATTEMPTS = 100.0, 4  # rates up to a million times as large as the first


@dataclass(frozen=True)
class Trial:
    """The losses on all samples before and after each of a few steps, at a learning rate."""

    learning_rate: float
    losses: tuple[float, ...]

    @property
    def worst(self) -> float:
        """Return the largest loss; inf where one became nan or inf."""
        return max(self.losses) if all(map(isfinite, self.losses)) else inf

    @property
    def grew(self) -> bool:
        """Check whether the loss rose well above its start."""
        return self.worst > GROWS * self.losses[0]

    @property
    def fall(self) -> float:
        """Return by which share of itself the loss fell; negative where it rose."""
        first, last = self.losses[0], self.losses[-1]
        return (first - last) / first if first else 0.0


def run_trials(subject: Subject, rate: float) -> list[Trial]:
    """Try the rate; while the loss neither grows nor falls, try one that is ``FASTER`` times it.

    The weights are changed: call it while the model is lent.
    """
    mean_loss, trials = objective(subject), list[Trial]()
    start = [p.data for p in mean_loss.parameters]
    for i in range(ATTEMPTS):
        set_numbers(mean_loss.parameters, "data", start)
        tried = rate * FASTER**i
        mover = subject.mover(tried)
        losses = [mean_loss.backward()]
        while isfinite(losses[-1]) and len(losses) <= STEPS:
            mover.step()
            losses.append(mean_loss.backward())
        trials.append(Trial(tried, tuple(losses)))
        if trials[-1].grew or trials[-1].fall >= HARDLY:
            break
    return trials
