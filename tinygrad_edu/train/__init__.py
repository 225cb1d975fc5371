"""Training: data, optimisers, the loop, and a report of what was reached."""

from tinygrad_edu.train.data import Split, digits, minibatches
from tinygrad_edu.train.loop import History, collector_paused, evaluate, fit, gradient_sizes
from tinygrad_edu.train.optim import SGD, Adam, Optimizer

__all__ = [
    "SGD",
    "Adam",
    "History",
    "Optimizer",
    "Split",
    "collector_paused",
    "digits",
    "evaluate",
    "fit",
    "gradient_sizes",
    "minibatches",
]
