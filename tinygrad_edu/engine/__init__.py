"""The engine. To know how it works, read three files, in this order:

``ops.py`` is the table: what each operation computes, and its local derivatives.
``value.py`` has Value, a number that remembers which row of the table made it, and from what.
``walk.py`` has the two walks over a graph: inputs before results, and the chain rule, back.

The other files change no number. They guard, copy, name and watch what these three do.
"""

from tinygrad_edu.engine.value import Operand, Value, operand, set_numbers
from tinygrad_edu.engine.walk import topological_order

__all__ = [
    "Operand",
    "Value",
    "operand",
    "set_numbers",
    "topological_order",
]
