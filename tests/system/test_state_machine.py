"""Everything one can do to graphs, in any order, on the engine and on the naive one at once.

Hypothesis builds, changes leaves, walks, copies, pickles and drops, and cuts a failing story down
to its shortest. The rows used are those in which both engines do the same float operations, so
that all numbers must agree to the last bit.
"""

import copy
import gc
import itertools
import pickle
import re

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests import naive
from tinygrad_edu import Value, as_function, topological_order
from tinygrad_edu.engine import ops
from tinygrad_edu.engine.context import HERE, here
from tinygrad_edu.engine.errors import StaleGraphError

ONE = st.sampled_from(["neg", "exp", "sin", "cos", "relu", "abs"])
TWO = st.sampled_from(["add", "sub", "mul", "maximum", "minimum"])
NUMBERS = st.sampled_from([0.0, -0.0, 0.1, 0.5, -1.0, 1.0, 2.0, -3.0, 0.7])
PLACES = st.integers(0, 99)  # in a list, counted around
WAYS = st.sampled_from(["deepcopy", 2, 3, 4, 5])
STORIES = itertools.count()


class Graphs(RuleBasedStateMachine):
    """Pairs of nodes, ours and the naive engine's, that must stay the same."""

    def __init__(self):
        super().__init__()
        self.pairs = []
        self.story = f"story {next(STORIES)}"  # marks the Values that belong here
        self.before = here()
        HERE.set(self.before.replaced(origin=self.story))
        gc.freeze()  # so that looking for what is alive looks at new objects only

    def pick(self, i):
        """One of the pairs at hand."""
        return self.pairs[i % len(self.pairs)]

    def build(self, row, *operands):
        """Build the same node on both sides, unless its number grows too large."""
        numbers = [y.data if isinstance(y, naive.Number) else y for _, y in operands]
        if max(map(abs, numbers)) < (10.0 if row == "exp" else 1e6):
            ours = as_function(ops.TABLE[row])(*(x for x, _ in operands))
            self.pairs.append((ours, naive.apply(row, *(y for _, y in operands))))

    @initialize(x=NUMBERS)
    def start(self, x):
        """There is always a node to work with."""
        self.leaf(x)

    @rule(x=NUMBERS)
    def leaf(self, x):
        """Value(x)"""
        self.pairs.append((Value(x), naive.Number(x)))

    @rule(row=ONE, i=PLACES)
    def unary(self, row, i):
        """f(v)"""
        self.build(row, self.pick(i))

    @rule(row=TWO, i=PLACES, j=PLACES)
    def binary(self, row, i, j):
        """f(v, w), where both may be the same"""
        self.build(row, self.pick(i), self.pick(j))

    @rule(row=TWO, i=PLACES, x=NUMBERS, left=st.booleans())
    def with_a_number(self, row, i, x, left):
        """f(v, 2.0) or f(2.0, v)"""
        if isinstance(self.pick(i)[0], Value):
            self.build(row, *[self.pick(i), (x, x)][:: -1 if left else 1])

    @rule(i=PLACES, j=PLACES, x=NUMBERS)
    def change(self, i, j, x):
        """v.data = x, for a leaf anywhere below a node at hand"""
        root, twin = self.pick(i)
        nodes = zip(topological_order(root), naive.recursive_order(twin), strict=True)
        leaves = [(v, n) for v, n in nodes if not n.rule]
        v, n = leaves[j % len(leaves)]
        v.data = n.data = x

    @rule(i=PLACES, cotangent=st.sampled_from([1.0, -2.0, 0.5]))
    def backward(self, i, cotangent):
        """Gradients where the graph is sound, else an error that names the first stale node."""
        root, twin = self.pick(i)
        order = naive.recursive_order(twin)
        stale = [n for n in order if n.recomputed() != n.data]
        if not stale:
            root.backward(cotangent)
            naive.backward(twin, cotangent)
            return

        what = f"^{stale[0].rule} was {re.escape(format(stale[0].data, '.6g'))} when"
        with pytest.raises(StaleGraphError, match=what):
            root.backward(cotangent)

        for n in order:
            n.grad = None if n.rule else n.grad  # nothing is promised for inner nodes then

    @rule(i=PLACES)
    def zero_grad(self, i):
        """v.zero_grad()"""
        root, twin = self.pick(i)
        root.zero_grad()
        for n in naive.recursive_order(twin):
            n.grad = 0.0

    @rule(places=st.lists(PLACES, min_size=1, max_size=2), way=WAYS)
    def copies(self, places, way):
        """One graph, or two that may share nodes, by deepcopy or by a protocol of pickle"""
        roots, twins = zip(*map(self.pick, places), strict=True)
        deep = way == "deepcopy"
        ours = copy.deepcopy(roots) if deep else pickle.loads(pickle.dumps(roots, way))
        known = {}
        self.pairs += zip(ours, (naive.clone(n, known) for n in twins), strict=True)

    @precondition(lambda self: len(self.pairs) > 1)
    @rule(i=PLACES)
    def drop(self, i):
        """del v: what only v needed is gone at once"""
        del self.pairs[i % len(self.pairs)]

        reach = {v for root, _ in self.pairs for v in topological_order(root)}
        assert self.alive() == len(reach)

    def alive(self):
        """How many Values of this story there are, within reach or not."""
        return sum(type(v) is Value and v.origin == self.story for v in gc.get_objects())

    @invariant()
    def both_sides_are_the_same(self):
        """Same structure, same sharing, same numbers, for all that is within reach."""
        partner = {}
        for root, twin in self.pairs:
            nodes = zip(topological_order(root), naive.recursive_order(twin), strict=True)
            for v, n in nodes:
                assert partner.setdefault(v, n) is n
                assert (v.op.name if v.op else None, v.constant) == (n.rule, n.constant)
                assert v.data.hex() == n.data.hex()
                assert n.grad in (None, v.grad)
        assert len(set(partner.values())) == len(partner)

    def teardown(self):
        """At the end nothing is left."""
        HERE.set(self.before)
        self.pairs.clear()
        alive = self.alive()
        gc.unfreeze()
        assert alive == 0


@pytest.mark.promise(name="stories")
def test_both_engines_go_through_the_same_stories(cases, measured):
    """So many stories of up to 40 steps; at the shortest that fails, the steps are printed."""
    plan = settings(max_examples=cases, stateful_step_count=40, deadline=None)

    run_state_machine_as_test(Graphs, settings=plan)

    measured(f"{cases:,} stories of up to 40 steps")
