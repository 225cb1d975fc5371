"""The oracle of every target: an interpreter of loops, number by number, on plain lists."""

import math
import operator
from itertools import product

from tinygrad_edu.compiler.adjoint import gradient
from tinygrad_edu.compiler.plan import plan, plan_of_numbers
from tinygrad_edu.compiler.program import PASSES
from tinygrad_edu.compiler.record import record
from tinygrad_edu.compiler.sums import gather_sums
from tinygrad_edu.engine import ieee
from tinygrad_edu.engine.symbols import Expression

FUNCTIONS = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "true_divide": operator.truediv,
    "negative": operator.neg,
    "less": operator.lt,
    "less_equal": operator.le,
    "greater": operator.gt,
    "greater_equal": operator.ge,
    "equal": operator.eq,
    "not_equal": operator.ne,
    "logical_and": lambda x, y: x and y,
    "logical_or": lambda x, y: x or y,
}
OVER = {
    "sum": sum,
    "max": max,
    "logsumexp": lambda some: ieee.log(math.fsum(map(ieee.exp, some))),
}


class Stores(dict):
    """Numbers by store, place and row; stores without rows have them under the row 0."""

    def __init__(self, plan, parameters, constants, rows=()):
        super().__init__()
        self.rows = range(max(len(rows), 1))
        self.update({("u", place, 0): x for place, x in enumerate([*parameters, *constants])})
        self.update({("i", j, row): x for row, xs in enumerate(rows) for j, x in enumerate(xs)})
        self.plan = plan

    def of(self, slot, row=0, kind=""):
        """What a slot holds in a row; with the kind "d" its gradient."""
        return self.get((kind + self.plan.kinds[slot].store, self.plan.place[slot], row), 0.0)

    def __missing__(self, where):
        """A gradient that no loop writes is 0, as the buffers of every target are at the start."""
        if where[0].startswith("d"):
            return 0.0
        raise KeyError(where)

    def run(self, loops):
        """Run each loop: for all its turns, and all rows, add up what belongs to one place."""
        for loop in loops:
            turns = [
                dict(zip(loop.axes, at, strict=True))
                for at in product(*map(range, loop.axes.values()))
            ]
            terms = {}
            for turn, row in product(turns, self.rows if loop.rows else (0,)):
                of = {
                    name: self[key(ref, turn, row, loop.axes)] for name, ref in loop.reads.items()
                }
                terms.setdefault(key(loop.out, turn, row, loop.axes), []).append(
                    value(loop.body, of)
                )
            for where, some in terms.items():
                new = OVER[loop.over](some)
                self[where] = self.get(where, 0.0) + new if loop.accumulate else new


def key(ref, turn, row, lengths):
    """Where a reference leads in one turn of its loop."""
    place, entry = ref.offset, 0
    for axis, step in zip(ref.axes, ref.steps, strict=True):
        if step is None:
            entry = entry * lengths[axis] + turn[axis]
        else:
            place += turn[axis] * step
    place += ref.table[entry] if ref.table else 0
    return ref.store, place, row if ref.per_row else 0


def value(atom, of):
    """Compute an expression of numbers."""
    if not isinstance(atom, Expression):
        return atom
    if not atom.arguments:
        return of[atom.function]
    function = FUNCTIONS.get(atom.function) or getattr(ieee, atom.function)
    return function(*[value(argument, of) for argument in atom.arguments])


def interpreted(root, inputs=(), rows=(), reduce="mean", single=False):
    """Loss and gradients by Value, from the lists of loops of both passes."""
    tape, order = record(root, inputs)
    for change in PASSES:
        tape = change(tape)
    planned = plan_of_numbers(tape) if single else plan(tape, *gather_sums(tape))
    numbers = [
        [tape.data[slot] for slot in slots] for slots in (planned.parameters, planned.constants)
    ]
    stores = Stores(planned, *numbers, rows)
    stores.run(planned.forward)
    count = len(stores.rows)
    batched = planned.kinds[tape.root].per_row
    seed = 1.0 / count if reduce == "mean" and batched else 1.0
    losses = [stores.of(tape.root, row if batched else 0) for row in stores.rows]
    loss = math.fsum(losses) * seed if batched else losses[0]
    for slot in planned.results:
        for row in stores.rows if planned.kinds[slot].per_row else (0,):
            stores["d" + planned.kinds[slot].store, planned.place[slot], row] = (
                seed if slot == tape.root else 1.0
            )
    if tape.penalty >= 0:
        loss += stores.of(tape.penalty)
    stores.run(gradient(planned))
    slopes = {
        order[tape.recorded[slot]]: stores.get(("du", place, 0), 0.0)
        for place, slot in enumerate(planned.parameters)
    }
    return loss, slopes
