"""Figures of computation graphs, with values and gradients on the wires, step by step."""

from tinygrad_edu.viz.drawing import Drawing, draw
from tinygrad_edu.viz.figure import Cluster, Figure, Line, Node, Step, Wire
from tinygrad_edu.viz.reading import Reading

__all__ = ["Cluster", "Drawing", "Figure", "Line", "Node", "Reading", "Step", "Wire", "draw"]
