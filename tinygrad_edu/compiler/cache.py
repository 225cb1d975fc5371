"""Programs for graphs that are built alike, as minibatch after minibatch is."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from tinygrad_edu.compiler.program import Program, compile_graph, signature
from tinygrad_edu.compiler.record import record
from tinygrad_edu.engine import Value


class ProgramCache:
    """Compiles a graph the first time, and reuses the program for graphs built alike.

    Examples
    --------
    >>> from tinygrad_edu import Value
    >>> from tinygrad_edu.compiler import ProgramCache
    >>> programs = ProgramCache()
    >>> w = Value(2.0)
    >>> for x in (1.0, 3.0):  # two graphs, one program
    ...     program = programs((w * x - 1.0) ** 2)
    ...     _ = program.backward()
    >>> program.loss, len(programs.known)
    (25.0, 1)
    """

    def __init__(self, **settings: Any) -> None:
        self.settings = settings
        self.known: dict[int, Program] = {}

    def __call__(self, root: Value, inputs: Sequence[Value] = ()) -> Program:
        """The program for this graph, bound to its Values; a new structure warns once."""
        recorded, order = record(root, inputs)
        key = signature(recorded)
        if key in self.known:
            self.known[key].serve(recorded, order)
        else:
            if len(self.known) == 1:
                warnings.warn(
                    "a graph of another structure was compiled anew; this is said once.",
                    stacklevel=2,
                )
            self.known[key] = compile_graph(root, inputs, **self.settings)
        return self.known[key]
