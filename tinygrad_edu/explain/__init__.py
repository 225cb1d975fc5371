"""Why is this gradient what it is, where was a nan born, and how big is this graph?"""

from tinygrad_edu.explain.nonfinite import Trace, trace_nonfinite
from tinygrad_edu.explain.paths import Explanation, Path, explain
from tinygrad_edu.explain.stats import Stats, graph_stats

__all__ = ["Explanation", "Path", "Stats", "Trace", "explain", "graph_stats", "trace_nonfinite"]
