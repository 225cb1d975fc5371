"""Stage 6, for the reader: names for the parts of a plan, and an equation for each instruction."""

from __future__ import annotations

from collections.abc import Sequence

from tinygrad_edu.compiler.adjoint import differentiated
from tinygrad_edu.compiler.equations import Equations
from tinygrad_edu.compiler.loops import Loop, Ref
from tinygrad_edu.compiler.plan import Plan
from tinygrad_edu.engine import formulas, symbols
from tinygrad_edu.engine.ops import MUL, STOP_GRADIENT

FEW = 4  # a sum of at most so many products of single numbers is written out
Lines = list[tuple["Operand", str]]  # whose gradient, and what is added to it


class Operand:
    """The numbers that a loop reads or writes: their store, and their places in it."""

    def __init__(self, ref: Ref, places: Sequence[int]) -> None:
        self.ref, self.store, self.places = ref, ref.store, tuple(places)
        self.distinct = tuple(sorted(set(places)))


def equations_of(plan: Plan, constants: Sequence[float]) -> Equations:
    """Write the equations of a plan whose constants hold these numbers."""
    return _EquationWriter(plan, constants).equations()


class _EquationWriter:
    """Names the parts of a plan, and writes an equation for each loop."""

    def __init__(self, plan: Plan, constants: Sequence[float]) -> None:
        self.plan = plan
        self.constants = constants
        self.names: dict[tuple[str, tuple[int, ...]], str] = {}
        self.counts: dict[str, int] = {}

    def equations(self) -> Equations:
        """Write the forward equations in order, then the gradients, last to first."""
        forward: list[str] = []
        for it in self.plan.forward:
            line = self._forward(it)
            if it.accumulate:  # it goes on with the sum before it
                longer = forward[-1] + line
                forward[-1] = longer.replace(" = 0 + ", " = ").replace(" = 0 − ", " = −")
            elif line:
                forward.append(line)
        begun: dict[str, set[int]] = {store: set() for store in self.plan.sizes}
        backward: list[str] = []
        for it, targets in differentiated(self.plan):
            for operand, text in self._backward(it, targets):
                name, before = self.name(operand), begun[operand.store]
                target = f"∂L/∂{name}" if self._is_parameter(operand) else f"Δ{name}"
                again = not before.isdisjoint(operand.distinct)
                backward.append(f"{target} {'+=' if again else '='} {text}")
                before.update(operand.distinct)
        return Equations(tuple(forward), tuple(backward))

    def _is_parameter(self, operand: Operand) -> bool:
        return operand.store == "u" and operand.places[0] < len(self.plan.parameters)

    def _is_constant(self, operand: Operand) -> bool:
        count = len(self.plan.parameters)
        return operand.store == "u" and 0 <= operand.places[0] - count < len(self.plan.constants)

    # names

    def name(self, operand: Operand, prefix: str = "v") -> str:
        """Return the name of a set of places; the first caller chooses the letter."""
        if self._is_constant(operand):
            at = len(self.plan.parameters)
            first, *others = [self.constants[place - at] for place in operand.distinct]
            if all(number == first for number in others):
                return formulas.plain(float(first))
            prefix = "C" if prefix == "v" else prefix
        key = (operand.store, operand.distinct)
        if key not in self.names:
            self.names[key] = self._new_name(operand, prefix)
        return self.names[key]

    def _new_name(self, operand: Operand, prefix: str) -> str:
        """Choose a name: L for the loss, R for a penalty, θ for all parameters, else a new one."""
        for letter, slot in zip("LR", self.plan.results, strict=False):
            if operand.distinct == (self.plan.place[slot],) and (
                operand.store == self.plan.kinds[slot].store
            ):
                return letter
        whole = self._is_parameter(operand) and len(operand.distinct) == len(self.plan.parameters)
        if whole and len(operand.distinct) > 1 and prefix == "W":
            return "θ"
        self.counts[prefix] = self.counts.get(prefix, 0) + 1
        return f"{prefix}{self.counts[prefix]}"

    # forward

    def _forward(self, it: Loop) -> str:
        """Write an equation; of a sum that goes on, the new terms; "" where nothing is new."""
        out, reads = _operand(it.out, it), [_operand(ref, it) for ref in it.reads.values()]
        if _is_product(it):
            return self._product(it, out, *reads)
        if it.over != "sum":
            return f"{self.name(out, 'Z')} = row{it.over}({self.name(reads[0])})"
        if it.row is None:
            terms = self.name(reads[0], "b")
            text = f"Σ {terms}" if "k" in it.axes else terms
            if not it.accumulate:
                return f"{self.name(out, 's')} = {'' if it.sign > 0 else '−'}{text}"
            return "" if text == "0" else f" {'+' if it.sign > 0 else '−'} {text}"
        if it.row is STOP_GRADIENT:  # the same numbers, so the same name
            self.names[out.store, out.distinct] = self.name(reads[0])
            return ""
        of = {f"x{i}": self.name(operand) for i, operand in enumerate(reads)}
        return f"{self.name(out, 'Z')} = {formulas.as_math(it.body, of)}"

    def _product(self, it: Loop, out: Operand, left: Operand, right: Operand) -> str:
        """Write a short sum, a dot product, a dot product per row, or a product of matrices."""
        sign = "" if it.sign > 0 else "−"
        if pairs := _written_out(it, out):
            terms = [_times(self.name(a), self.name(b)) for a, b in pairs]
            between = f" {sign or '+'} "
            return f"{self.name(out, 's')} = {sign}{between.join(terms)}"
        leaf = right.store == "i" or self._is_parameter(right) or self._is_constant(right)
        x = self.name(left, "W" if self._is_parameter(left) else "v")
        y = self.name(right, "X" if leaf else "v")
        if _is_dot(it):
            return f"{self.name(out, 's')} = {sign}{x} · {y}"
        if _is_rowwise(it, out):
            return f"{self.name(out, 's')} = {sign}Σ {x} ⊙ {y}"
        return f"{self.name(out, 'A')} = {sign}{y} {x}ᵀ"

    # backward

    def _backward(self, it: Loop, targets: Sequence[str]) -> Lines:
        """Write what a loop adds to the gradient of each of its targets."""
        out = _operand(it.out, it)
        reads = {name: _operand(ref, it) for name, ref in it.reads.items()}
        up = "Δ" + self.name(out)
        if _is_product(it):
            return self._product_adjoint(it, up, out, reads, targets)
        if it.row is None:
            (terms,) = reads.values()
            shared = len(terms.distinct) < len(out.places)
            summed = shared or (it.out.per_row and not terms.ref.per_row)
            text = ("" if it.sign > 0 else "−") + (f"Σ {up}" if summed else up)
            return [(terms, text)]
        of = {f"x{i}": self.name(operand) for i, operand in enumerate(reads.values())}
        of |= {"out": self.name(out), "up": up}
        inputs = symbols.inputs_of(len(reads), it.literal)
        partials = symbols.partials_of(it.row, symbols.variable("out"), *inputs)
        return [
            (reads[name], formulas.as_math(symbols.times(symbols.variable("up"), partial), of))
            for name, partial in zip(reads, partials, strict=False)
            if name in targets
        ]

    def _product_adjoint(
        self, it: Loop, up: str, out: Operand, reads: dict[str, Operand], targets: Sequence[str]
    ) -> Lines:
        """Write the gradients of both sides in the same form as the product."""
        sign = "" if it.sign > 0 else "−"
        if pairs := _written_out(it, out):
            wanted = {"x0": pairs, "x1": [(b, a) for a, b in pairs]}
            return [
                (a, sign + _times(self.name(b), up)) for name in targets for a, b in wanted[name]
            ]
        x, y = (self.name(operand) for operand in reads.values())
        if _is_dot(it):
            texts = {"x0": f"{up} {y}", "x1": f"{up} {x}"}
            if x == y:
                return [(reads["x0"], f"{sign}2 {up} {x}")]
        elif _is_rowwise(it, out):
            texts = {"x0": f"{up} ⊙ {y}", "x1": f"{up} ⊙ {x}"}
        else:
            texts = {"x0": f"{up}ᵀ {y}", "x1": f"{up} {x}"}
        return [(reads[name], sign + texts[name]) for name in targets]


