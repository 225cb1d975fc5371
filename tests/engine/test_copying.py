"""Copies and pickles: what was shared stays shared, what was kept stays kept, at any depth."""

import base64
import copy
import gc
import io
import pickle
from random import Random

import pytest

from tests.programs import VALUES, chain, random_program
from tinygrad_edu import Value, topological_order
from tinygrad_edu.engine import ops

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


class Measured(Value):
    """A Value with a slot and attributes of its own."""

    __slots__ = ("__dict__", "unit")


def description(root):
    """Everything that a graph is made of, with places in the order instead of objects."""
    order = topological_order(root)
    place = {node: i for i, node in enumerate(order)}
    return [
        (v.data, v.grad, v.label, v.constant, v.origin, v.op, [place[u] for u in v.inputs])
        for v in order
    ]


@every_way
@pytest.mark.parametrize("seed", range(5))
def test_a_graph_comes_back_whole(there_and_back, seed):
    """Each node with its number, gradient, label, scope, row, sharing; a leaf alone, too."""
    registers = random_program(Random(seed), steps=40).run(VALUES)
    root = registers[-1]
    for i, v in enumerate(registers):
        v.label, v.origin = f"v{i}", f"mlp.layer{i}"
    root.backward()

    for whole in (root, registers[0]):
        twin = there_and_back(whole)

        assert description(twin) == description(whole)
        assert not set(topological_order(twin)) & set(topological_order(whole))


@every_way
def test_attributes_of_a_subclass_come_back(there_and_back):
    """What is in its slots and in its dictionary, and Values among it as the graph has them."""
    length, time = Measured(3.0, "l"), Measured(2.0, "t")
    length.unit, length.twice = "m", length * 2.0
    time.of = [length, time]
    speed = length / time * length.twice

    twin, twin_length, twin_time = there_and_back([speed, length, time])

    assert (twin_length.unit, type(twin_length), twin.data) == ("m", Measured, 9.0)
    assert twin_time.of[0] is twin_length
    assert twin_time.of[1] is twin_time
    assert twin.inputs[1] is twin_length.twice
    assert twin_length.twice.inputs[0] is twin_length
    assert not hasattr(twin_time, "unit")


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
    assert all(there_and_back(row) is row for row in ops.TABLE.values())


def test_copy_copy_copies_one_node():
    """The inputs are those of the original; changing one leaves the other as it was."""
    x = Value(3.0, "x")
    square = x * x
    square.backward()

    twin = copy.copy(square)

    assert twin is not square
    assert description(twin) == description(square)
    assert twin.inputs == (x, x)
    twin.data = 4.0
    assert square.data == 9.0


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


def break_off(root):
    """Begin a pickle that the disk has no room for."""
    with pytest.raises(OSError, match="full"):
        pickle.Pickler(FullFile(100_000), protocol=5).dump(root)


@pytest.mark.parametrize("use", [break_off, copy.copy])
def test_what_writes_no_pickle_harms_no_deep_part_of_the_graph(use):
    """copy.copy asks for the recipe of a pickle, too; a hidden value 3,000 deep still pickles."""
    hidden = chain(3000)
    use(hidden * 2.0)

    twin = pickle.loads(pickle.dumps(hidden))

    assert description(twin) == description(hidden)


@pytest.mark.slow
@pytest.mark.parametrize("there_and_back", [copy.deepcopy, by_pickle(5)], ids=["deepcopy", "5"])
def test_every_value_of_a_chain_copied_in_one_list(there_and_back):
    """The 2,000 states of a recurrence, kept in a list, come back as that list."""
    states = topological_order(chain(2000))

    twins = there_and_back(states)

    assert topological_order(twins[-1]) == twins


def test_the_collector_pauses_during_a_deep_copy():
    """All that a copy makes is in use: to look at it would be for nothing."""
    root, runs = chain(5_000), []
    gc.callbacks.append(lambda phase, info: runs.append(phase))
    try:
        copy.deepcopy(root)
    finally:
        gc.callbacks.pop()

    assert runs.count("start") <= 1  # a young collection that was due
    assert gc.isenabled()


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
