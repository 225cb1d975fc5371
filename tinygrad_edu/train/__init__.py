"""Training: data, optimisers, the loop, and a report of what was reached."""

from tinygrad_edu.train.data import Split, digits, minibatches
from tinygrad_edu.train.history import History
from tinygrad_edu.train.loop import collector_paused, fit
from tinygrad_edu.train.optim import OPTIMIZERS, SGD, Adam, AdamW, Optimizer, RMSprop
from tinygrad_edu.train.runners import evaluate, gradient_sizes
from tinygrad_edu.train.schedules import (
    ClipByNorm,
    ClipByValue,
    constant,
    cosine,
    linear,
    step_decay,
    warm_up,
)

__all__ = [
    "OPTIMIZERS",
    "SGD",
    "Adam",
    "AdamW",
    "ClipByNorm",
    "ClipByValue",
    "History",
    "Optimizer",
    "RMSprop",
    "Split",
    "collector_paused",
    "constant",
    "cosine",
    "digits",
    "evaluate",
    "fit",
    "gradient_sizes",
    "linear",
    "minibatches",
    "step_decay",
    "warm_up",
]
