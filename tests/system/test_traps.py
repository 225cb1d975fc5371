"""Where engines give a wrong number in silence: each test names it, and what is right.

The eight situations of the promises, then the stale graph in full.
"""

import copy
import re

import pytest

from tinygrad_edu import Value, as_function
from tinygrad_edu.engine.errors import StaleGraphError
from tinygrad_edu.engine.ops import Primitive

pytestmark = pytest.mark.promise(name="traps")


def test_backward_twice_doubles_the_leaves():
    """2 x² at 3 has slope 12: twice that is 24. Inner gradients left standing give 36."""
    x = Value(3.0)
    root = (x * x) * 2.0

    root.backward()
    root.backward()

    wrong = 36.0
    assert x.grad == 24.0 != wrong


@pytest.mark.parametrize("x", [0.1, 0.7, 1.3, 2.9])
def test_backward_twice_doubles_exactly(x):
    """To the last bit, also where the gradient itself is rounded."""
    leaf = Value(x)
    root = (leaf.exp() * leaf.sin() + leaf / 3.0).tanh()
    root.backward()
    once = leaf.grad

    root.backward()

    assert leaf.grad == 2.0 * once


def test_a_changed_leaf_is_noticed():
    """x² was built at 3 and x is 5 now: neither slope, 6 or 10, belongs to what is shown as 9."""
    x = Value(3.0)
    square = x * x
    x.data = 5.0

    with pytest.raises(StaleGraphError, match="was 9 when this graph was built"):
        square.backward()

    wrong = (6.0, 10.0)
    assert x.grad not in wrong


def test_a_second_step_on_the_graph_of_the_first_is_noticed():
    """After w -= 0.1 dw the old loss has the old slope, -8, which the second step would repeat."""
    w, x = Value(1.0, "w"), Value(2.0, "x")
    loss = (w * x - 4.0) ** 2
    loss.backward()
    w.data -= 0.1 * w.grad
    w.grad = 0.0

    with pytest.raises(StaleGraphError, match=r"^mul was 2 when this graph was built"):
        loss.backward()

    wrong = -8.0
    assert w.grad == 0.0 != wrong


def test_a_deepcopy_has_gradients_of_its_own():
    """backward on the copy leaves the original at 0, where a copied closure would write 6."""
    x = Value(3.0)
    square = x * x

    twin = copy.deepcopy(square)
    twin.backward()

    wrong = (6.0, 0.0)
    assert (x.grad, twin.inputs[0].grad) == (0.0, 6.0) != wrong


def test_a_rerun_after_an_interrupt_is_right(interrupting_row):
    """x + f(x) has slope 2. What a pass that was cut off had added already would make it 3."""
    x = Value(3.0)
    root = x + interrupting_row(x)
    with pytest.raises(KeyboardInterrupt):
        root.backward()

    root.backward()

    wrong = 3.0
    assert x.grad == 2.0 != wrong


@pytest.fixture
def interrupting_row():
    """The identity, whose slope is interrupted the first time."""
    calls = []

    def partials(xp, out, x):
        calls.extend([x] * isinstance(x, float))  # it is run on symbols first
        if len(calls) == 1:
            raise KeyboardInterrupt
        return (1.0,)

    return as_function(Primitive("interrupting", "x", lambda xp, x: x, partials))


def test_a_cycle_made_by_hand_is_noticed():
    """y = 2 x whose x was replaced by y has no gradient; a sort that skips it says 0 for x."""
    x = Value(1.0)
    y = x * 2.0
    z = y + 1.0
    y._left = z

    with pytest.raises(StaleGraphError, match="is an input of one of its own inputs"):
        z.backward()


def test_graphs_that_share_a_leaf_add_up():
    """x² and 3 x at 3: 6 + 3 = 9. Gradients that overwrite leave 3."""
    x = Value(3.0)

    (x * x).backward()
    (x * 3.0).backward()

    wrong = 3.0
    assert x.grad == 9.0 != wrong


def test_graphs_that_share_an_inner_value_add_up():
    """2 x² and 5 x² at 3: 12 + 30 = 42. The first pass left on x² gives 12 + 42 = 54."""
    x = Value(3.0)
    square = x * x

    (square * 2.0).backward()
    (square * 5.0).backward()

    wrong = 54.0
    assert x.grad == 42.0 != wrong