def _operand(ref: Ref, it: Loop) -> Operand:
    return Operand(ref, ref.places(it.axes))


def _is_product(it: Loop) -> bool:
    """Check for products that are added up."""
    return it.row is MUL and "k" in it.axes


def _written_out(it: Loop, out: Operand) -> list[tuple[Operand, Operand]]:
    """Return the factors of each product of a short sum; [] for a long sum."""
    if it.axes["k"] > FEW or len(it.axes) > 1 or out.ref.per_row:
        return []
    sides = [
        [
            Operand(ref, [place])
            for place in [*ref.places(it.axes)] * (1 if "k" in ref.axes else it.axes["k"])
        ]
        for ref in it.reads.values()
    ]
    return list(zip(*sides, strict=True))


def _is_dot(it: Loop) -> bool:
    """Check for one number from two vectors, the same for all rows."""
    return not {"c", "r"} & it.axes.keys() and not it.out.per_row


def _is_rowwise(it: Loop, out: Operand) -> bool:
    """Check for a dot product of two vectors that each row of data has for itself."""
    return len(it.axes) == 1 and all(ref.per_row for ref in it.reads.values())


def _times(x: str, y: str) -> str:
    """Write a product of two names, a number first."""
    x, y = (y, x) if y[-1:].isdigit() and not y[0].isalpha() and x[0].isalpha() else (x, y)
    return y if x == "1" else f"{x} {y}"
