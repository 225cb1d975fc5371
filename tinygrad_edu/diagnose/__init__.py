"""What goes wrong in training: named, measured and plotted.

Every function here leaves the model, its gradients, the optimizer and all random generators as they
are. What can't be used is refused by name before any work, with a LengthError or a SettingError; a
picture without Matplotlib is refused with a MissingExtraError. These parameters are the same in all
of the functions:

- ``model``, ``loss``, ``X``, ``y``: as for :func:`tinygrad_edu.train.fit`;
- ``optimizer``: takes the steps by its own formula, from its own state; the default is plain SGD;
- ``samples``: at most so many samples are run, evenly spread over ``X``;
- ``rng``: the random.Random that makes every draw; the default is ``Random(0)``;
- ``compiled``: True for matrices, False for graphs of Values, "auto" for matrices where possible;
- ``ax``: the Axes to draw on; the default is those of a new Figure.
"""

from tinygrad_edu.diagnose.boundary import decision_boundary
from tinygrad_edu.diagnose.flow import GradientFlow, gradient_flow
from tinygrad_edu.diagnose.landscape import LossSurface, loss_surface
from tinygrad_edu.diagnose.learning_rates import LearningRateRange, learning_rate_range
from tinygrad_edu.diagnose.report import diagnose_report

__all__ = [
    "GradientFlow",
    "LearningRateRange",
    "LossSurface",
    "decision_boundary",
    "diagnose_report",
    "gradient_flow",
    "learning_rate_range",
    "loss_surface",
]
