"""Stage 2 continued: softmax and cross entropy, however they are written, become one stable form.

Where a sum of exponentials divides one of them, or has its logarithm taken, a softmax is at work.
It is the same whatever is subtracted from all logits, so here it is always their maximum: then no
exponential overflows, whatever a learner subtracted, and one program serves all ways to write it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from tinygrad_edu.compiler.passes import append, chain, reordered
from tinygrad_edu.compiler.tape import ADDITIVE, CONSTANT, Tape, inner_of, terms_of, uses_of
from tinygrad_edu.engine.ops import (
    ADD,
    DIV,
    EXP,
    LOG,
    MAXIMUM,
    MUL,
    NEG,
    POW,
    STOP_GRADIENT,
    SUB,
    Primitive,
)

Shift = tuple[int, int]  # a sign and a slot, which were subtracted from each logit
NONE: Shift = (0, -1)
Terms = list[tuple[int, int]]  # of a sum: pairs (sign, slot)


def stabilize_softmax(tape: Tape) -> Tape:
    """Compute every softmax, its logarithm and logsumexp from logits minus their maximum.

    In additive chains a logsumexp is paired with the logit that is subtracted from it, so that a
    cross entropy is the logarithm of one probability, and what was subtracted by hand cancels.

    Before::

        %0 = parameter
        %1 = parameter
        %2 = exp %0
        %3 = exp %1
        %4 = add %2 %3
        %5 = div %2 %4
        %6 = log %5
        return %6

    After::

        %0 = parameter
        %1 = parameter
        %2 = maximum %0 %1
        %3 = stop_gradient %2
        %4 = sub %0 %3
        %5 = sub %1 %3
        %6 = exp %4
        %7 = exp %5
        %8 = add %6 %7
        %9 = log %8
        %10 = sub %4 %9
        return %10
    """
    return _Rewriter(tape).run() if EXP in tape.ops else tape


@dataclass(eq=False, slots=True)
class Group:
    """Logits that share a softmax."""

    logits: Sequence[int]  # slots, in their order; one may come several times
    members: frozenset[int]
    top: int = -1  # the slot of their maximum, through which no gradient flows; made when needed
    log_total: int = -1  # that of log Σ exp(logit - top)


class Total(NamedTuple):
    """A sum of exponentials of the logits of a group, each of them minus ``shift``."""

    group: Group
    shift: Shift
    shifts: list[int]  # the slots of what is subtracted, until they are known to be alike


class Logarithm(NamedTuple):
    """What the logarithm of a slot is: ``sign`` times log(total), plus a logit minus the shift."""

    sign: int
    total: Total
    logit: int = -1  # the slot of the logit of a probability; otherwise there is none


class _Rewriter:
    """Walks a tape once, and collects what is computed anew, and in place of what."""

    def __init__(self, tape: Tape) -> None:
        self.tape = tape
        self.longer = replace(  # what is computed anew is appended, and put into its place later
            tape,
            ops=[*tape.ops],
            left=[*tape.left],
            right=[*tape.right],
            kinds=[*tape.kinds],
            data=[*tape.data],
            recorded=[*tape.recorded],
        )
        self.made: dict[tuple[Primitive, int, int], int] = {}  # what is computed already, and where
        self.instead: dict[int, int] = {}  # what is read in place of a slot
        self.start = tape.ops.index(EXP)  # no slot before it is a part of a softmax, but logits
        self.inner = inner_of(tape, *uses_of(tape, self.start), self.start)
        self.groups: dict[tuple[int, ...], Group] = {}
        self.totals: dict[int, Total | None] = {}
        self.shifted: set[tuple[int, Shift]] = set()  # the logits of totals, with their shifts
        self.means: dict[int, Logarithm] = {}  # of inverses of totals, and of probabilities
        self.exponents: dict[int, Logarithm] = {}  # sums that are the logarithm of a probability
        self.logarithms: dict[int, Logarithm] = {}  # of totals, of their inverses, ...
        self.holds: set[int] = set()  # logarithms, and inner additions with one among their terms
        self.constants: dict[float, int] = {}  # the first one of each number
        self.fixed: dict[int, float] = {}  # as in Tape, but with slots of this tape
        self.alike: dict[tuple[int, int], None] = {}

    def run(self) -> Tape:
        """Rewrite the tape; return it as it is where nothing is to be done."""
        tape, order, done = self.tape, list[int](), 0
        rules: dict[Primitive | None, Callable[[int], None]] = {
            **{EXP: self.exp, LOG: self.log, DIV: self.div, POW: self.pow, MUL: self.mul},
            **dict.fromkeys(ADDITIVE, self.additive),
        }
        for slot in range(self.start, len(tape)):
            if rule := rules.get(tape.ops[slot]):
                before = len(self.longer)
                rule(slot)
                if len(self.longer) > before:
                    order += [*range(done, slot), *range(before, len(self.longer))]
                    done = slot
        if not self.instead:
            return tape
        recorded = self.longer.recorded
        for slot, other in self.instead.items():
            recorded[other] = tape.recorded[slot] if recorded[other] < 0 else recorded[other]
        fixed = {**tape.fixed, **{recorded[slot]: x for slot, x in self.fixed.items()}}
        alike = [*tape.alike, *((recorded[a], recorded[b]) for a, b in self.alike)]
        longer = replace(self.longer, fixed=fixed, alike=alike)
        return reordered(longer, [*order, *range(done, len(tape))], self.instead)

    # what a slot means

    def exp(self, slot: int) -> None:
        """Note what is an exponential of what, so that it serves again."""
        of = self.tape.left[slot]
        self.known(slot)
        self.known(of)
        if of in self.exponents:
            self.means[slot] = self.exponents[of]

    def log(self, slot: int) -> None:
        """Take the logarithm of a total, of its inverse, or of a probability."""
        self.known(slot)
        of = self.tape.left[slot]
        meaning = self.means.get(of) or ((total := self.total(of)) and Logarithm(1, total))
        if meaning:
            self.logarithms[slot] = meaning
            self.holds.add(slot)
            self.rewrite(slot, [(1, slot)])

    def div(self, slot: int) -> None:
        """Divide an exponential, or 1, by a total."""
        above, below = self.tape.operands(slot)
        if self.tape.ops[above] is not EXP:
            self.invert(slot, below, above, 1.0)
        elif total := self.total(below):
            self.divide(slot, above, total)

    def pow(self, slot: int) -> None:
        """Take a total to the power of -1."""
        base, exponent = self.tape.operands(slot)
        self.invert(slot, base, exponent, -1.0)

    def mul(self, slot: int) -> None:
        """Multiply an exponential by the inverse of a total."""
        for factor, inverse in (pair := self.tape.operands(slot), pair[::-1]) if self.means else ():
            meaning = self.means.get(inverse)
            if meaning and meaning.logit < 0 and self.tape.ops[factor] is EXP:
                self.divide(slot, factor, meaning.total)

    def additive(self, slot: int) -> None:
        """Rewrite the chain that ends here, if it has such a logarithm among its terms."""
        holds = self.holds
        if self.tape.left[slot] in holds or self.tape.right[slot] in holds:
            if self.inner[slot]:
                holds.add(slot)
            else:
                self.rewrite(slot, self.terms(slot))

    def invert(self, slot: int, of: int, constant: int, number: float) -> None:
        """Note that a slot is the inverse of a total, if a constant has the number for it."""
        is_it = self.tape.kinds[constant] is CONSTANT and self.tape.data[constant] == number
        if is_it and (total := self.total(of)):
            self.means[slot] = Logarithm(-1, total)
            self.fixed[constant] = number

    def divide(self, slot: int, exponential: int, total: Total) -> None:
        """Compute a probability as the exponential of its logarithm, if it is one of the total."""
        power = self.tape.left[exponential]
        logit, shift, m = self.parts(power) if total.shift != NONE else (power, NONE, -1)
        if shift == total.shift and logit in total.group.members:
            self.rely(m, shift[1])
            self.means[slot] = Logarithm(-1, total, logit)
            group = self.prepare(total)
            shifted = self.put(SUB, logit, group.top)
            self.instead[slot] = self.put(EXP, self.put(SUB, shifted, group.log_total))

    def total(self, slot: int) -> Total | None:
        """Return what a slot is as a sum of exponentials; None if it is something else."""
        if slot not in self.totals:
            self.totals[slot] = self._total(slot) if self.tape.ops[slot] is ADD else None
        return self.totals[slot]

    def _total(self, slot: int) -> Total | None:
        tape = self.tape
        terms = self.terms(slot)
        powers = [tape.left[term] for sign, term in terms if sign > 0 and tape.ops[term] is EXP]
        if len(powers) < max(2, len(terms)):
            return None
        parts = [self.parts(power) for power in powers]
        shift, *others = {shift for _, shift, _ in parts}
        by_row = max(tape.kinds[logit] for logit, _, _ in parts).per_row
        if others or (tape.kinds[shift[1]].per_row and not by_row):
            # in the second case there would no longer be one number for each row without it
            shift, parts = NONE, [(power, NONE, -1) for power in powers]
        self.shifted.update((logit, shift) for logit, _, _ in parts)
        key = tuple(sorted(logit for logit, _, _ in parts))
        group = self.groups.setdefault(key, Group(key, frozenset(key)))
        return Total(group, shift, [m for _, _, m in parts])

    def parts(self, slot: int) -> tuple[int, Shift, int]:
        """Take ``a - m`` apart, or ``a + m`` where m is a constant or -n.

        Returns a, the shift, and the slot of m, which may be another constant of the same number.
        """
        tape = self.tape
        if tape.ops[slot] is SUB:
            m = tape.right[slot]
            return tape.left[slot], (1, self.first(m)), m
        if tape.ops[slot] is ADD:
            for a, m in (pair := tape.operands(slot), pair[::-1]):
                if tape.kinds[m] is CONSTANT:
                    return a, (-1, self.first(m)), m
                if tape.ops[m] is NEG:
                    return a, (1, tape.left[m]), tape.left[m]
        return slot, NONE, -1

    def terms(self, slot: int) -> Terms:
        """Return the signed terms of the chain of additions that ends at a slot."""
        terms, slots = terms_of(self.tape, slot, self.inner)
        for one in slots:
            self.known(one)
        ops, left = self.tape.ops, self.tape.left  # a sign may have been changed before the start
        return [(-sign, left[one]) if ops[one] is NEG else (sign, one) for sign, one in terms]

    def power(self, slot: int) -> int:
        """Return x for log(exp(x)); other slots as they are."""
        ops, left = self.tape.ops, self.tape.left
        return left[left[slot]] if ops[slot] is LOG and ops[left[slot]] is EXP else slot

    def first(self, slot: int) -> int:
        """Return the first constant with the number of this one; other slots as they are."""
        number = self.tape.data[slot]
        if self.tape.kinds[slot] is not CONSTANT or number != number:
            return slot
        return self.constants.setdefault(number, slot)

    def rely(self, constant: int, first: int) -> None:
        """Assume from now on that two constants have the same number."""
        if constant != first:
            self.alike[constant, first] = None

    # what is computed anew

    def known(self, slot: int) -> None:
        """Note what an operation computes, so that it is not computed again."""
        op = self.tape.ops[slot]
        if op is not None:
            self.made.setdefault((op, self.tape.left[slot], self.tape.right[slot]), slot)

    def put(self, op: Primitive, left: int, right: int = -1) -> int:
        """Compute an operation, unless it is computed already; return its slot."""
        if (op, left, right) not in self.made:
            self.made[op, left, right] = append(self.longer, op, left, right)
        return self.made[op, left, right]

    def prepare(self, total: Total) -> Group:
        """Compute what a group needs, once."""
        group, (sign, top) = total.group, total.shift
        while total.shifts:
            self.rely(total.shifts.pop(), top)
        if group.log_total < 0:
            if stopped := self.tape.ops[top] is STOP_GRADIENT:
                self.known(top)
            largest = self.tape.left[top] if stopped else top
            if sign <= 0 or not self.is_largest(largest, group.members):
                largest = self.largest([*dict.fromkeys(group.logits)])
            group.top = self.put(STOP_GRADIENT, largest)
            powers = [self.put(SUB, logit, group.top) for logit in group.logits]
            exponentials = [(1, self.put(EXP, power)) for power in powers]
            group.log_total = self.put(LOG, chain(self.put, exponentials))
        return group

    def largest(self, slots: Sequence[int]) -> int:
        """Compute the maximum of some slots, in rounds of pairs."""
        while len(slots) > 1:
            pairs = zip(slots[::2], slots[1::2], strict=False)
            odd = slots[len(slots) // 2 * 2 :]
            slots = [*(append(self.longer, MAXIMUM, *pair) for pair in pairs), *odd]
        return slots[0]

    def is_largest(self, slot: int, members: frozenset[int]) -> bool:
        """Check that a slot is the maximum of these slots and no others."""
        seen, stack = set[int](), [slot]
        while stack and len(seen) < 2 * len(members):
            slot = stack.pop()
            if slot not in members and self.tape.ops[slot] is MAXIMUM:
                stack += [x for x in self.tape.operands(slot) if x not in seen]
            elif slot not in members:
                return False
            seen.add(slot)
        return not stack and members <= seen

    def rewrite(self, slot: int, terms: Terms) -> None:
        """Compute a sum anew, in which logarithms are paired with logits, and shifts cancel.

        log(total) is log Σ exp(logit - top) + top - shift. So it is counted how often each slot is
        added: shifts cancel there. From a logit that is subtracted from such a logarithm, top is
        subtracted, and for each logarithm that is left over, top is added.
        """
        logs: dict[Group, int] = {}
        count: Counter[int] = Counter()
        shifts: set[Shift] = set()
        for sign, term in terms:
            if term in self.logarithms:
                way, total, logit = self.logarithms[term]
                group = self.prepare(total)
                logs[group] = logs.get(group, 0) + sign * way
                shifts.add(total.shift)
                if logit >= 0:
                    count[logit] += sign
                else:
                    count[total.shift[1]] -= sign * way * total.shift[0]
        cancel = {shift[1] for shift in shifts}
        for sign, term in terms:
            if term in self.logarithms:
                continue
            power = self.power(term)
            for logit, shift, m in (self.parts(power), (power, NONE, -1)):
                if shift in shifts and (logit, shift) in self.shifted:
                    self.rely(m, shift[1])
                    count[logit] += sign
                    count[shift[1]] -= sign * shift[0]
                    break
            else:
                if (m := self.first(term)) in cancel:
                    self.rely(term, m)
                    term = m
                count[term] += sign
        new: Terms = []
        paired = None  # the last logarithm that met its logit
        for group, times in logs.items():
            few = group.logits if len(group.logits) < len(count) else [*count]
            for logit in few:
                while times * count[logit] < 0 and logit in group.members:
                    sign = 1 if times > 0 else -1
                    new += [(sign, group.log_total), (-sign, self.put(SUB, logit, group.top))]
                    paired = Logarithm(sign, Total(group, NONE, []), logit)
                    times -= sign
                    count[logit] += sign
            new += _times(group.log_total, times)
            count[group.top] += times
        for term, times in count.items():
            new += _times(term, times)
        kinds = [self.longer.kinds[term] for _, term in new]
        if new and max(kinds).per_row == self.tape.kinds[slot].per_row:
            new.sort(key=lambda term: -term[0])  # so that a negative one is first only if all are
            if paired and paired.sign < 0 and len(new) == 2:
                self.exponents[slot] = paired
            if (other := chain(self.put, new)) != slot:
                self.instead[slot] = other


def _times(slot: int, times: int) -> Terms:
    """Return the terms that add a slot so many times, or subtract it."""
    return [(1 if times > 0 else -1, slot)] * abs(times)