def test_backward_from_a_leaf_adds_one():
    """dx/dx is 1, and the leaf accumulates it: 2 after two passes, not 0 and not 1."""
    x = Value(3.0)

    x.backward()
    x.backward()

    wrong = (0.0, 1.0)
    assert x.grad == 2.0
    assert x.grad not in wrong


def test_a_stale_graph_is_described():
    """Both numbers, the inputs by label, where it came from, and what to do."""
    w, x = Value(0.5, "w"), Value(3.0, "x")
    loss = (w * x).exp()
    w.data = 0.48

    with pytest.raises(StaleGraphError) as caught:
        loss.backward()

    assert str(caught.value) == (
        "mul was 1.5 when this graph was built, but its inputs w = 0.48 and x = 3 now give 1.44.\n"
        "  Where : the data of one of them was changed after the forward pass\n"
        "  Fix   : compute the loss again after changing a value, then call backward()."
    )


def test_the_first_stale_node_in_order_is_named():
    """Of all nodes that are stale, the one nearest to the leaves: it comes first in the walk."""
    x = Value(2.0, "x")
    first = x.exp()
    first.label = "first"
    second = x * 3.0
    root = first * second
    x.data = 0.0

    with pytest.raises(StaleGraphError, match=re.escape("first was 7.38906 when")) as caught:
        root.backward()

    assert "its input x = 0 now give 1" in str(caught.value)


def test_a_nan_is_not_the_first_stale_node():
    """A node that was nan, and is so still, is passed over in the message too."""
    x, y = Value(-1.0, "x"), Value(2.0, "y")
    root = x.log() + y.exp()
    y.data = 0.0

    with pytest.raises(StaleGraphError, match=r"^exp was 7\.38906 when"):
        root.backward()


def test_an_inner_value_changed_by_hand_is_noticed():
    """The data of a result belongs to its inputs."""
    x = Value(2.0, "x")
    y = x * 3.0
    y.data = 7.0

    with pytest.raises(StaleGraphError, match=r"mul was 7 when .* x = 2 and constant = 3 now"):
        y.backward()


def test_a_stale_graph_changes_no_leaf():
    """Gradients of earlier passes stay as they were."""
    x, y = Value(2.0), Value(3.0)
    old, root = x * y, (x * x) * y
    old.backward()
    x.data = 5.0

    with pytest.raises(StaleGraphError):
        root.backward()

    assert (x.grad, y.grad) == (3.0, 2.0)


def test_a_leaf_that_was_changed_back_is_no_longer_stale():
    """What counts is whether the recorded values are those of the inputs."""
    x = Value(2.0)
    square = x * x
    x.data = 5.0
    x.data = 2.0

    square.backward()

    assert x.grad == 4.0


def test_a_change_that_no_result_shows_is_not_stale():
    """relu(-1) and relu(-2) are both 0, with slope 0."""
    x = Value(-1.0)
    zero = x.relu()
    x.data = -2.0

    zero.backward()

    assert x.grad == 0.0


def test_a_change_outside_the_graph_is_not_stale():
    """A leaf of another graph has nothing to say here."""
    x, other = Value(2.0), Value(3.0)
    square, product = x * x, x * other
    other.data = 7.0

    square.backward()

    assert x.grad == 4.0
    with pytest.raises(StaleGraphError):
        product.backward()


def test_nan_is_not_stale():
    """A nan is recomputed as nan, which counts as the same: the pass runs."""
    x = Value(-1.0)

    (x.log() * 2.0).backward()

    assert x.grad == -2.0


@pytest.mark.parametrize("changed", [2.0, float("inf")])
def test_nan_that_became_a_number_is_stale(changed):
    """And a number that became nan, too."""
    x, y = Value(-1.0), Value(changed)
    was_nan, will_be_nan = x.log(), y.log()
    x.data, y.data = changed, -1.0

    with pytest.raises(StaleGraphError, match="log was nan"):
        was_nan.backward()
    with pytest.raises(StaleGraphError, match="now give nan"):
        will_be_nan.backward()
