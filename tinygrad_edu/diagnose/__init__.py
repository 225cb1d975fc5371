"""What goes wrong in training: named, measured and plotted."""

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
