"""Stage 6, for the reader: names for the parts of a plan, and an equation for each instruction."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tinygrad_edu.compiler.adjoint import adjoints
from tinygrad_edu.compiler.equations import Equations
from tinygrad_edu.compiler.layout import Instruction, Operand, Plan, Product, Total
from tinygrad_edu.compiler.tape import BATCHED, CONSTANT, PARAMETER, UNBATCHED
from tinygrad_edu.engine import symbols
from tinygrad_edu.engine.ops import STOP_GRADIENT

FEW = 4  # a sum of at most so many products of single numbers is written out
Lines = list[tuple[Operand, str]]  # whose gradient, and what is added to it


def equations_of(plan: Plan, constants: Sequence[float]) -> Equations:
    """Write the equations of a plan whose constants hold these numbers."""
    return _EquationWriter(plan, constants).equations()


class _EquationWriter:
    """Names the parts of a plan, and writes an equation for each instruction."""

    def __init__(self, plan: Plan, constants: Sequence[float]) -> None:
        self.plan = plan
        self.constants = np.array(constants)
        self.names: dict[tuple[str, bytes], str] = {}
        self.counts: dict[str, int] = {}

    def equations(self) -> Equations:
        """Write the forward equations in order, then the gradients, last to first."""
        forward: list[str] = []
        for it in self.plan.instructions:
            line = self._forward(it)
            if isinstance(it, Total) and not it.first:  # it goes on with the sum before it
                longer = forward[-1] + line
                forward[-1] = longer.replace(" = 0 + ", " = ").replace(" = 0 − ", " = −")
            elif line:
                forward.append(line)
        begun = {store: np.zeros(size, bool) for store, size in self.plan.sizes.items()}
        backward: list[str] = []
        for it, targets in adjoints(self.plan):
            for operand, text in self._backward(it, targets):
                name, before = self.name(operand), begun[operand.store]
                target = f"∂L/∂{name}" if operand.kind is PARAMETER else f"Δ{name}"
                again = before[operand.places].any()
                backward.append(f"{target} {'+=' if again else '='} {text}")
                before[operand.places] = True
        return Equations(tuple(forward), tuple(backward))

    # names

    def name(self, operand: Operand, prefix: str = "v") -> str:
        """Return the name of a set of places; the first caller chooses the letter."""
        places = np.unique(operand.places)
        if operand.kind is CONSTANT:
            numbers = self.constants[places - len(self.plan.parameters)]
            if (numbers == numbers[0]).all():
                return symbols.plain(float(numbers[0]))
            prefix = "C" if prefix == "v" else prefix
        key = (operand.store, places.tobytes())
        if key not in self.names:
            self.names[key] = self._new_name(operand, places.tolist(), prefix)
        return self.names[key]

    def _new_name(self, operand: Operand, places: list[int], prefix: str) -> str:
        """Choose a name: L for the loss, R for a penalty, θ for all parameters, else a new one."""
        results = [[int(self.plan.place[slot])] for slot in self.plan.results]
        if operand.kind in (UNBATCHED, BATCHED) and places in results:
            return "LR"[results.index(places)]
        whole = operand.kind is PARAMETER and len(places) == len(self.plan.parameters)
        if whole and len(places) > 1 and prefix == "W":
            return "θ"
        self.counts[prefix] = self.counts.get(prefix, 0) + 1
        return f"{prefix}{self.counts[prefix]}"

    # forward

    def _forward(self, it: Instruction) -> str:
        """Write an equation; of a sum that goes on, the new terms; "" where nothing is new."""
        if isinstance(it, Product):
            return self._product(it)
        if isinstance(it, Total):
            terms = self.name(it.terms, "b")
            text = f"Σ {terms}" if it.terms.places.shape[-1] > 1 else terms
            if it.first:
                return f"{self.name(it.out, 's')} = {'' if it.sign > 0 else '−'}{text}"
            return "" if text == "0" else f" {'+' if it.sign > 0 else '−'} {text}"
        if it.op is STOP_GRADIENT:  # the same numbers, so the same name
            key = (it.out.store, np.unique(it.out.places).tobytes())
            self.names[key] = self.name(it.reads[0])
            return ""
        of = {f"x{i}": self.name(operand) for i, operand in enumerate(it.reads)}
        if len(of) > it.op.arity:  # a maximum of many
            every = np.concatenate([operand.places for operand in it.reads])
            many = self.name(Operand(it.reads[0].kind, every))
            return f"{self.name(it.out, 'Z')} = rowmax({many})"
        atom = symbols.forward_of(it.op, *symbols.inputs_of(len(of), it.literal))
        return f"{self.name(it.out, 'Z')} = {symbols.as_math(atom, of)}"

    def _product(self, it: Product) -> str:
        """Write a short sum, a dot product, a dot product per row, or a product of matrices."""
        sign = "" if it.sign > 0 else "−"
        if pairs := _written_out(it):
            terms = [_times(self.name(a), self.name(b)) for a, b in pairs]
            between = f" {sign or '+'} "
            return f"{self.name(it.out, 's')} = {sign}{between.join(terms)}"
        leaf = it.right.kind not in (UNBATCHED, BATCHED)
        left = self.name(it.left, "W" if it.left.kind is PARAMETER else "v")
        right = self.name(it.right, "X" if leaf else "v")
        if _is_dot(it):
            return f"{self.name(it.out, 's')} = {sign}{left} · {right}"
        if _is_rowwise(it):
            return f"{self.name(it.out, 's')} = {sign}Σ {left} ⊙ {right}"
        return f"{self.name(it.out, 'A')} = {sign}{right} {left}ᵀ"

    # backward

    def _backward(self, it: Instruction, targets: tuple[Operand, ...]) -> Lines:
        """Write what an instruction adds to the gradient of each of its targets."""
        up = "Δ" + self.name(it.out)
        if isinstance(it, Product):
            return self._product_adjoint(it, up, targets)
        if isinstance(it, Total):
            shared = np.unique(it.terms.places).size < it.out.places.size
            summed = shared or (it.out.batched and not it.terms.batched)
            text = ("" if it.sign > 0 else "−") + (f"Σ {up}" if summed else up)
            return [(it.terms, text)] if targets else []
        of = {f"x{i}": self.name(operand) for i, operand in enumerate(it.reads)}
        of |= {"out": self.name(it.out), "up": up}
        inputs = symbols.inputs_of(len(it.reads), it.literal)
        partials = symbols.partials_of(it.op, symbols.variable("out"), *inputs)
        return [
            (operand, symbols.as_math(symbols.times(symbols.variable("up"), partial), of))
            for operand, partial in zip(it.reads, partials, strict=False)
            if operand in targets
        ]

    def _product_adjoint(self, it: Product, up: str, targets: tuple[Operand, ...]) -> Lines:
        """Write the gradients of both sides in the same form as the product."""
        sign = "" if it.sign > 0 else "−"
        if pairs := _written_out(it):
            both = [*pairs, *((b, a) for a, b in pairs)]
            kept = {operand.kind for operand in targets}
            return [(a, sign + _times(self.name(b), up)) for a, b in both if a.kind in kept]
        left, right = self.name(it.left), self.name(it.right)
        if _is_dot(it):
            texts = [f"{up} {right}", f"{up} {left}"]
            if left == right:
                return [(it.left, f"{sign}2 {up} {left}")]
        elif _is_rowwise(it):
            texts = [f"{up} ⊙ {right}", f"{up} ⊙ {left}"]
        else:
            texts = [f"{up}ᵀ {right}", f"{up} {left}"]
        sides = zip((it.left, it.right), texts, strict=True)
        return [(operand, sign + text) for operand, text in sides if operand in targets]


def _written_out(it: Product) -> list[tuple[Operand, Operand]]:
    """Return the factors of each product of a short sum; [] for a long sum."""
    count = it.left.places.size
    if count > FEW or it.out.places.size > 1 or it.out.batched:
        return []
    sides = [
        [Operand(side.kind, side.places.reshape(-1)[i : i + 1]) for i in range(count)]
        for side in (it.left, it.right)
    ]
    return list(zip(*sides, strict=True))


def _is_dot(it: Product) -> bool:
    """Check for one number from two vectors, the same for all rows."""
    return it.out.places.shape[1:] == (1, 1) and not it.out.batched


def _is_rowwise(it: Product) -> bool:
    """Check for a dot product of two vectors that each row of data has for itself."""
    return it.out.places.size == 1 and it.left.batched and it.right.batched


def _times(x: str, y: str) -> str:
    """Write a product of two names, a number first."""
    x, y = (y, x) if y[-1:].isdigit() and not y[0].isalpha() and x[0].isalpha() else (x, y)
    return y if x == "1" else f"{x} {y}"
