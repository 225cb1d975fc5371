"""Stage 6, target "numpy": vector instructions become lines of NumPy that write in place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from tinygrad_edu.compiler.adjoint import adjoints
from tinygrad_edu.compiler.layout import (
    Elementwise,
    Operand,
    Plan,
    Product,
    Slots,
    Total,
)
from tinygrad_edu.compiler.numpy_words import (
    BOOLEAN,
    ProductWords,
    affine,
    numpy_call,
    runs,
    total_places,
)
from tinygrad_edu.engine import symbols
from tinygrad_edu.engine.symbols import Atom, Expression


@dataclass(frozen=True)
class View:
    """What a name of the program is: a view of a store, or (``places`` given) a buffer to fill."""

    store: str  # "u", "b", "i"; gradients "du", "db"; "t" temporary, "?" temporary of booleans
    places: Slots | None
    offset: int
    strides: tuple[int, ...]
    shape: tuple[int, ...]
    batched: bool
    lift: bool = False  # one more axis, for a number that meets a row of them


@dataclass
class Code:
    """The lines of the two passes, and what their names stand for."""

    forward: list[str] = field(default_factory=list)
    backward: list[str] = field(default_factory=list)
    views: dict[str, View] = field(default_factory=dict)
    tables: dict[str, Slots] = field(default_factory=dict)


def code_of(plan: Plan) -> Code:
    """Write both passes of a plan."""
    writer = _CodeWriter(plan)
    writer.forward()
    writer.backward()
    return writer.code


class _CodeWriter:
    """Writes the code of a plan, and remembers what it has named and written."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.code = Code()
        self.lines = self.code.forward
        self.names: dict[tuple[object, ...], str] = {}
        self.taken = 0  # temporaries of the instruction at hand, so that the next can reuse them
        # gradients are assigned where they are written first, so no run has to fill them with 0
        self.written = {name: np.zeros(size, bool) for name, size in plan.sizes.items()}
        self.unwritten: dict[str, list[int]] = {"u": [], "b": []}
        self.targets: tuple[Operand, ...] = ()  # whose gradients the instruction at hand adds to
        for slot in plan.results:
            self.written[plan.kinds[slot].store][plan.place[slot]] = True

    # names

    def name(self, view: View, prefix: str) -> str:
        """Return the name of a view; the same view has the same name."""
        places = b"" if view.places is None else view.places.tobytes()
        key = (view.store, places, view.offset, view.strides, view.shape, view.batched, view.lift)
        if key not in self.names:
            self.names[key] = f"{prefix}{len(self.names)}"
            self.code.views[self.names[key]] = view
        return self.names[key]

    def value(self, operand: Operand, places: Slots, batched: bool) -> str:
        """Return the name of an operand's values; collect them first if they are scattered."""
        lift = batched and not operand.batched
        even = affine(places)
        if even is not None:
            return self.name(
                View(operand.store, None, *even, places.shape, operand.batched, lift), "v"
            )
        view = View(operand.store, places, 0, (), places.shape, operand.batched, lift)
        known = len(self.names)
        name = self.name(view, "v")
        if len(self.names) > known:
            self.gather(operand.store, places, name)
        return name

    def gather(self, store: str, places: Slots, name: str) -> None:
        """Collect scattered values in the forward pass: by a few slices, else by a table."""
        if pieces := runs(places):
            self.code.forward += [
                f"flat_{name}[{a}:{b}] = {store}[{at}:{at + b - a}]" for a, b, at in pieces
            ]
            return
        self.code.tables[f"i_{name}"] = places.reshape(-1)
        # mode='clip' lets NumPy write into out at once; with 'raise' it goes through a copy
        self.code.forward.append(f"take({store}, i_{name}, 0, out=flat_{name}, mode='clip')")

    def gradient(self, operand: Operand, places: Slots) -> str | None:
        """Return the name of an operand's gradient as a view; None if it is scattered."""
        even = affine(places)
        if even is None:
            return None
        return self.name(View("d" + operand.store, None, *even, places.shape, operand.batched), "d")

    def temporary(self, shape: tuple[int, ...], batched: bool, *, boolean: bool = False) -> str:
        """Return the name of a buffer for one instruction."""
        self.taken += 1
        view = View("?" if boolean else "t", None, self.taken, (), shape, batched)
        return self.name(view, "t")

    def local(self) -> str:
        """Return a name for the result of one line."""
        self.taken += 1
        return f"s{self.taken}"

    # values

    def expression(
        self, atom: Atom, of: dict[str, str], shape: tuple[int, ...], batched: bool, out: str = ""
    ) -> str:
        """Write lines that compute an expression, into ``out`` if given; name the result."""
        if not isinstance(atom, Expression):
            result = repr(atom)
        elif not atom.arguments:
            result = of[atom.function]
        else:
            function, arguments = numpy_call(atom)
            names = [self.expression(x, of, shape, batched) for x in arguments]
            if function == "where" and isinstance(arguments[1], Expression) and names[2] == "0.0":
                result = out or self.temporary(shape, batched)
                self.lines.append(f"gate({names[0]}, {names[1]}, out={result})")
            elif function == "where":
                result = self.local()
                self.lines.append(f"{result} = where({', '.join(names)})")
            else:
                boolean = function in BOOLEAN
                result = out or self.temporary(shape, batched, boolean=boolean)
                self.lines.append(f"{function}({', '.join(names)}, out={result})")
        if out and result != out:
            self.lines.append(f"copyto({out}, {result})")
        return out or result

    def forward(self) -> None:
        """Write the forward pass, in order."""
        for instruction in self.plan.instructions:
            self.taken = 0
            if isinstance(instruction, Product):
                self.product(instruction)
            elif isinstance(instruction, Total):
                self.total(instruction)
            else:
                self.elementwise(instruction)

    def elementwise(self, it: Elementwise) -> None:
        """Write a row of the table on arrays."""
        batched = it.out.batched
        out = self.value(it.out, it.out.places, batched)
        if len(it.reads) > it.op.arity:  # gathered maxima, all of one kind
            places = np.stack([operand.places for operand in it.reads], axis=1)
            many = self.value(it.reads[0], places, batched)
            self.lines.append(f"maximum.reduce({many}, axis=1, out={out})")
            return
        of = self.inputs(it)
        atom = symbols.forward_of(it.op, *symbols.inputs_of(len(of), it.literal))
        self.expression(atom, of, it.out.places.shape, batched, out)

    def inputs(self, it: Elementwise) -> dict[str, str]:
        """Return the names of the values that a row's inputs x0, x1 stand for."""
        return {
            f"x{i}": self.value(operand, operand.places, it.out.batched)
            for i, operand in enumerate(it.reads)
        }

    def total(self, it: Total) -> None:
        """Write the sum of plain terms."""
        out_places, terms_places = total_places(it)
        batched = it.out.batched
        out = self.value(it.out, out_places, batched)
        terms = self.value(it.terms, terms_places, batched)
        many = terms_places.ndim > out_places.ndim
        if many and it.first and it.sign > 0 and it.terms.batched == batched:
            self.lines.append(f"sum({terms}, axis={out_places.ndim}, out={out})")
            return
        if many:
            summed = self.local()
            self.lines.append(f"{summed} = sum({terms}, axis={out_places.ndim})")
            terms = summed
        if it.first and it.sign > 0:
            self.lines.append(f"copyto({out}, {terms})")
        elif it.first:
            self.lines.append(f"negative({terms}, out={out})")
        elif it.sign > 0 and self.lines[-1] == f"negative({out}, out={out})":
            self.lines[-1] = f"subtract({terms}, {out}, out={out})"  # the same bits in one call
        else:
            function = "add" if it.sign > 0 else "subtract"
            self.lines.append(f"{function}({out}, {terms}, out={out})")

    def product(self, it: Product) -> None:
        """Write a matrix product."""
        p = ProductWords(it)
        out = self.value(it.out, p.out, it.out.batched)
        left = self.value(it.left, p.left, it.left.batched)
        right = self.value(it.right, p.right, it.right.batched)
        self.lines.append(p.forward(left, right, out))
        if it.sign < 0:
            self.lines.append(f"negative({out}, out={out})")

    # gradients

    def backward(self) -> None:
        """Write the backward pass: the adjoint of each instruction, last to first."""
        self.lines = self.code.backward
        for instruction, targets in adjoints(self.plan):
            self.taken, self.targets = 0, targets
            if isinstance(instruction, Product):
                self.product_adjoint(instruction)
            elif isinstance(instruction, Total):
                self.total_adjoint(instruction)
            else:
                self.elementwise_adjoint(instruction)
        for store, places in self.unwritten.items():
            if places:
                self.code.tables[f"zero_{store}"] = np.unique(places)
                self.lines.insert(0, f"d{store}[zero_{store}] = 0.0")

    def elementwise_adjoint(self, it: Elementwise) -> None:
        """Write the cotangent times each partial of the row."""
        batched, shape = it.out.batched, it.out.places.shape
        of = self.inputs(it)
        of["out"] = self.value(it.out, it.out.places, batched)
        of["cotangent"] = self.gradient(it.out, it.out.places) or ""
        inputs = symbols.inputs_of(len(it.reads), it.literal)
        partials = symbols.partials_of(it.op, symbols.variable("out"), *inputs)
        # not strict: where the last input is a literal, its partial is not needed
        for operand, partial in zip(it.reads, partials, strict=False):
            atom = symbols.times(symbols.variable("cotangent"), partial)

            def emit(out: str, atom: Atom = atom) -> str:
                return self.expression(atom, of, shape, batched, out)

            self.accumulate(operand, operand.places, batched, emit)

    def total_adjoint(self, it: Total) -> None:
        """Write the cotangent, for each term."""
        out_places, terms_places = total_places(it)
        batched = it.out.batched
        cotangent = self.cotangent(it, out_places)
        summed = terms_places.ndim > out_places.ndim
        if summed:  # each term of the sum gets it
            cotangent = f"{cotangent}[..., None{', :' if batched else ''}]"

        def emit(out: str) -> str:
            if not out and summed:
                out = self.temporary(terms_places.shape, batched)
            if out:
                self.lines.append(f"copyto({out}, {cotangent})")
            return out or cotangent

        self.accumulate(it.terms, terms_places, batched, emit)

    def product_adjoint(self, it: Product) -> None:
        """Write dL/dleft = cotangentᵀ right, and dL/dright = cotangent left."""
        p = ProductWords(it)
        cotangent = self.cotangent(it, p.out)
        left = self.value(it.left, p.left, it.left.batched)
        right = self.value(it.right, p.right, it.right.batched)
        for operand, places, call in (
            (it.left, p.left, p.left_adjoint(cotangent, right)),
            (it.right, p.right, p.right_adjoint(cotangent, left)),
        ):

            def emit(out: str, call: str = call) -> str:
                if out:
                    self.lines.append(call.replace("OUT", f", out={out}"))
                    return out
                name = self.local()
                self.lines.append(f"{name} = {call.replace('OUT', '')}")
                return name

            self.accumulate(operand, places, operand.batched, emit)

    def cotangent(self, it: Product | Total, places: Slots) -> str:
        """Return the name of the gradient of the output, times the sign of the instruction."""
        gradient = self.gradient(it.out, places) or ""
        if it.sign > 0:
            return gradient
        name = self.local()
        self.lines.append(f"{name} = negative({gradient})")
        return name

    def accumulate(
        self, operand: Operand, places: Slots, batched: bool, emit: Callable[[str], str]
    ) -> None:
        """Add what ``emit`` computes to the gradient of an operand: = the first time, then +=.

        ``emit(out)`` writes it into ``out``, or for ``""`` wherever it likes, and names the result.
        """
        if operand not in self.targets:
            return
        even = affine(places)
        # a place that is read again and again along an axis, as a bias is, gets the sum over it
        repeated = [
            axis for axis, n in enumerate(places.shape) if even and n > 1 and even[1][axis] == 0
        ]
        once = places[tuple(0 if axis in repeated else slice(None) for axis in range(places.ndim))]
        axes = [*repeated, *([places.ndim] if batched and not operand.batched else [])]
        fresh, single = self.write(operand.store, once)
        target = self.gradient(operand, once) if single else None
        if target and not axes and fresh:
            emit(target)
            return
        value = emit("")
        if axes:
            summed = f"sum({value}, axis={tuple(axes)}"
            if target and fresh:
                self.lines.append(f"{summed}, out={target})")
                return
            value = self.local()
            self.lines.append(f"{value} = {summed})")
        if not target:
            self.scatter(operand, once, value, fresh)
        elif fresh:
            self.lines.append(f"copyto({target}, {value})")
        else:
            self.lines.append(f"add({target}, {value}, out={target})")

    def write(self, store: str, places: Slots) -> tuple[bool, bool]:
        """Mark places as written; tell if none was before, and if each place comes once.

        Where some were written and some not, those that were not are set to 0 at the start.
        """
        unique = np.unique(places)
        written = self.written[store][unique]
        fresh = not written.any()
        if not fresh and not written.all():
            self.unwritten[store] += unique[~written].tolist()
        self.written[store][unique] = True
        return fresh, len(unique) == places.size

    def scatter(self, operand: Operand, places: Slots, value: str, fresh: bool) -> None:
        """Add to scattered places, where one may come several times: sum up sorted segments."""
        flat = places.reshape(-1)
        order = np.argsort(flat, kind="stable")
        unique, starts = np.unique(flat[order], return_index=True)
        rows = f"({flat.size}, -1)" if operand.batched else f"{flat.size}"
        pieces, sign = runs(flat), "=" if fresh else "+="
        if pieces and len(unique) == flat.size:
            self.lines += [
                f"d{operand.store}[{at}:{at + b - a}] {sign} {value}.reshape({rows})[{a}:{b}]"
                for a, b, at in pieces
            ]
            return
        name = f"{len(self.code.tables)}"
        self.code.tables |= {f"order{name}": order, f"starts{name}": starts, f"at{name}": unique}
        self.lines.append(
            f"d{operand.store}[at{name}] {sign} "
            f"reduceat({value}.reshape({rows})[order{name}], starts{name}, 0)"
        )
