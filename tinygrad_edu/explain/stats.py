"""``graph_stats``: how big is a graph, and what is it made of?"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from sys import getsizeof

from tinygrad_edu.engine import Value
from tinygrad_edu.explain.words import graph_of, name
from tinygrad_edu.shared.tables import html_table, text_table, whole


@dataclass(frozen=True, repr=False)
class Stats:
    """What :func:`graph_stats` counted.

    Attributes
    ----------
    root : Value
    values : int, how many nodes there are: parameters, constants and operations
    parameters : int, the leaves that keep a gradient, weights and inputs alike
    constants : int, the leaves that keep none
    operations : dict of int by name, the most frequent first
    edges : int, one for each operand: ``x * x`` has two
    depth : int, how many wires the longest way from the root to a leaf has
    shared : int, how many values are an operand more than once
    bytes : int, the sum of ``sys.getsizeof`` over each Value and the floats in its ``data`` and
        ``grad``; a shared float counts each time, labels and origins do not count
    """

    root: Value
    values: int
    parameters: int
    constants: int
    operations: dict[str, int]
    edges: int
    depth: int
    shared: int
    bytes: int

    @property
    def leaves(self) -> int:
        """Count parameters and constants."""
        return self.parameters + self.constants

    def __str__(self) -> str:
        return "\n".join([self._headline(), *text_table(self._rows(), "<>")])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return html_table(self._headline(), (), self._rows(), "<>")

    def _headline(self) -> str:
        return f"the graph of {name(self.root)}"

    def _rows(self) -> list[tuple[str, str]]:
        operations = [(f"    {op}", n) for op, n in self.operations.items()]
        rows = [
            ("values", self.values),
            ("  parameters", self.parameters),
            ("  constants", self.constants),
            ("  operations", sum(self.operations.values())),
            *operations,
            ("edges", self.edges),
            ("shared values", self.shared),
            ("depth", self.depth),
            ("bytes", self.bytes),
        ]
        return [(label, whole(n)) for label, n in rows]


def graph_stats(root: Value) -> Stats:
    """Count what root depends on, itself included.

    Parameters
    ----------
    root : Value, the loss or another result

    Returns
    -------
    Stats
        Prints as text, and as a table in a notebook.

    Examples
    --------
    >>> from tinygrad_edu import Value
    >>> from tinygrad_edu.explain import graph_stats
    >>> x = Value(3.0, "x")
    >>> stats = graph_stats(x * x + 2.0 * x)
    >>> stats.values, stats.edges, stats.depth, stats.operations
    (5, 6, 2, {'mul': 2, 'add': 1})
    """
    operations, uses = Counter[str](), dict[Value, int]()
    depths = dict[Value, int]()  # of operations: a leaf has 0
    order, edges, size, constants = graph_of(root, "graph_stats"), 0, 0, 0
    for node in order:
        size += getsizeof(node) + getsizeof(node.data) + getsizeof(node.grad)
        if node.op is None:
            constants += bool(node.constant)
            continue
        inputs = node.inputs
        operations[node.op.name] += 1
        edges += len(inputs)
        depths[node] = 1 + max([depths.get(v, 0) for v in inputs])
        for v in inputs:
            uses[v] = uses.get(v, 0) + 1
    made = len(depths)
    return Stats(
        root=root,
        values=len(order),
        parameters=len(order) - made - constants,
        constants=constants,
        operations=dict(operations.most_common()),
        edges=edges,
        depth=depths.get(root, 0),
        shared=sum(n > 1 for n in uses.values()),
        bytes=size,
    )
