"""The graph itself as a target: for where a bug is switched on that no program would have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinygrad_edu.compiler.python_backend import PythonBackend
from tinygrad_edu.compiler.tape import CONSTANT, Tape
from tinygrad_edu.engine import Value
from tinygrad_edu.engine.functions import as_function


class GraphBackend(PythonBackend):
    """Runs a tape as graphs of Values, one for each row; each is built and walked anew."""

    def _emit(
        self, tape: Tape, lap: Callable[[str], None]
    ) -> tuple[str, Callable[..., Any], Callable[..., Any]]:
        return "", self._build, self._walk

    def _build(self, v: list[float], g: list[float]) -> None:
        """Build the graph of a row, and leave the number of each Value in its slot."""
        self.nodes: list[Value] = []
        for slot, op in enumerate(self.tape.ops):
            if op is not None:
                node = as_function(op)(
                    *[self.nodes[operand] for operand in self.tape.operands(slot)]
                )
            else:
                node = Value(v[slot])
                node.constant = self.tape.kinds[slot] is CONSTANT
            self.nodes.append(node)
            v[slot] = node.data

    def _walk(self, v: list[float], g: list[float]) -> None:
        """Send the gradients of the results back, and leave those of the parameters in place."""
        for slot in (self.tape.root, self.tape.penalty):
            if slot >= 0 and self.tape.kinds[slot] is not CONSTANT:
                self.nodes[slot].backward(g[slot])
        for slot in self.parameter_slots:
            g[slot] = self.nodes[slot].grad
