"""Stage 6, for the reader: loops become equations of matrices.

Every number of a program belongs to an array with a name and a shape. What a loop reads is such an
array, its transpose, or numbers collected from arrays by a table; what it computes is a product of
matrices, a sum over an axis, or one operation on all numbers. ``simplify`` then writes what
was found as people do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from tinygrad_edu.compiler.algebra import substituted
from tinygrad_edu.compiler.arrays import Array, Arrays, Pattern, common_name, stems_of
from tinygrad_edu.compiler.equations import Equation, Equations, Table
from tinygrad_edu.compiler.loops import PER_ROW, ROWS, Loop, apply
from tinygrad_edu.compiler.matrices import as_text
from tinygrad_edu.compiler.plan import Plan
from tinygrad_edu.compiler.simplify import simplified
from tinygrad_edu.compiler.tape import Kind, Tape
from tinygrad_edu.compiler.views import Operand, View, operand_of, rearranged, together
from tinygrad_edu.engine.ops import ADD
from tinygrad_edu.engine.symbols import Atom, Expression, name_of, variable

FEW = 8  # so many arrays that a loop reads side by side are written as equations of their own
SHORT = 4  # so many numbers with names of their own keep them


def equations_of(
    tape: Tape,
    plan: Plan,
    gradient: Iterable[Loop],
    parameters: Sequence[float],
    constants: Sequence[float],
    texts: Sequence[tuple[str, str]],
    reduce: str,
) -> Equations:
    """Write the equations of a plan and of its gradient.

    Parameters
    ----------
    parameters, constants : their numbers
    texts : of each recorded Value the label, and the path of the module that computed it, or ""
    reduce : "mean" or "sum" of the rows' losses
    """
    notation = _Notation(tape, plan, constants, texts, reduce)
    for loop in plan.forward:  # a weight has the shape of the product that it is a factor of
        if max(len(ref.axes) for ref in (*loop.reads.values(), loop.out)) > 1:
            for view in notation.by_modules(notation.view(loop)):
                notation.name_leaves(view)
    for view in notation.views(plan.forward):
        notation.add_forward(view)
    notation.add_result()
    for view in notation.views(replace(loop, accumulate=True) for loop in gradient):
        notation.add_gradient(view)
    return simplified(notation.equations(parameters))


class _Notation:
    """Names arrays as they come, and writes an equation for each loop."""

    def __init__(
        self,
        tape: Tape,
        plan: Plan,
        constants: Sequence[float],
        texts: Sequence[tuple[str, str]],
        reduce: str,
    ) -> None:
        self.plan, self.constants = plan, constants
        self.tape, self.texts = tape, texts
        self.arrays = Arrays()
        self.forward: list[Equation] = []
        self.backward: list[Equation] = []
        self.tables: dict[object, Table] = {}
        self.same_constants: dict[tuple[float, ...], Operand] = {}
        self.slots = {
            (kind.store, place): slot
            for slot, (kind, place) in enumerate(zip(plan.kinds, plan.place, strict=True))
            if place >= 0
        }
        self.results = [
            (plan.kinds[slot].store, plan.place[slot])
            for slot in (tape.root, tape.penalty)
            if slot >= 0
        ]
        self.line_of = _lines_of(plan)
        self.reduce = reduce

    # which numbers

    def is_parameter(self, store: str, place: int) -> bool:
        return store == "u" and place < len(self.plan.parameters)

    def is_constant(self, store: str, place: int) -> bool:
        return store == "u" and 0 <= place - len(self.plan.parameters) < len(self.plan.constants)

    def is_leaf(self, store: str, place: int) -> bool:
        return store == "i" or self.is_parameter(store, place) or self.is_constant(store, place)

    def kind(self, store: str, place: int) -> Kind:
        """Return what a place holds."""
        return self.plan.kinds[self.slots[store[-1], place]]

    def number(self, operand: Operand) -> float | None:
        """Return the number that all constants of an operand are, if they are one."""
        first = len(self.plan.parameters)
        if not all(self.is_constant(operand.store, place) for place in operand.places):
            return None
        texts = {repr(self.constants[place - first]) for place in operand.places}
        return float(texts.pop()) if len(texts) == 1 else None

    def label(self, slot: int) -> str:
        """Return the label that the learner gave to the Value of a slot."""
        recorded = self.tape.recorded[slot] if slot < len(self.tape) else -1
        label = self.texts[recorded][0] if recorded >= 0 else ""
        return label.replace("#", "").lstrip("Δ∂")  # which mean something in names of ours

    def module(self, slot: int) -> str:
        """Return the path of the layer or module that computed a slot."""
        recorded = self.tape.recorded[slot] if slot < len(self.tape) else -1
        path = self.texts[recorded][1] if recorded >= 0 else ""
        return re.sub(r"(^|/)neuron\d+$", "", path)

    # loops as views

    def views(self, loops: Iterable[Loop]) -> Iterator[View]:
        """Take loops apart, until each part reads and writes whole arrays where it can."""
        # a loop that reads nothing sets what is added to later to 0, where every gradient begins
        terms = (term for loop in loops if loop.reads for term in _terms(loop))
        for view in together(map(self.view, terms), self.kind):
            out = view.out
            if not view.accumulate and len({*out.places}) < len(out.places):
                self.name_computed(view)  # as a whole: each part adds some terms of its sums
                view = replace(view, accumulate=True)
            for one in self.by_modules(view):
                self.name_leaves(one)
                yield from self.by_arrays(one)

    def view(self, loop: Loop) -> View:
        """Write out the places of a loop."""
        reads = {name: operand_of(ref, loop) for name, ref in loop.reads.items()}
        out = operand_of(loop.out, loop)
        view = View(loop, dict(loop.axes), out, reads, loop.accumulate)
        return self.without_constants(view.without_repeats())

    def by_modules(self, view: View) -> list[View]:
        """Take products apart that only lie side by side: a few, or those of different modules."""
        product = len(view.reads) == 2 and bool(view.summed)
        if not (product or view.loop.row is None) or view.out.store[0] == "d":
            return [view]
        if view.axes.get("m", FEW + 1) <= FEW and {"r", "c"} & view.axes.keys():
            turns = range(view.axes["m"])
            parts = [view.part("m", [turn], accumulate=view.accumulate) for turn in turns]
            return [part for one in parts for part in self.by_modules(one)]
        for axis in view.out.axes:
            of: dict[str, list[int]] = {}
            for turn in range(view.axes[axis]):
                place = view.out.at(axis, [turn], view.axes).places[0]
                of.setdefault(self.module(self.slots[view.out.store, place]), []).append(turn)
            if 1 < len(of) <= FEW:
                return [view.part(axis, some, accumulate=view.accumulate) for some in of.values()]
        return [view]

    def by_arrays(self, view: View) -> Iterator[View]:
        """Take a view apart along an axis on which what it reads goes from array to array."""
        operands = [*view.reads.values(), view.out]
        for axis, length in view.axes.items():
            turns: dict[tuple[object, ...], list[int]] = {}
            for turn in range(length):
                owners = tuple(
                    owner
                    for operand in operands
                    if axis in operand.axes
                    for owner in self.owners(operand.at(axis, [turn], view.axes))
                )
                turns.setdefault(owners, []).append(turn)
                if len(turns) > FEW:
                    break
            if not 1 < len(turns) <= FEW:
                continue
            if axis not in view.out.axes and view.over != "sum":
                continue
            accumulate = view.accumulate
            for kept in turns.values():
                yield from self.by_arrays(view.part(axis, kept, accumulate=accumulate))
                accumulate = accumulate or axis not in view.out.axes
            return
        yield self.in_shape(self.in_order(self.without_constants(view)))

    def without_constants(self, view: View) -> View:
        """Let constants that are one number have no axes."""
        reads = {
            name: read if self.number(read) is None else Operand(read.store, (), read.places[:1])
            for name, read in view.reads.items()
        }
        return replace(view, reads=reads)

    def in_order(self, view: View) -> View:
        """Take the turns of an axis in an order in which as many operands as can be are whole."""
        best, fewest = view, self.scattered(view)
        for axis in view.axes:
            for lead in (view.out, *view.reads.values()) if fewest else ():
                store = lead.store[-1]
                if not self.arrays.known(store, lead.places):
                    continue
                order = [at for _, at in self.arrays.of(store, lead.places)]
                other = view.sorted_by(lead, order, axis)
                if other is not None and (count := self.scattered(other)) < fewest:
                    best, fewest = other, count
        return best

    def scattered(self, view: View) -> int:
        """Count the operands that no arrangement of an array describes."""
        count = 0
        for operand in (*view.reads.values(), view.out):
            store = operand.store[-1]
            if operand.axes and self.arrays.known(store, operand.places):
                pairs = self.arrays.of(store, operand.places)
                alone = len({id(array) for array, _ in pairs}) == 1
                order = [at for _, at in pairs]
                count += not alone or not (
                    order == [*range(len(pairs[0][0].places))]
                    or pairs[0][0].pattern(operand.axes, view.axes, order)
                )
        return count

    def owners(self, operand: Operand) -> list[object]:
        """List the arrays of an operand, each once; nothing for what is not computed yet."""
        at = self.arrays.at
        store = operand.store[-1]
        found = (at.get((store, place)) for place in operand.places)
        return [*dict.fromkeys(id(pair[0]) if pair else None for pair in found)]

    def in_shape(self, view: View) -> View:
        """Let one axis along all of a matrix become the axes of that matrix."""
        for operand in [*view.reads.values(), view.out]:
            places, store = operand.places, operand.store[-1]
            if len(operand.axes) != 1 or not self.arrays.known(store, places):
                continue
            array = self.arrays.at[store, places[0]][0]
            lengths = [n for n in array.shape if n > 1]
            if len(lengths) > 1 and array.places == places:
                (axis,) = operand.axes
                return view.reshaped(axis, {f"{axis}{i}": n for i, n in enumerate(lengths)})
        return view

    # names

    def name_leaves(self, view: View) -> None:
        """Make arrays of the parameters, constants and inputs that are read for the first time."""
        for name, operand in view.reads.items():
            store = operand.store
            new = [
                place
                for place in dict.fromkeys(operand.places)
                if (store, place) not in self.arrays.at and self.is_leaf(store, place)
            ]
            if not new or self.number(operand) is not None:
                continue
            if self.is_constant(store, new[0]) and self.again(operand):
                continue
            labels = [self.label(self.slots[store, place]) for place in new]
            if 1 < len(new) <= SHORT and all(labels) and not common_name(labels):
                for place, label in zip(new, labels, strict=True):
                    self.arrays.define(label, store, [place], _shape([], store, column=False))
                continue
            width = view.axes[operand.axes[-1]] if len(operand.axes) == 2 else len(new)
            stems = stems_of(labels, width)
            if 1 < len(set(stems)) <= FEW:  # such as Wq above Wk
                for stem in dict.fromkeys(stems):
                    some = [place for place, own in zip(new, stems, strict=True) if own == stem]
                    whole = len(some) % width == 0 and len(operand.axes) == 2
                    lengths = [len(some) // width, width] if whole else [len(some)]
                    self.arrays.define(stem, store, some, _shape(lengths, store, column=False))
                continue
            stem = common_name(labels)
            if not stem or (stem in "wbx" and (len(new) > 1 or "W1" in self.arrays.taken)):
                stem = self.letter(view, name, new[0], stem)
            lengths = [view.axes[axis] for axis in operand.axes]
            if len(new) < len(operand.places):
                lengths = [len(new)]
            shape = _shape(lengths, store, column=operand.axes == ("c",) and store not in PER_ROW)
            if len(new) == len(operand.places):
                shape = [*self.shape_along(view, operand)] or shape
            self.arrays.define(stem, store, new, shape)

    def again(self, operand: Operand) -> bool:
        """Find constants that are the same numbers as others that have a name already."""
        first = len(self.plan.parameters)
        numbers = tuple(self.constants[place - first] for place in operand.places)
        known = self.same_constants.setdefault(numbers, operand)
        if known is operand or known.store != operand.store:
            return False
        for place, like in zip(operand.places, known.places, strict=True):
            self.arrays.at[operand.store, place] = self.arrays.at[operand.store, like]
        return True

    def letter(self, view: View, name: str, place: int, stem: str) -> str:
        """Choose the letter of what has no label, or the label of a weight, bias or input."""
        store = view.reads[name].store
        product = len(view.reads) == 2 and bool(view.summed)
        left = product and name == "x0"
        partner = view.reads["x1" if name == "x0" else "x0"] if product else None
        weighted = partner is not None and self.is_parameter(partner.store, partner.places[0])
        if store == "i":
            return "X" if weighted or "X" not in self.arrays.taken else "T"
        if self.is_constant(store, place):
            return "X" if weighted else "T" if product else "C#"
        if product:
            return "W#" if left else "X"
        return "b#" if stem == "b" or (view.loop.row is None and not stem) else stem or "v#"

    def shape_along(self, view: View, one: Operand) -> tuple[int, ...]:
        """Return the shape of an array that is read along the same axis alone; () for none."""
        axes, per_row = one.axes, one.store in PER_ROW
        for operand in view.reads.values() if len(axes) == 1 else ():
            if operand.axes == axes and self.arrays.known(operand.store[-1], operand.places):
                array = self.arrays.at[operand.store[-1], operand.places[0]][0]
                if array.places == operand.places and array.per_row == per_row:
                    return array.shape
        return ()

    def name_computed(self, view: View) -> None:
        """Make an array of what a loop computes."""
        operand = view.out
        lengths = [view.axes[axis] for axis in operand.axes]
        places = [*dict.fromkeys(operand.places)]
        if len(places) < len(operand.places):
            lengths = [len(places)]
        column = (bool(view.summed) and operand.axes == ("j",)) or (
            operand.axes == ("c",) and operand.store not in PER_ROW
        )
        name = common_name(
            [self.label(self.slots[operand.store, place]) for place in operand.places]
        )
        if not name:
            product = len(view.reads) == 2 and bool(view.summed) and len(operand.axes) > 0
            name = "A#" if product else "s#" if view.summed else "Z#"
        shape = _shape(lengths, operand.store, column=column)
        if len(places) == len(operand.places):
            shape = [*self.shape_along(view, operand)] or shape
        if len(lengths) == 2 and self.is_turned(view):
            places = rearranged(places, operand.axes, operand.axes[::-1], view.axes)
            shape = shape[::-1]
        self.arrays.define(name, operand.store, places, shape)

    def is_turned(self, view: View) -> bool:
        """Check whether the transpose of a matrix would better be the matrix.

        It would where a softmax, as an attention's, is taken of each column and not of each row, or
        where fewer transposes are to be written.
        """
        operand = view.out
        first, second = ([*axes] for axes in (operand.axes, operand.axes[::-1]))
        width = view.axes[operand.axes[1]]
        lines = [self.line_of.get((operand.store, place)) for place in operand.places]
        if None not in lines:
            rows = (lines[at : at + width] for at in range(0, len(lines), width))
            columns = (lines[at::width] for at in range(width))
            together = [all(len(set(some)) == 1 for some in way) for way in (rows, columns)]
            if together[0] != together[1]:
                return together[1]
        rows_of_data = [ROWS] * (operand.store in PER_ROW)
        counts = [
            as_text(self.formula(view, [*rows_of_data, *pattern])).count("ᵀ")
            for pattern in (first, second)
        ]
        return counts[1] < counts[0]

    # equations

    def add_forward(self, view: View) -> None:
        """Write what a loop computes; of a sum that goes on, the new terms."""
        if not view.accumulate:
            self.name_computed(view)
        self.forward.append(self.equation(view, "", view.accumulate))

    def add_gradient(self, view: View) -> None:
        """Write what a loop adds to the gradients of what a loop before it read."""
        store, places = view.out.store[-1], view.out.places
        given = any((store, place) in self.results for place in places)
        if given and not self.is_parameter(store, places[0]):
            return
        prefix = "∂L/∂" if self.is_parameter(store, places[0]) else "Δ"
        self.backward.append(self.equation(view, prefix, True))

    def equation(self, view: View, prefix: str, accumulate: bool) -> Equation:
        """Write an equation, for a whole array if it is one, else for a part of arrays."""
        out, table = view.out, None
        pairs = self.arrays.of(out.store[-1], out.places)
        arrays = [*dict.fromkeys(array for array, _ in pairs)]
        pattern: Pattern = []
        if len(arrays) == 1:
            pattern = arrays[0].pattern(out.axes, view.axes, [at for _, at in pairs])
        if not pattern:
            pattern = [*out.all_axes]
            while len(pattern) < 2:
                pattern.insert(0, None)
            table = self.table(out, pattern, view.axes, arrays)
        formula = self.formula(view, pattern)
        names = tuple(prefix + array.name for array in arrays)
        return Equation(names, table, formula, accumulate, arrays[0].size)

    def formula(self, view: View, pattern: Pattern) -> Atom:
        """Write what is computed, in the order of the dimensions of its result."""
        body, negative = view.loop.body, False
        if isinstance(body, Expression) and body.function == "negative":
            (body,), negative = body.arguments, True
        found: Atom | None = None
        if view.over == "sum" and view.summed:
            found = self.product(view, body, pattern)
        if found is None:
            found = self.elementwise(view, body, pattern)
        there = {axis for read in view.reads.values() for axis in read.all_axes}
        own = view.out.all_axes
        for axis, length in view.axes.items():
            if axis not in there and axis not in own and view.over == "sum":
                found = Expression("multiply", (float(length), found))
        return Expression("negative", (found,)) if negative else found

    def elementwise(self, view: View, body: Atom, pattern: Pattern) -> Atom:
        """Write one operation on all numbers, and the sum over axes that the result lacks."""
        frame = [*pattern]
        added = 0  # axes that the result does not even have a length of 1 for
        for axis in reversed(view.summed):
            free = [at for at, other in enumerate(frame) if other is None]
            if free:
                ahead = axis == ROWS or (axis == "c" and ROWS not in view.summed)  # rows come first
                frame[free[0 if ahead else -1]] = axis
            else:
                added += 1
                frame.insert(frame[:1] == [ROWS], axis)
        of = {name: self.aligned(read, frame, view.axes) for name, read in view.reads.items()}
        found = substituted(body, of)
        if not view.summed:
            return found
        where = sorted(frame.index(axis) - len(frame) for axis in view.summed)
        first = frame[:1] == [ROWS] and ROWS not in view.summed
        gone = range(first - len(frame), first - len(frame) + added)
        kept = [at for at in where if at not in gone or view.over != "sum"]
        if kept:
            whole = len(view.summed) == len([axis for axis in frame if axis is not None])
            all_of_it = whole and len(frame) == 2 and view.over == "sum"
            axes = () if all_of_it else tuple(map(float, kept))
            found = Expression(view.over, (found, *axes))
        if added:
            found = Expression("total", (found, *map(float, gone)))
        return found

    def product(self, view: View, body: Atom, pattern: Pattern) -> Atom | None:
        """Write a product of matrices, if it is one."""
        if not isinstance(body, Expression) or body.function != "multiply":
            return None
        names = [name for name in map(name_of, body.arguments) if name]
        if len(names) != 2:
            return None
        left, right = (view.reads[name] for name in names)
        if len(pattern) < 2 or self.is_given(left) or self.is_given(right):
            return None
        row, column = pattern[-2:]
        if row is None and column is None:
            return None
        if (row is not None and row in right.all_axes) or (
            column is not None and column in left.all_axes
        ):
            left, right = right, left
        of_left, of_right = left.all_axes, right.all_axes
        if (row is not None and (row not in of_left or row in of_right)) or (
            column is not None and (column not in of_right or column in of_left)
        ):
            return None
        if not all(axis in of_left and axis in of_right for axis in view.summed):
            return None
        if column is None and self.is_constant(right.store, right.places[0]):
            return None  # weights of rows, such as targets, which nobody writes as a matrix
        *outer, last = view.summed
        if outer and ROWS in pattern:
            return None
        ahead = [*outer, *pattern[:-2]]
        first = self.aligned(left, [*ahead, row, last], view.axes)
        second = self.aligned(right, [*ahead, last, column], view.axes)
        found = Expression("matmul", (first, second))
        if outer:
            where = [float(at - len(ahead) - 2) for at in range(len(outer))]
            found = Expression("total", (found, *where))
        return found

    def is_given(self, operand: Operand) -> bool:
        """Check for the gradient of the result itself, which is a number."""
        places = ((operand.store[-1], place) for place in operand.places)
        return operand.store[0] == "d" and all(place in self.results for place in places)

    def aligned(self, operand: Operand, frame: Pattern, lengths: dict[str, int]) -> Atom:
        """Write what is read so that its dimensions lie along those of the frame."""
        number = self.number(operand)
        if number is not None:
            return number
        gradient = operand.store[0] == "d"
        store = operand.store[-1]
        if self.is_given(operand):
            mean = store in PER_ROW and self.reduce == "mean"
            return Expression("true_divide", (1.0, variable("n"))) if mean else 1.0
        pairs = self.arrays.of(store, operand.places)
        arrays = [*dict.fromkeys(array for array, _ in pairs)]
        prefix = "Δ" if gradient else ""
        if len(arrays) == 1:
            (array,) = arrays
            order = [at for _, at in pairs]
            pattern = array.pattern(operand.axes, lengths, order)
            name = variable(prefix + array.name)
            if pattern and _lies_along(pattern, frame):
                return name
            if pattern and _lies_along([*pattern[:-2], pattern[-1], pattern[-2]], frame):
                return Expression("transpose", (name,))
        if len(frame) == 2 and frame[1] == ROWS and frame[0] in operand.all_axes[1:]:
            return Expression("transpose", (self.aligned(operand, frame[::-1], lengths),))
        table = self.table(operand, frame, lengths, arrays)
        names = [variable(prefix + array.name) for array in arrays]
        return Expression("collect", (variable(table.name), *names))

    def table(
        self, operand: Operand, frame: Pattern, lengths: dict[str, int], arrays: Sequence[Array]
    ) -> Table:
        """Name a table of the positions that an operand has in arrays laid end to end."""
        starts, total = {}, 0
        for array in arrays:
            starts[array], total = total, total + len(array.places)
        pairs = self.arrays.of(operand.store[-1], operand.places)
        axes = [axis for axis in frame if axis is not None and axis != ROWS]
        numbers = rearranged(
            [starts[array] + at for array, at in pairs], operand.axes, axes, lengths
        )
        per_row = operand.store in PER_ROW
        shape = tuple(
            lengths[axis] if axis is not None and axis in operand.axes else 1
            for axis in frame[per_row and frame.index(ROWS) + 1 :]
        )
        key = (tuple(numbers), shape, per_row)
        if key not in self.tables:
            self.tables[key] = Table(self.arrays.free("p#"), tuple(numbers), shape, per_row)
        return self.tables[key]

    def add_result(self) -> None:
        """Write the loss: the mean (or sum) of what the rows gave, and the penalty."""
        terms: list[Atom] = []
        for store, place in self.results:
            if (store, place) not in self.arrays.at:  # the result is one of the leaves
                letter = "X" if store == "i" else self.label(self.slots[store, place]) or "v#"
                self.arrays.define(letter, store, [place], _shape([], store, column=False))
            if self.is_parameter(store, place):
                array = self.arrays.at[store, place][0]
                whole = len(array.places) == 1
                one = Operand(store, (), (place,))
                table = None if whole else self.table(one, [None, None], {}, [array])
                name = f"∂L/∂{array.name}"
                self.backward.append(Equation((name,), table, 1.0, True, array.size))
            frame: Pattern = [ROWS, None] if store in PER_ROW else [None, None]
            term = self.aligned(Operand(store, (), (place,)), frame, {})
            if store in PER_ROW:
                term = Expression("sum", (term,))
                if self.reduce == "mean":
                    term = Expression("true_divide", (term, variable("n")))
            terms.append(term)
        loss = terms[0] if len(terms) == 1 else Expression("add", (terms[0], terms[1]))
        self.forward.append(Equation(("L",), None, loss, False, ""))

    def equations(self, parameters: Sequence[float]) -> Equations:
        """Return what was written so far."""
        leaves = [array for array in self.arrays.all if self.is_leaf(array.store, array.places[0])]
        first = len(self.plan.parameters)
        numbers = {
            array.name: [self.constants[place - first] for place in array.places]
            for array in leaves
            if self.is_constant(array.store, array.places[0])
        }
        return Equations(
            tuple(self.forward),
            tuple(self.backward),
            tuple(self.arrays.all),
            tuple(self.tables.values()),
            numbers,
            tuple(parameters),
            len(self.tape.inputs),
        )


def _terms(loop: Loop) -> list[Loop]:
    """Take an addition apart, since others may go on with it."""
    if loop.row is not ADD or loop.sign < 0 or len(loop.reads) != 2:
        return [loop]
    first, second = loop.reads.values()
    whole = {axis: n for axis, n in loop.axes.items() if axis in loop.out.axes}
    return [
        apply(whole, loop.out, [first], accumulate=loop.accumulate),
        apply(whole, loop.out, [second], accumulate=True),
    ]


def _lines_of(plan: Plan) -> dict[tuple[str, int], tuple[int, int]]:
    """Tell which numbers share a softmax, or become numbers that do."""
    line_of: dict[tuple[str, int], tuple[int, int]] = {}
    for number, loop in enumerate(reversed(plan.forward)):
        out = operand_of(loop.out, loop)
        reads = [operand_of(ref, loop) for ref in loop.reads.values()]
        if loop.over != "sum":
            (read,) = reads
            axes = [*out.axes, *(axis for axis in read.axes if axis not in out.axes)]
            places = rearranged(read.places, read.axes, axes, loop.axes)
            for at, place in enumerate(places):
                line_of[read.store, place] = number, at * len(out.places) // len(places)
        for read in reads if loop.over == "sum" else ():
            if read.axes == out.axes:
                for mine, theirs in zip(out.places, read.places, strict=True):
                    if (out.store, mine) in line_of:
                        line_of.setdefault((read.store, theirs), line_of[out.store, mine])
    return line_of


def _shape(lengths: Sequence[int], store: str, *, column: bool) -> list[int]:
    """Return the shape of an array: two lengths at least, or one where each row has its own."""
    if store in PER_ROW:
        return [*lengths, 1] if column and lengths else [*lengths] or [1]
    if len(lengths) > 1:
        return [*lengths]
    return [*lengths, 1] if column and lengths else [1, *(lengths or [1])]


def _lies_along(pattern: Pattern, frame: Pattern) -> bool:
    """Check that NumPy's broadcasting matches each dimension with the right axis."""
    short = len(frame) - len(pattern)
    if short < 0:
        return not any(pattern[:-short]) and _lies_along(pattern[-short:], frame)
    pairs = zip(pattern, frame[short:], strict=True)
    return all(mine is None or mine == theirs for mine, theirs in pairs)
