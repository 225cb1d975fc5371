"""Stage 7, target "numpy": vector instructions become lines of NumPy, written in place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from tinygrad_edu.compiler.adjoint import adjoints
from tinygrad_edu.compiler.layout import Elementwise, Operand, Plan, Product, Slots, Total
from tinygrad_edu.compiler.numpy_words import (
    BOOLEAN,
    ProductWords,
    affine,
    into,
    numpy_call,
    runs,
    total_places,
)
from tinygrad_edu.engine import symbols
from tinygrad_edu.engine.symbols import Atom, Expression


@dataclass(frozen=True)
class View:
    """A name of the program: a view of a store, or (``places`` not affine) a buffer to fill."""

    store: str  # "u", "b", "i"; gradients "du", "db"; "t" temporary, "?" temporary of booleans
    places: Slots | None
    offset: int
    strides: tuple[int, ...]
    shape: tuple[int, ...]
    batched: bool
    lift: bool = False  # one more axis, for a number that meets a row of them


@dataclass
class Code:
    """Lines of the two passes, and what their names stand for."""

    forward: list[str] = field(default_factory=list)
    backward: list[str] = field(default_factory=list)
    views: dict[str, View] = field(default_factory=dict)
    tables: dict[str, Slots] = field(default_factory=dict)


class Writer:
    """Writes the code of a plan."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.code = Code()
        self.lines = self.code.forward
        self.names: dict[tuple[object, ...], str] = {}
        self.taken = 0
        self.written = {"u": np.zeros(plan.sizes["u"], bool), "b": np.zeros(plan.sizes["b"], bool)}
        self.unwritten: dict[str, list[int]] = {"u": [], "b": []}
        self.targets: tuple[Operand, ...] = ()  # whose gradients the instruction at hand adds to
        for slot in plan.results:
            self.written["b" if plan.kinds[slot] == "b" else "u"][plan.place[slot]] = True

    # names

    def name(self, view: View, prefix: str) -> str:
        """The name of a view; the same view has the same name."""
        places = b"" if view.places is None else view.places.tobytes()
        key = (view.store, places, view.offset, view.strides, view.shape, view.batched, view.lift)
        if key not in self.names:
            self.names[key] = f"{prefix}{len(self.names)}"
            self.code.views[self.names[key]] = view
        return self.names[key]

    def value(self, operand: Operand, places: Slots, batched: bool) -> str:
        """The name of an operand's values; a line that collects them, where they are scattered."""
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
            self.code.forward += self.gathered(operand.store, places, name)
        return name

    def gathered(self, store: str, places: Slots, name: str) -> list[str]:
        """Lines that collect scattered values: by slices, where a few will do, else by a table."""
        pieces = runs(places)
        if pieces:
            return [f"flat_{name}[{a}:{b}] = {store}[{at}:{at + b - a}]" for a, b, at in pieces]
        self.code.tables[f"i_{name}"] = places.reshape(-1)
        return [f"take({store}, i_{name}, 0, out=flat_{name}, mode='clip')"]

    def gradient(self, operand: Operand, places: Slots) -> str | None:
        """The name of an operand's gradient as a view, None where it is scattered."""
        even = affine(places)
        if even is None:
            return None
        return self.name(View("d" + operand.store, None, *even, places.shape, operand.batched), "d")

    def temporary(self, shape: tuple[int, ...], batched: bool, *, boolean: bool = False) -> str:
        """A buffer for one instruction."""
        self.taken += 1
        view = View("?" if boolean else "t", None, self.taken, (), shape, batched)
        return self.name(view, "t")

    def local(self) -> str:
        """A name for one line's result."""
        self.taken += 1
        return f"s{self.taken}"

    # values

    def expression(
        self, atom: Atom, of: dict[str, str], shape: tuple[int, ...], batched: bool, out: str = ""
    ) -> str:
        """Lines that compute an expression, into ``out`` if given; the name of the result."""
        if not isinstance(atom, Expression):
            result = repr(atom)
        elif not atom.arguments:
            result = of[atom.function]
        else:
            function, arguments = numpy_call(atom)
            names = [self.expression(x, of, shape, batched) for x in arguments]
            if function == "where":
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
        """A row on arrays."""
        batched = it.out.batched
        out = self.value(it.out, it.out.places, batched)
        if len(it.operands) > it.op.arity:  # gathered maxima, all of one kind
            places = np.stack([operand.places for operand in it.operands], axis=1)
            many = self.value(it.operands[0], places, batched)
            self.lines.append(f"maximum.reduce({many}, axis=1, out={out})")
            return
        of = {
            f"x{i}": self.value(operand, operand.places, batched)
            for i, operand in enumerate(it.operands)
        }
        atom = symbols.forward_of(it.op, *symbols.inputs_of(len(of), it.literal))
        self.expression(atom, of, it.out.places.shape, batched, out)

    def total(self, it: Total) -> None:
        """Plain terms, added up."""
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
        if it.first:
            self.lines.append(f"{'copyto' if it.sign > 0 else 'negative'}({into(out, terms, it)}")
        elif it.sign > 0 and self.lines[-1] == f"negative({out}, out={out})":
            self.lines[-1] = f"subtract({terms}, {out}, out={out})"  # the same bits in one call
        else:
            function = "add" if it.sign > 0 else "subtract"
            self.lines.append(f"{function}({out}, {terms}, out={out})")

    def product(self, it: Product) -> None:
        """A matrix product."""
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
        """Upstream times each slope of the row."""
        batched, shape = it.out.batched, it.out.places.shape
        of = {
            f"x{i}": self.value(operand, operand.places, batched)
            for i, operand in enumerate(it.operands)
        }
        of["out"] = self.value(it.out, it.out.places, batched)
        of["upstream"] = self.gradient(it.out, it.out.places) or ""
        inputs = symbols.inputs_of(len(it.operands), it.literal)
        partials = symbols.partials_of(it.op, symbols.variable("out"), *inputs)
        for operand, partial in zip(it.operands, partials, strict=False):
            atom = symbols.times(symbols.variable("upstream"), partial)

            def emit(out: str, atom: Atom = atom) -> str:
                return self.expression(atom, of, shape, batched, out)

            self.accumulate(operand, operand.places, batched, emit)

    def total_adjoint(self, it: Total) -> None:
        """Upstream, for each term."""
        out_places, terms_places = total_places(it)
        batched = it.out.batched
        upstream = self.gradient(it.out, out_places) or ""
        if it.sign < 0:
            name = self.local()
            self.lines.append(f"{name} = negative({upstream})")
            upstream = name
        spread = terms_places.ndim > out_places.ndim
        spread_to = f"{upstream}[..., None{', :' if batched else ''}]" if spread else upstream

        def emit(out: str) -> str:
            if not out and spread:
                out = self.temporary(terms_places.shape, batched)
            if out:
                self.lines.append(f"copyto({out}, {spread_to})")
            return out or spread_to

        self.accumulate(it.terms, terms_places, batched, emit)

    def product_adjoint(self, it: Product) -> None:
        """dL/dleft is upstreamᵀ right, dL/dright is upstream left."""
        p = ProductWords(it)
        upstream = self.gradient(it.out, p.out) or ""
        if it.sign < 0:
            name = self.local()
            self.lines.append(f"{name} = negative({upstream})")
            upstream = name
        left = self.value(it.left, p.left, it.left.batched)
        right = self.value(it.right, p.right, it.right.batched)
        for operand, places, call in (
            (it.left, p.left, p.left_adjoint(upstream, right)),
            (it.right, p.right, p.right_adjoint(upstream, left)),
        ):

            def emit(out: str, call: str = call) -> str:
                if out:
                    self.lines.append(call.replace("OUT", f", out={out}"))
                    return out
                name = self.local()
                self.lines.append(f"{name} = {call.replace('OUT', '')}")
                return name

            self.accumulate(operand, places, operand.batched, emit)

    def accumulate(
        self, operand: Operand, places: Slots, batched: bool, emit: Callable[[str], str]
    ) -> None:
        """Add what ``emit`` computes to the gradient of an operand: = the first time, then +=."""
        if operand not in self.targets:
            return
        even = affine(places)
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
        """Mark places as written: whether none was before, and whether each comes once.

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
        """Add to scattered places, where one may come several times: sums of sorted segments."""
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
