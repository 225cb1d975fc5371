"""Figures of computation graphs, with values and gradients on the wires."""

from tinygrad_edu.viz.dot import circuit
from tinygrad_edu.viz.figure import Box, Figure, Wire, figure_of
from tinygrad_edu.viz.text import tree

__all__ = ["Box", "Figure", "Wire", "circuit", "figure_of", "tree"]
