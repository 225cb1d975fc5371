"""Stage 7, for the reader: names for the parts of a plan, and an equation for each instruction."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tinygrad_edu.compiler import symbols
from tinygrad_edu.compiler.equations import Equations
from tinygrad_edu.compiler.layout import Elementwise, Operand, Plan, Product, Total
from tinygrad_edu.compiler.symbols import Atom, Expression

_SIGNS = {"add": "+", "subtract": "−", "multiply": "⊙", "divide": "/", "true_divide": "/"}
_SIGNS |= {"greater": ">", "less": "<", "equal": "=", "greater_equal": "≥", "less_equal": "≤"}


def equations_of(plan: Plan, constants: Sequence[float]) -> Equations:
    """The equations of a plan whose constants hold these numbers."""
    return Writer(plan, constants).equations()


class Writer:
    """Names the parts of a plan, and writes an equation an instruction."""

    def __init__(self, plan: Plan, constants: Sequence[float]) -> None:
        self.plan = plan
        self.constants = np.array(constants)
        self.names: dict[tuple[str, bytes], str] = {}
        self.counts: dict[str, int] = {}

    def equations(self) -> Equations:
        """Forward in order, then the gradients, last to first."""
        forward: list[str] = []
        for it in self.plan.instructions:
            line = self._forward(it)
            if isinstance(it, Total) and not it.first:
                forward[-1] += line
            else:
                forward.append(line)
        begun: set[str] = set()
        backward: list[str] = []
        for it in reversed(self.plan.instructions):
            for target, text in self._backward(it):
                backward.append(f"{target} {'+=' if target in begun else '='} {text}")
                begun.add(target)
        return Equations(tuple(forward), tuple(backward))

    def name(self, operand: Operand, prefix: str = "v") -> str:
        """What a set of places is called; the first to ask chooses the letter."""
        places = np.unique(operand.places)
        if operand.kind == "c":
            numbers = self.constants[places - len(self.plan.parameters)]
            if (numbers == numbers[0]).all():
                return f"{numbers[0]:g}".replace("-", "−")
            prefix = "C"
        key = (operand.store, places.tobytes())
        if key not in self.names:
            if places.tolist() == [self.plan.place[self.plan.root]] and prefix not in "XWC":
                self.names[key] = "L"
            else:
                self.counts[prefix] = self.counts.get(prefix, 0) + 1
                self.names[key] = f"{prefix}{self.counts[prefix]}"
        return self.names[key]

    def _forward(self, it: Product | Total | Elementwise) -> str:
        if isinstance(it, Product):
            leaf = it.right.kind in "ipc"
            left = self.name(it.left, "W" if it.left.kind == "p" else "v")
            right = self.name(it.right, "X" if leaf else "v")
            sign = "" if it.sign > 0 else "−"
            if it.out.places.shape[1:] == (1, 1) and not it.out.batched:
                return f"{self.name(it.out, 's')} = {sign}{left} · {right}"
            return f"{self.name(it.out, 'A')} = {sign}{right} {left}ᵀ"
        if isinstance(it, Total):
            terms = self.name(it.terms, "b")
            text = f"Σ {terms}" if it.terms.places.shape[-1] > 1 else terms
            if it.first:
                return f"{self.name(it.out, 's')} = {'' if it.sign > 0 else '−'}{text}"
            return f" {'+' if it.sign > 0 else '−'} {text}"
        of = {f"x{i}": self.name(operand) for i, operand in enumerate(it.operands)}
        atom = symbols.forward_of(it.op, *map(symbols.variable, of))
        return f"{self.name(it.out, 'Z')} = {_text(atom, of)}"

    def _backward(self, it: Product | Total | Elementwise) -> list[tuple[str, str]]:
        up = "Δ" + self.name(it.out)
        if isinstance(it, Product):
            sign = "" if it.sign > 0 else "−"
            dot = it.out.places.shape[1:] == (1, 1) and not it.out.batched
            left, right = self.name(it.left), self.name(it.right)
            texts = [f"{up} {right}", f"{up} {left}"] if dot else [f"{up}ᵀ {right}", f"{up} {left}"]
            pairs = [(it.left, sign + texts[0]), (it.right, sign + texts[1])]
        elif isinstance(it, Total):
            shared = np.unique(it.terms.places).size < it.out.places.size
            summed = shared or (it.out.batched and not it.terms.batched)
            text = f"Σ {up}" if summed else up
            pairs = [(it.terms, text if it.sign > 0 else f"−{text}")]
        else:
            of = {f"x{i}": self.name(operand) for i, operand in enumerate(it.operands)}
            of |= {"out": self.name(it.out), "up": up}
            inputs = [symbols.variable(f"x{i}") for i in range(len(it.operands))]
            partials = symbols.partials_of(it.op, symbols.variable("out"), *inputs)
            pairs = [
                (operand, _text(symbols.times(symbols.variable("up"), partial), of))
                for operand, partial in zip(it.operands, partials, strict=True)
            ]
        return [(self._target(o), text) for o, text in pairs if o.kind not in "ci"]

    def _target(self, operand: Operand) -> str:
        name = self.name(operand)
        return f"∂L/∂{name}" if operand.kind == "p" else f"Δ{name}"


def _text(atom: Atom, of: dict[str, str], *, top: bool = True) -> str:
    """An expression with the names of the plan, in the signs of mathematics."""
    if not isinstance(atom, Expression):
        return f"{atom:g}".replace("-", "−")
    if not atom.arguments:
        return of[atom.function]
    if atom.function == "where" and atom.arguments[1:] == (1.0, 0.0):
        return f"[{_text(atom.arguments[0], of)}]"
    inner = [_text(x, of, top=False) for x in atom.arguments]
    if atom.function == "negative":
        return f"−{inner[0]}"
    if atom.function == "power":
        text = f"{inner[0]}^{inner[1]}"
    elif atom.function in _SIGNS:
        text = f"{inner[0]} {_SIGNS[atom.function]} {inner[1]}"
    else:
        arguments = ", ".join(_text(x, of) for x in atom.arguments)
        return f"{atom.function.removesuffix('imum')}({arguments})"
    return text if top else f"({text})"
