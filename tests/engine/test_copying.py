"""Copies and pickles: what was shared stays shared, what was kept stays kept, at any depth."""

import base64
import copy
import gc
import io
import pickle
from random import Random

import pytest

from tests.programs import VALUES, random_program
from tinygrad_edu import Value, topological_order
from tinygrad_edu.engine import ops

DEEP = 1_000_000
PROTOCOLS = range(2, pickle.HIGHEST_PROTOCOL + 1)


def by_pickle(protocol, pickler=pickle.dumps):
    """The way there and back through a pickle."""
    return lambda x: pickle.loads(pickler(x, protocol=protocol))


def in_python(x, protocol):
    """A pickle written by the pickler that is itself written in Python, with its own recursion."""
    file = io.BytesIO()
    pickle._Pickler(file, protocol).dump(x)
    return file.getvalue()


WAYS = {
    "deepcopy": copy.deepcopy,
    **{f"pickle {p}": by_pickle(p) for p in PROTOCOLS},
    **{f"Python's pickle {p}": by_pickle(p, in_python) for p in PROTOCOLS},
}
every_way = pytest.mark.parametrize("there_and_back", WAYS.values(), ids=WAYS)


def description(root):
    """Everything that a graph is made of, with places in the order instead of objects."""
    order = topological_order(root)
    place = {node: i for i, node in enumerate(order)}
    return [
        (v.data, v.grad, v.label, v.constant, v.origin, v.op, [place[u] for u in v.inputs])
        for v in order
    ]


def chain(length):
    """x, then x + x, x + x + x, ...: as deep as it is long."""
    x = y = Value(1.0, "x")
    for _ in range(length):
        y = y + x
    return y


@every_way
def test_a_leaf_keeps_data_gradient_and_label(there_and_back):
    """And it is another object."""
    x = Value(0.1, "x")
    x.grad, x.origin = -2.5, "mlp.layer0"

    twin = there_and_back(x)

    assert twin is not x
    assert description(twin) == description(x)


@every_way
def test_a_constant_stays_a_constant(there_and_back):
    """The number in x * 3 gathers no gradient in the copy either."""
    twin = there_and_back(Value(2.0) * 3.0)

    twin.backward()

    assert [v.constant for v in twin.inputs] == [False, True]
    assert [v.grad for v in twin.inputs] == [3.0, 0.0]


@every_way
@pytest.mark.parametrize("seed", range(5))
def test_a_graph_comes_back_whole(there_and_back, seed):
    """Random graphs: each node with its number, gradient, label, row and the same sharing."""
    registers = random_program(Random(seed), steps=40).run(VALUES)
    root = registers[-1]
    for i, v in enumerate(registers):
        v.label = f"v{i}"
    root.backward()

    twin = there_and_back(root)

    assert description(twin) == description(root)
    assert not set(topological_order(twin)) & set(topological_order(root))


@every_way
def test_the_copy_has_a_life_of_its_own(there_and_back):
    """Its backward pass gives the right gradients, and leaves the original's alone."""
    x = Value(3.0)
    square = x * x

    twin = there_and_back(square)
    twin.backward()

    assert twin.inputs[0] is twin.inputs[1]
    assert twin.inputs[0].grad == 6.0
    assert (x.grad, square.grad) == (0.0, 0.0)


@every_way
@pytest.mark.parametrize("turn", [1, -1], ids=["inputs first", "roots first"])
def test_roots_copied_together_share_what_they_shared(there_and_back, turn):
    """A model's leaf, a hidden value and two losses in one list: one graph before and after."""
    w = Value(2.0, "w")
    hidden = w * 3.0
    losses = [hidden.exp(), hidden * hidden]
    together = [w, hidden, *losses][::turn]

    twins = there_and_back({"all": together, "again": losses})

    twin_w, twin_hidden, *twin_losses = twins["all"][::turn]
    assert twins["again"][0] is twin_losses[0]
    assert twin_losses[0].inputs == (twin_hidden,)
    assert twin_losses[1].inputs == (twin_hidden, twin_hidden)
    assert twin_hidden.inputs[0] is twin_w


@every_way
def test_a_deep_graph_needs_no_recursion(there_and_back):
    """3,000 deep is three times what Python's stack allows."""
    root = chain(3000)
    root.backward()

    twin = there_and_back([root, root])

    assert twin[0] is twin[1]
    assert description(twin[0]) == description(root)


@every_way
def test_a_row_comes_back_as_the_row_of_the_table(there_and_back):
    """Not as a copy of it: a row is its name."""
    assert there_and_back(ops.TANH) is ops.TANH
    assert there_and_back(Value(1.0).tanh()).op is ops.TANH


def test_copy_copy_copies_one_node():
    """The inputs are those of the original, as copy.copy does for a list."""
    x = Value(3.0, "x")
    square = x * x
    square.backward()

    twin = copy.copy(square)

    assert twin is not square
    assert description(twin) == description(square)
    assert twin.inputs == (x, x)


def test_copy_copy_of_a_leaf_is_a_new_leaf():
    """Changing one leaves the other as it was."""
    x = Value(3.0, "x")

    twin = copy.copy(x)
    twin.data = 4.0

    assert (x.data, twin.label) == (3.0, "x")


