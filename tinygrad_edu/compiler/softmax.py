"""Stage 2 continued: softmax and cross entropy, however they are written, become one stable form.

Where a sum of exponentials divides one of them, or has its logarithm taken, a softmax is at work.
It is the same whatever is subtracted from all logits, so here it is always their maximum: then no
exponential overflows, whatever a learner subtracted, and one program serves all ways to write it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from tinygrad_edu.compiler.passes import append, chain, drop_dead, rewired
from tinygrad_edu.compiler.tape import ADDITIVE, CONSTANT, Tape, terms_of, uses_of
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
    """Logits that share a softmax, and the slots of its pieces, made when first needed."""

    logits: Sequence[int]  # in the order of their slots; one may come several times
    members: frozenset[int]
    top: int = -1  # their maximum, through which no gradient flows
    log_total: int = -1  # log Σ exp(shifted)
    shifted: dict[int, int] = field(default_factory=dict)  # logit - top, for each logit
    log_probabilities: dict[int, int] = field(default_factory=dict)
    probabilities: dict[int, int] = field(default_factory=dict)


class Total(NamedTuple):
    """A sum of exponentials of the logits of a group, each of them minus ``shift``."""

    slot: int
    group: Group
    shift: Shift
    exponentials: Sequence[int]
    alike: Sequence[tuple[int, int]]  # constants that were taken for one
    one: tuple[int, float] = (-1, 0.0)  # the constant that makes its inverse, and its number


class Logarithm(NamedTuple):
    """A slot that holds ``sign`` times log(total), plus ``logit - shift`` where there is one."""

    sign: int
    total: Total
    logit: int = -1


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
        self.instead: dict[int, int] = {}  # what is read in place of a slot
        uses, reader = uses_of(tape)
        additive = [op in ADDITIVE for op in tape.ops]
        self.inner = [
            own and count == 1 and additive[by]
            for own, count, by in zip(additive, uses, reader, strict=True)
        ]
        self.groups: dict[tuple[int, ...], Group] = {}
        self.totals: dict[int, Total | None] = {}
        self.inverses: dict[int, Total] = {}  # 1 / total
        self.probabilities: dict[int, tuple[Total, int]] = {}
        self.logarithms: dict[int, Logarithm] = {}
        self.holds: set[int] = set()  # logarithms, and inner additions with one among their terms
        self.shifted: set[tuple[int, Shift]] = set()  # the logits of totals, with their shifts
        self.constants: dict[float, int] = {}  # the first one of each number
        self.fixed: dict[int, float] = {}  # as in Tape, but with slots of this tape
        self.alike: dict[tuple[int, int], None] = {}

    def run(self) -> Tape:
        """Rewrite the tape; return it as it is where nothing is to be done."""
        tape, order = self.tape, list[int]()
        rules = {LOG: self.log, DIV: self.div, POW: self.pow, MUL: self.mul}
        rules |= dict.fromkeys((ADD, SUB, NEG), self.additive)
        for slot, op in enumerate(tape.ops):
            if op in rules:
                before = len(self.longer)
                rules[op](slot)
                order += range(before, len(self.longer))
            order.append(slot)
        if not self.instead:
            return tape
        at = [0] * len(order)
        for position, slot in enumerate(order):
            at[slot] = position
        recorded = self.longer.recorded
        for slot, other in self.instead.items():
            at[slot] = at[other]
            recorded[other] = tape.recorded[slot] if recorded[other] < 0 else recorded[other]
        fixed = {**tape.fixed, **{recorded[slot]: x for slot, x in self.fixed.items()}}
        alike = [*tape.alike, *((recorded[a], recorded[b]) for a, b in self.alike)]
        return drop_dead(rewired(replace(self.longer, fixed=fixed, alike=alike), order, at))

    # what a slot means

    def log(self, slot: int) -> None:
        """Take the logarithm of a total, of its inverse, or of a probability."""
        of = self.tape.left[slot]
        if of in self.probabilities:
            total, logit = self.probabilities[of]
            self.logarithms[slot] = Logarithm(-1, total, logit)
            self.instead[slot] = self.log_probability(total.group, logit)
        elif whole := self.inverses.get(of) or self.total(of):
            self.logarithms[slot] = Logarithm(-1 if of in self.inverses else 1, whole)
            self.prepare(whole, slot)
            self.rewrite(slot, [(1, slot)])
        if slot in self.logarithms:
            self.holds.add(slot)

    def div(self, slot: int) -> None:
        """Divide an exponential, or 1, by a total."""
        above, below = self.tape.operands(slot)
        if self.tape.ops[above] is EXP:
            self.probability(slot, above, self.total(below))
        else:
            self.invert(slot, below, above, 1.0)

    def pow(self, slot: int) -> None:
        """Take a total to the power of -1."""
        base, exponent = self.tape.operands(slot)
        self.invert(slot, base, exponent, -1.0)

    def mul(self, slot: int) -> None:
        """Multiply an exponential by the inverse of a total."""
        for factor, inverse in (pair := self.tape.operands(slot), pair[::-1]):
            if inverse in self.inverses and self.tape.ops[factor] is EXP:
                self.probability(slot, factor, self.inverses[inverse])

    def additive(self, slot: int) -> None:
        """Rewrite the chain that ends here, if it has such a logarithm among its terms."""
        if self.holds.isdisjoint(self.tape.operands(slot)):
            return
        if self.inner[slot]:
            self.holds.add(slot)
        else:
            self.rewrite(slot, terms_of(self.tape, slot, self.inner)[0])

    def invert(self, slot: int, of: int, constant: int, number: float) -> None:
        """Note that a slot is the inverse of a total, if a constant has the number for it."""
        if self.is_number(constant, number) and (total := self.total(of)):
            self.inverses[slot] = total._replace(one=(constant, number))

    def probability(self, slot: int, exponential: int, total: Total | None) -> None:
        """Compute a probability as the exponential of its logarithm, if it is one of the total."""
        if total is None:
            return
        logit = self.tape.left[exponential]
        if total.shift != NONE:
            logit, shift, constant = self.parts(logit)
            if shift != total.shift:
                return
        if logit in total.group.members:
            if total.shift != NONE:
                self.rely(constant, total.shift[1])
            group = self.prepare(total, slot)
            self.probabilities[slot] = total, logit
            if logit not in group.probabilities:
                logarithm = self.log_probability(group, logit)
                group.probabilities[logit] = append(self.longer, EXP, logarithm)
            self.instead[slot] = group.probabilities[logit]

    def total(self, slot: int) -> Total | None:
        """Return what a slot is as a sum of exponentials; None if it is something else."""
        if slot not in self.totals:
            self.totals[slot] = self._total(slot) if self.tape.ops[slot] is ADD else None
        return self.totals[slot]

    def _total(self, slot: int) -> Total | None:
        tape = self.tape
        terms, _ = terms_of(tape, slot, self.inner)
        exponentials = [term for sign, term in terms if sign > 0 and tape.ops[term] is EXP]
        if len(exponentials) < max(2, len(terms)):
            return None
        powers = [tape.left[term] for term in exponentials]
        parts = [self.parts(power) for power in powers]
        shift, *others = {shift for _, shift, _ in parts}
        if others:
            shift = NONE
        logits = powers if shift == NONE else [logit for logit, _, _ in parts]
        key = tuple(sorted(logits))
        group = self.groups.setdefault(key, Group(key, frozenset(key)))
        self.shifted.update((logit, shift) for logit in logits)
        alike = [(m, shift[1]) for _, _, m in parts if shift != NONE and m != shift[1]]
        return Total(slot, group, shift, exponentials, alike)

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

    def is_number(self, slot: int, number: float) -> bool:
        """Check for a constant."""
        return self.tape.kinds[slot] is CONSTANT and self.tape.data[slot] == number

    # what is computed anew

    def prepare(self, total: Total, reader: int) -> Group:
        """Compute what a group needs, once. Of the total's own pieces, those that fit serve.

        ``reader`` is the slot at hand, perhaps the logarithm of the total.
        """
        tape, longer, group = self.tape, self.longer, total.group
        self.alike.update(dict.fromkeys(total.alike))
        if total.one[0] >= 0:
            self.fixed[total.one[0]] = total.one[1]
        if group.log_total >= 0:
            return group
        (sign, top), logits = total.shift, [*dict.fromkeys(group.logits)]
        stopped = sign > 0 and tape.ops[top] is STOP_GRADIENT
        largest = tape.left[top] if stopped else top
        if sign <= 0 or not self.is_largest(largest, group.members):
            largest, stopped = self.largest(logits), False
        group.top = top if stopped else append(longer, STOP_GRADIENT, largest)
        powers = {tape.left[slot]: slot for slot in total.exponentials if stopped}
        own = {tape.left[x]: x for x in powers if tape.ops[x] is SUB}
        whole = len(own) == len(logits)
        for logit in logits:
            group.shifted[logit] = own.get(logit) or append(longer, SUB, logit, group.top)
        if whole:
            slot = total.slot
        else:
            made = {x: powers.get(x) or append(longer, EXP, x) for x in group.shifted.values()}
            slot = chain(longer, [(1, made[group.shifted[logit]]) for logit in group.logits])
        known = tape.ops[reader] is LOG and tape.left[reader] == slot
        group.log_total = reader if known else append(longer, LOG, slot)
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

    def log_probability(self, group: Group, logit: int) -> int:
        """Compute the logarithm of a probability, once."""
        if logit not in group.log_probabilities:
            shifted = group.shifted[logit]
            slot = append(self.longer, SUB, shifted, group.log_total)
            group.log_probabilities[logit] = slot
        return group.log_probabilities[logit]

    def rewrite(self, slot: int, terms: Terms) -> None:
        """Compute a sum anew, in which logarithms are paired with logits, and shifts cancel.

        log(total) is log Σ exp(logit - top) + top - shift. It is counted how often each slot is
        added; a logit that is subtracted from the logarithm is a shifted logit without top.
        """
        logs: dict[Group, int] = {}
        count: Counter[int] = Counter()
        shifts: set[Shift] = set()
        plain: Terms = []
        for sign, term in terms:
            if term not in self.logarithms:
                plain.append((sign, term))
                continue
            way, total, logit = self.logarithms[term]
            logs[total.group] = logs.get(total.group, 0) + sign * way
            shifts.add(total.shift)
            if logit >= 0:
                count[logit] += sign
            elif total.shift != NONE:
                count[total.shift[1]] -= sign * way * total.shift[0]
        alike = {shift[1] for shift in shifts}
        for sign, term in plain:
            power = self.power(term)
            logit, shift, m = self.parts(power)
            if shift in shifts and (logit, shift) in self.shifted:
                count[logit] += sign
                if shift != NONE:
                    count[shift[1]] -= sign * shift[0]
                    self.rely(m, shift[1])
            elif NONE in shifts and (power, NONE) in self.shifted:
                count[power] += sign
            elif (m := self.first(term)) in alike:
                count[m] += sign
                self.rely(term, m)
            else:
                count[term] += sign
        new: Terms = []
        for group, times in logs.items():
            few = group.logits if len(group.logits) < len(count) else [*count]
            for logit in few:
                while times * count[logit] < 0 and logit in group.members:
                    sign = 1 if times > 0 else -1
                    new += [(sign, group.log_total), (-sign, group.shifted[logit])]
                    times -= sign
                    count[logit] += sign
            new += [(1 if times > 0 else -1, group.log_total)] * abs(times)
            count[group.top] += times
        for term, times in count.items():
            new += [(1 if times > 0 else -1, term)] * abs(times)
        if new and Counter(new) != Counter(terms):
            new.sort(key=lambda term: -term[0])  # so that a negative one is first only if all are
            self.instead[slot] = chain(self.longer, new)
