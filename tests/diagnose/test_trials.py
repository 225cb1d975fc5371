"""Trials of a learning rate: a few steps at it, and at much larger ones."""

import math

import pytest

from tests.networks import X, Y, mlp
from tinygrad_edu import nn
from tinygrad_edu.diagnose.flow import gradient_flow
from tinygrad_edu.diagnose.sandbox import Subject
from tinygrad_edu.diagnose.trials import Trial, run_trials
from tinygrad_edu.train import SGD


@pytest.mark.parametrize(
    ("losses", "worst", "grew", "fall"),
    [
        ((2.0, 1.0, 0.5), 2.0, False, 0.75),
        ((2.0, 2.5, 2.2), 2.5, False, -0.1),
        ((2.0, 3.5, 1.0), 3.5, True, 0.5),
        ((0.0, 0.0), 0.0, False, 0.0),
        ((1.0, math.nan), math.inf, True, math.nan),
    ],
)
def test_a_trial_says_how_its_loss_went(losses, worst, grew, fall):
    """The largest loss, whether it is well above the first one, and the share that is gone."""
    trial = Trial(0.1, losses)

    assert (trial.worst, trial.grew, trial.fall) == (worst, grew, pytest.approx(fall, nan_ok=True))


def test_larger_rates_are_tried_while_the_loss_hardly_falls():
    """Each a hundred times as large and from the same weights, until the loss falls."""
    subject, trials = Subject(mlp(), nn.mse, X, Y), []

    for rate in (1e-7, 1e-3):
        with subject.untouched():
            trials.append(run_trials(subject, rate))

    slow, usual = trials
    assert [trial.learning_rate for trial in slow] == pytest.approx([1e-7, 1e-5, 1e-3])
    assert [trial.losses for trial in usual] == [pytest.approx(slow[-1].losses)]


def test_a_learning_rate_is_that_of_plain_sgd():
    """``learning_rate`` and ``optimizer=SGD`` say the same; the step is the rate times grad."""
    model = mlp()

    by_rate = gradient_flow(model, nn.mse, X, Y, learning_rate=0.05)
    by_optimizer = gradient_flow(model, nn.mse, X, Y, optimizer=SGD(model.parameters(), 0.05))

    assert by_rate == by_optimizer
    for layer in by_rate.layers:
        assert layer.update == pytest.approx(0.05 * layer.gradient.norm / layer.weight.norm)
