"""Training runs described by settings, and their reports.

``tinygrad-edu train`` and ``diagnose`` carry out an :class:`Experiment` with the settings of the
command line, ``tinygrad-edu demo`` one with settings of its own.
"""

from tinygrad_edu.experiments.experiment import Experiment, run
from tinygrad_edu.experiments.trained import trained

__all__ = ["Experiment", "run", "trained"]
