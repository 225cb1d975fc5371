"""A scalar autograd engine that a learner reads in ten minutes: start with ``engine.py``."""

from tinygrad_edu.anomaly import detect_anomaly
from tinygrad_edu.compiler import compile_graph
from tinygrad_edu.engine import Value, topological_order
from tinygrad_edu.errors import TinygradEduError
from tinygrad_edu.explain import explain, graph_stats, trace_nonfinite
from tinygrad_edu.functions import (
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
    tanh,
)
from tinygrad_edu.gradcheck import check_gradient, check_graph, check_rule
from tinygrad_edu.ops import primitive
from tinygrad_edu.transforms import grad, value_and_grad
from tinygrad_edu.viz import draw

__version__ = "0.1.0"

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
    "tanh",
    "topological_order",
    "trace_nonfinite",
    "value_and_grad",
]
