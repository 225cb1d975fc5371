"""Check derivatives of rows, functions and graphs against slopes measured from values alone."""

from tinygrad_edu.gradcheck.check import check_gradient, check_graph, check_rule
from tinygrad_edu.gradcheck.verdict import Report

__all__ = ["Report", "check_gradient", "check_graph", "check_rule"]
