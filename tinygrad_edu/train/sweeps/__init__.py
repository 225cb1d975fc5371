"""Hyper-parameter search: a trial for each choice of settings, in a table that survives."""

from tinygrad_edu.train.sweeps.run import sweep
from tinygrad_edu.train.sweeps.store import SweepResults, Trial, read_sweep

__all__ = ["SweepResults", "Trial", "read_sweep", "sweep"]
