"""The same optimisers, schedules and clippings in PyTorch, float64, over 100 steps."""

from random import Random

import pytest

from tinygrad_edu import Value
from tinygrad_edu.train import (
    SGD,
    Adam,
    AdamW,
    ClipByNorm,
    ClipByValue,
    RMSprop,
    cosine,
    linear,
    step_decay,
)

torch = pytest.importorskip("torch")
rates, clips = torch.optim.lr_scheduler, torch.nn.utils

STEPS, BOUND = 100, 1e-12  # relative to the largest weight
OPTIMIZERS = {
    "sgd": (lambda p, **k: SGD(p, 0.05, **k), lambda p: torch.optim.SGD(p, 0.05)),
    "momentum": (
        lambda p, **k: SGD(p, 0.05, momentum=0.9, weight_decay=0.02, **k),
        lambda p: torch.optim.SGD(p, 0.05, momentum=0.9, weight_decay=0.02),
    ),
    "nesterov": (
        lambda p, **k: SGD(p, 0.05, momentum=0.9, nesterov=True, **k),
        lambda p: torch.optim.SGD(p, 0.05, momentum=0.9, nesterov=True),
    ),
    "rmsprop": (lambda p, **k: RMSprop(p, 0.01, **k), lambda p: torch.optim.RMSprop(p, 0.01)),
    "adam": (
        lambda p, **k: Adam(p, 0.01, weight_decay=0.02, **k),
        lambda p: torch.optim.Adam(p, 0.01, weight_decay=0.02),
    ),
    "adamw": (
        lambda p, **k: AdamW(p, 0.01, weight_decay=0.02, **k),
        lambda p: torch.optim.AdamW(p, 0.01, weight_decay=0.02),
    ),
}
SETTINGS = {  # ours, and what does the same to an optimizer or to the weights of PyTorch
    "plain": ({}, {}),
    "step": ({"schedule": step_decay(30, 0.5)}, {"schedule": lambda o: rates.StepLR(o, 30, 0.5)}),
    "linear": (
        {"schedule": linear(60, 0.1)},
        {"schedule": lambda o: rates.LinearLR(o, 1, 0.1, 60)},
    ),
    "cosine": ({"schedule": cosine(100)}, {"schedule": lambda o: rates.CosineAnnealingLR(o, 100)}),
    "norm": ({"clip": ClipByNorm(1.5)}, {"clip": lambda p: clips.clip_grad_norm_(p, 1.5)}),
    "value": ({"clip": ClipByValue(0.8)}, {"clip": lambda p: clips.clip_grad_value_(p, 0.8)}),
}


def paths(make, theirs, ours, schedule=None, clip=None):
    """The weights of both after each of 100 steps on the same gradients."""
    start, rng = [1.5, -0.5, 3.0, 0.0], Random(0)
    mine = [Value(w) for w in start]
    others = [torch.tensor(w, dtype=torch.float64, requires_grad=True) for w in start]
    optimizer, other = make(mine, **ours), theirs(others)
    scheduler = schedule(other) if schedule else None
    for _ in range(STEPS):
        for w, o in zip(mine, others, strict=True):
            w.grad = rng.gauss(0.0, 2.0)
            o.grad = torch.tensor(w.grad, dtype=torch.float64)
        if clip:
            clip(others)
        optimizer.step()
        other.step()
        if scheduler:
            scheduler.step()
        yield [w.data for w in mine], [o.item() for o in others]


def assert_close(pairs):
    """Every step, to 1e-12 of the largest weight."""
    steps = 0
    for ours, theirs in pairs:
        bound = BOUND * max(map(abs, theirs))
        assert all(abs(a - b) <= bound for a, b in zip(ours, theirs, strict=True))
        steps += 1
    assert steps == STEPS


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_agree(name, settings):
    """All four weights at each step; PyTorch updates a scheduled rate by recurrence."""
    ours, theirs = SETTINGS[settings]

    assert_close(paths(*OPTIMIZERS[name], ours, **theirs))


def test_a_wrong_constant_is_noticed():
    """RMSprop with another smoothing leaves the bound at once, so the test above can fail."""
    pairs = paths(*OPTIMIZERS["rmsprop"], {"smoothing": 0.99 + 1e-9})

    with pytest.raises(AssertionError):
        assert_close(pairs)
