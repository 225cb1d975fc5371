"""Hooks: the one watcher, those it passes on to, and the scope that new nodes remember."""

import pytest

from tinygrad_edu import Value, grad
from tinygrad_edu.engine import hooks


class Notes(hooks.PassOn):
    """A watcher that writes down what it is told, and passes it on."""

    def __init__(self, before=None):
        super().__init__(before)
        self.seen = []

    def built(self, node):
        """Note the operation."""
        self.seen.append(f"built {node.op.name}")
        super().built(node)

    def compared(self, node):
        """Note the number."""
        self.seen.append(f"compared {node.data:g}")
        super().compared(node)

    def walked(self, order):
        """Note how many nodes there are."""
        self.seen.append(f"walked {len(order)}")
        super().walked(order)

    def flowed(self, node, child, partial, cotangent, total):
        """Note the product."""
        self.seen.append(f"flowed {partial * cotangent:g} of {total:g}")
        super().flowed(node, child, partial, cotangent, total)


@pytest.fixture
def watched():
    """Two watchers, of which the second passes on to the first."""
    first = Notes()
    second = Notes(first)
    before = hooks.watch(second)
    yield first, second
    hooks.watch(before)


def test_a_watcher_is_told_and_passes_everything_on(watched):
    """Nodes that are built, comparisons, backward passes, and what flows inside ``grad``."""
    first, second = watched

    x = Value(3.0)
    y = x * x
    assert y > 8.0
    y.backward()
    grad(lambda v: v * v)(2.0)

    assert second.seen[:3] == ["built mul", "compared 9", "walked 2"]
    assert "flowed 2 of 2" in second.seen
    assert "flowed 2 of 4" in second.seen
    assert first.seen == second.seen


def test_watching_ends_with_the_watcher_before():
    """``watch`` gives back who watched, so that nested blocks can end in order."""
    first, second = Notes(), Notes()
    outside = hooks.watch(first)

    assert hooks.watch(second) is first
    assert hooks.watch(outside) is second
    assert Value(1.0).exp().data > 2.0
    assert first.seen == second.seen == []


def test_a_node_remembers_the_scope_in_which_it_was_built():
    """Entered and left by hand here; modules of nn do it for their nodes."""
    before = hooks.enter_scope("layer0")
    inside = Value(1.0).exp()
    name = hooks.enter_scope(before)
    outside = Value(1.0).exp()

    assert name == "layer0"
    assert inside.origin == "layer0"
    assert outside.origin == before
