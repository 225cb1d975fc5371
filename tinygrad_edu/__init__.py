"""A scalar autograd engine that a learner reads in ten minutes: start with ``engine/``."""

import sys

from tinygrad_edu import engine
from tinygrad_edu.compiler import compile_graph
from tinygrad_edu.engine import Value, topological_order
from tinygrad_edu.engine.anomaly import detect_anomaly
from tinygrad_edu.engine.errors import TinygradEduError
from tinygrad_edu.engine.functions import (
    abs,
    as_function,
    cos,
    exp,
    log,
    maximum,
    minimum,
    relu,
    sigmoid,
    sin,
    softplus,
    sqrt,
    stop_gradient,
    tanh,
)
from tinygrad_edu.engine.ops import primitive
from tinygrad_edu.explain import explain, graph_stats, trace_nonfinite
from tinygrad_edu.gradcheck import check_gradient, check_graph, check_rule
from tinygrad_edu.shared.moved import moved
from tinygrad_edu.transforms import grad, value_and_grad
from tinygrad_edu.viz import draw

__version__ = "0.1.0"

# rooms that are loaded when they are first asked for: te.nn after ``import tinygrad_edu as te``
_ROOMS = ("compiled", "course", "diagnose", "experiments", "nn", "train")
__getattr__ = moved(__name__, **{room: f"{__name__}.{room}" for room in _ROOMS})

# where these stood in the first edition, also for what was pickled then
for _name in ("anomaly", "copying", "errors", "functions", "ieee", "ops", "symbols"):
    sys.modules[f"{__name__}.{_name}"] = globals()[_name] = getattr(engine, _name)

__all__ = [
    "TinygradEduError",
    "Value",
    "abs",
    "as_function",
    "check_gradient",
    "check_graph",
    "check_rule",
    "compile_graph",
    "cos",
    "detect_anomaly",
    "draw",
    "exp",
    "explain",
    "grad",
    "graph_stats",
    "log",
    "maximum",
    "minimum",
    "primitive",
    "relu",
    "sigmoid",
    "sin",
    "softplus",
    "sqrt",
    "stop_gradient",
    "tanh",
    "topological_order",
    "trace_nonfinite",
    "value_and_grad",
]
