"""Training: data, optimisers, schedules, the loop, its history and its checkpoints.

The estimators in scikit-learn's manner, ``MLPClassifier`` and ``MLPRegressor``, stand in
:mod:`tinygrad_edu.train.estimators`, which imports scikit-learn.
"""

import sys

from tinygrad_edu.compiled import predict
from tinygrad_edu.compiled.predict import Predictor
from tinygrad_edu.shared.moved import moved
from tinygrad_edu.train.data import Split, minibatches, one_hot, split, standardize
from tinygrad_edu.train.datasets import DATA_SETS, digits, load
from tinygrad_edu.train.history import History
from tinygrad_edu.train.loop import fit
from tinygrad_edu.train.measures import evaluate, gradient_sizes
from tinygrad_edu.train.optim import OPTIMIZERS, SGD, Adam, AdamW, Optimizer, RMSprop
from tinygrad_edu.train.resume import Checkpoint
from tinygrad_edu.train.schedules import (
    ClipByNorm,
    ClipByValue,
    ReduceLROnPlateau,
    cosine,
    cosine_restarts,
    linear,
    step_decay,
    warm_up,
)

sys.modules[f"{__name__}.predict"] = predict  # where estimators pickled by the first edition look
# these stood here in the first edition
__getattr__ = moved(
    __name__,
    collector_paused="tinygrad_edu.engine.collector",
    constant="tinygrad_edu.train.schedules",
    decision_boundary="tinygrad_edu.diagnose",
    gradient_flow="tinygrad_edu.diagnose",
    learning_rate_range="tinygrad_edu.diagnose",
    loss_surface="tinygrad_edu.diagnose",
)

__all__ = [
    "DATA_SETS",
    "OPTIMIZERS",
    "SGD",
    "Adam",
    "AdamW",
    "Checkpoint",
    "ClipByNorm",
    "ClipByValue",
    "History",
    "Optimizer",
    "Predictor",
    "RMSprop",
    "ReduceLROnPlateau",
    "Split",
    "cosine",
    "cosine_restarts",
    "digits",
    "evaluate",
    "fit",
    "gradient_sizes",
    "linear",
    "load",
    "minibatches",
    "one_hot",
    "split",
    "standardize",
    "step_decay",
    "warm_up",
]