class FullFile:
    """A file on a disk with room for so many bytes."""

    def __init__(self, room):
        self.room = room

    def write(self, data):
        """Take the bytes, or fail as a full disk does."""
        self.room -= len(data)
        if self.room < 0:
            raise OSError("disk full")
        return len(data)


@pytest.mark.parametrize(
    ("pickler", "protocol", "length"),
    [(pickle._Pickler, 2, 300), (pickle.Pickler, 5, 6000)],
    ids=["written byte by byte", "written in frames"],
)
def test_a_pickle_that_breaks_off_harms_no_later_one(pickler, protocol, length):
    """Wherever the file refuses to take more, the next pickle is the same as ever."""
    root = chain(length)
    whole = pickle.dumps(root)

    for room in range(0, len(whole) - 1000, len(whole) // 20):
        with pytest.raises(OSError, match="full"):
            pickler(FullFile(room), protocol).dump(root)

        assert pickle.dumps(root) == whole


def test_a_pickle_that_breaks_off_harms_no_deep_part_of_the_graph():
    """After it, a hidden value 3,000 deep pickles as well as the root does."""
    hidden = chain(3000)
    root = hidden * 2.0
    with pytest.raises(OSError, match="full"):
        pickle.Pickler(FullFile(100_000), protocol=5).dump(root)

    twin = pickle.loads(pickle.dumps(hidden))

    assert description(twin) == description(hidden)


def test_copy_copy_harms_no_later_pickle():
    """copy.copy asks for the same recipe as pickle, and then does not write it."""
    hidden = chain(3000)
    root = hidden * 2.0
    copy.copy(root)

    twin = pickle.loads(pickle.dumps(hidden))

    assert description(twin) == description(hidden)


@pytest.mark.slow
@pytest.mark.parametrize("there_and_back", [copy.deepcopy, by_pickle(5)], ids=["deepcopy", "5"])
def test_every_value_of_a_chain_copied_in_one_list(there_and_back):
    """The 2,000 states of a recurrence, kept in a list, come back as that list."""
    states = topological_order(chain(2000))

    twins = there_and_back(states)

    assert topological_order(twins[-1]) == twins


@pytest.fixture
def no_collector():
    """Pause the collector, which would look at a million nodes again and again."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.slow
@pytest.mark.usefixtures("no_collector")
def test_a_million_deep_is_copied():
    """Without recursion, in one walk."""
    root = chain(DEEP)

    twin = copy.deepcopy(root)

    assert twin.data == DEEP + 1.0
    assert len(topological_order(twin)) == DEEP + 1


@pytest.mark.slow
@pytest.mark.usefixtures("no_collector")
def test_a_million_deep_is_pickled():
    """And read again."""
    root = chain(DEEP)

    twin = pickle.loads(pickle.dumps(root))

    assert twin.data == DEEP + 1.0
    assert len(topological_order(twin)) == DEEP + 1


@pytest.mark.parametrize("on", [True, False])
def test_the_collector_pauses_during_a_deep_copy_and_is_back_as_it_was(on):
    """All that a copy makes is in use: to look at it would be for nothing. Also after an error."""
    enabled, root, runs = gc.isenabled(), chain(5_000), []
    (gc.enable if on else gc.disable)()
    gc.callbacks.append(lambda phase, info: runs.append(phase))
    try:
        twin = copy.deepcopy(root)
        during, after = list(runs), gc.isenabled()
        root.op = None
        del root.data
        with pytest.raises(AttributeError):
            copy.deepcopy(root)
        after_an_error = gc.isenabled()
    finally:
        gc.callbacks.pop()
        (gc.enable if enabled else gc.disable)()

    assert during.count("start") <= 1  # a young collection that was due
    assert (after, after_an_error) == (on, on)
    assert len(topological_order(twin)) == 5_001


FIRST_EDITION = b"""
gASVMAEAAAAAAACMFHRpbnlncmFkX2VkdS5jb3B5aW5nlIwFX2xpbmuUk5QojAhidWlsdGluc5SMBGxpc3SU
k5QpUpQoaAIoKYwTdGlueWdyYWRfZWR1LmVuZ2luZZSMBVZhbHVllJOUKEdAAAAAAAAAAEe/uuDcD5kMQ4wB
d5SJjACUdJROTk50lFKUaAIoKWgJKEe/8AAAAAAAAEc/yuDcD5kMQ4wBeJSJaAt0lE5OTnSUUpRoAigpaAko
R8AAAAAAAAAARz+64NwPmQxDaAuJaAt0lIwQdGlueWdyYWRfZWR1Lm9wc5SMBmxvb2t1cJSTlIwDbXVslIWU
UpRoDmgSdJRSlGVoCShHP76EFSusMa5HP/AAAAAAAABoC4loC3SUaBaMB3NpZ21vaWSUhZRSlGgbTnSUUpQu
"""  # base64 of pickle.dumps(L), written by version 0.1.0


def test_a_pickle_of_the_first_edition_is_read():
    """The engine has moved into its room; what was pickled before still loads, graph and all."""
    root = pickle.loads(base64.b64decode(FIRST_EDITION))

    (product,) = root.inputs
    w, x = product.inputs
    assert (root.op.name, w.label, x.label) == ("sigmoid", "w", "x")
    assert (w.grad, x.grad) == (-0.10499358540350649, 0.20998717080701298)
    root.backward()
    assert w.grad == 2.0 * -0.10499358540350649
