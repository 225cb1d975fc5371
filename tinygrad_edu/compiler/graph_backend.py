"""The graph itself as a target: for where a bug is switched on that no program would have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinygrad_edu.compiler.plan import Plan
from tinygrad_edu.compiler.python_backend import PythonBackend
from tinygrad_edu.compiler.tape import CONSTANT, INPUT
from tinygrad_edu.engine import Value
from tinygrad_edu.engine.functions import as_function


class GraphBackend(PythonBackend):
    """Runs a tape as graphs of Values, one for each row; each is built and walked anew."""

    def _emit(
        self, plan: Plan, lap: Callable[[str], None]
    ) -> tuple[str, Callable[..., Any], Callable[..., Any]]:
        return "", self._build, self._walk

    def _build(self, **stores: list[float]) -> None:
        """Build the graph of a row, and leave the number of each Value in its place."""
        self.nodes: list[Value] = []
        for slot, (op, kind) in enumerate(zip(self.tape.ops, self.tape.kinds, strict=True)):
            store, place = stores[kind.store], self.plan.place[slot]
            if op is not None:
                operands = [self.nodes[operand] for operand in self.tape.operands(slot)]
                node = as_function(op)(*operands)
                store[place] = node.data
            else:
                node = Value(store[place] if place >= 0 else 0.0)
                node.constant = kind is CONSTANT
            self.nodes.append(node)

    def _walk(self, **stores: list[float]) -> None:
        """Send the gradients of the results back, and leave those of the parameters in place."""
        for slot in (self.tape.root, self.tape.penalty):
            if slot >= 0 and self.tape.kinds[slot] not in (CONSTANT, INPUT):
                store = stores["d" + self.tape.kinds[slot].store]
                self.nodes[slot].backward(store[self.plan.place[slot]])
        for place, slot in enumerate(self.parameter_slots):
            stores["du"][place] = self.nodes[slot].grad
