"""The graph itself as a target: for where a bug is switched on that no program would have."""

from __future__ import annotations

from collections.abc import Callable

from tinygrad_edu.compiler.python_backend import PythonBackend
from tinygrad_edu.compiler.tape import CONSTANT, INPUT
from tinygrad_edu.engine import Value
from tinygrad_edu.engine.functions import as_function


class GraphBackend(PythonBackend):
    """Runs a tape as graphs of Values, one for each row; each is built and walked anew."""

    def _emit(self, lap: Callable[[str], None]) -> str:
        return ""

    def forward(self) -> None:
        """Build the graph of a row, and leave the number of each Value in its place."""
        self.nodes: list[Value] = []
        for slot, (op, kind) in enumerate(zip(self.tape.ops, self.tape.kinds, strict=True)):
            store, place = self.stores[kind.store], self.plan.place[slot]
            if op is not None:
                operands = [self.nodes[operand] for operand in self.tape.operands(slot)]
                node = as_function(op)(*operands)
                store[place] = node.data
            else:
                node = Value(store[place] if place >= 0 else 0.0)
                node.constant = kind is CONSTANT
            self.nodes.append(node)

    def backward(self) -> None:
        """Send the gradients of the results back, and leave those of the parameters in place."""
        for slot in (self.tape.root, self.tape.penalty):
            if slot >= 0 and self.tape.kinds[slot] not in (CONSTANT, INPUT):
                store = self.stores["d" + self.tape.kinds[slot].store]
                self.nodes[slot].backward(store[self.plan.place[slot]])
        for place, slot in enumerate(self.plan.parameters):
            self.stores["du"][place] = self.nodes[slot].grad
