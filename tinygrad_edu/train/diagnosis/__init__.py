"""What goes wrong in training: named, measured and plotted."""

from tinygrad_edu.train.diagnosis.boundary import decision_boundary
from tinygrad_edu.train.diagnosis.diagnose import GradientFlow, gradient_flow
from tinygrad_edu.train.diagnosis.landscape import LossSurface, loss_surface
from tinygrad_edu.train.diagnosis.learning_rates import LearningRateRange, learning_rate_range
from tinygrad_edu.train.diagnosis.report import diagnose_report

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
