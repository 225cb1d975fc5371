"""The context: who watches, the scope that new nodes remember; each thread and task has its own."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from random import Random
from threading import Barrier

import pytest

from tinygrad_edu import Value, detect_anomaly, grad, nn
from tinygrad_edu.compiler import recording
from tinygrad_edu.engine.context import HERE, Watcher, here, watched_by
from tinygrad_edu.engine.errors import AnomalyError, SettingError

WORKERS = 4


class Notes(Watcher):
    """A watcher that writes down what it is told."""

    def __init__(self):
        self.seen = []

    def built(self, node):
        """Note the operation."""
        self.seen.append(f"built {node.op.name}")

    def compared(self, node):
        """Note the number."""
        self.seen.append(f"compared {node.data:g}")

    def walked(self, order):
        """Note how many nodes there are."""
        self.seen.append(f"walked {len(order)}")

    def flowed(self, node, child, partial, cotangent, total):
        """Note the product."""
        self.seen.append(f"flowed {partial * cotangent:g} of {total:g}")


def test_every_watcher_is_told_everything():
    """Nodes that are built, comparisons, backward passes, and what flows inside ``grad``."""
    first, second = Notes(), Notes()

    with watched_by(first), watched_by(second):
        x = Value(3.0)
        y = x * x
        assert y > 8.0
        y.backward()
        grad(lambda v: v * v)(2.0)

    assert second.seen[:3] == ["built mul", "compared 9", "walked 2"]
    assert "flowed 2 of 2" in second.seen
    assert "flowed 2 of 4" in second.seen
    assert first.seen == second.seen


def test_a_watcher_that_only_listens_needs_no_method():
    """The methods of the base class do nothing."""
    with watched_by(Watcher()):
        x = Value(2.0)
        y = x * x
        assert y > x
        y.backward()
        assert grad(lambda v: v * v)(2.0) == 4.0


def test_blocks_may_end_in_any_order():
    """What one block switched on goes with that block, and nothing else does."""
    notes = [Notes() for _ in range(6)]
    blocks = [watched_by(watcher) for watcher in notes]
    for block in blocks:
        block.__enter__()

    order = [*range(6)]
    Random(0).shuffle(order)
    for done, i in enumerate(order):
        blocks[i].__exit__(None, None, None)
        Value(1.0).exp()
        assert [len(watcher.seen) for watcher in notes] == [
            order.index(k) if k in order[: done + 1] else done + 1 for k in range(6)
        ]

    assert here().watchers == ()


def test_recordings_that_overlap_leave_nothing_behind():
    """As two fits in generators do; afterwards dropout drops, and Values compare."""
    first, second = recording(), recording()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    with pytest.raises(SettingError, match="while its graph was recorded"):
        assert Value(1.0) > 0.0
    second.__exit__(None, None, None)

    assert 0.0 in [v.data for v in nn.Dropout(0.5)([1.0] * 20)]
    assert Value(1.0) > 0.0


def recorded():
    """Record: a comparison is refused, and dropout asks for its masks."""
    with recording() as trace:
        yield
        with pytest.raises(SettingError, match="while its graph was recorded"):
            assert Value(1.0) > 0.0
        yield
        nn.Dropout(0.5)([1.0, 1.0])
        assert len(trace.given) == 1
        yield


def watched_for_anomalies():
    """Build an inf, which is refused, and nodes that remember their line."""
    with detect_anomaly():
        yield
        with pytest.raises(AnomalyError, match="log became -inf"):
            Value(0.0).log()
        yield
        assert "test_context.py" in Value(1.0).exp().origin
        yield


def scoped():
    """Run a model: its nodes remember the neuron, and nothing else."""
    model = nn.MLP(1, [2, 1])
    yield
    assert model([1.0]).origin == "layer1/neuron0"
    yield
    assert Value(1.0).exp().origin == ""
    yield


def plain():
    """Work with nothing switched on."""
    yield
    assert Value(0.0).log().data == float("-inf")
    assert Value(1.0) > 0.0
    yield
    assert here().trace is None
    assert Value(1.0).exp().origin == ""
    yield


def differentiated():
    """Differentiate twice, with a Value of one's own inside."""
    weight = Value(3.0)
    for _ in range(3):
        yield
        assert grad(grad(lambda x: x * x * x))(2.0) == 12.0
        assert grad(lambda x: x * 2.0)(weight).data == 2.0


STORIES = (recorded, watched_for_anomalies, scoped, plain, differentiated)


@pytest.mark.parametrize("seed", range(10))
def test_threads_have_contexts_of_their_own(seed):
    """Four stories at a time, step by step together: each sees what it would see alone."""
    rng = Random(seed)
    barrier = Barrier(WORKERS, timeout=60)

    def tell(story):
        for _ in story():
            barrier.wait()

    with ThreadPoolExecutor(WORKERS) as pool:
        chosen = [rng.choice(STORIES) for _ in range(WORKERS)]
        list(pool.map(tell, chosen))

    assert here().watchers == ()


@pytest.mark.parametrize("seed", range(10))
def test_tasks_have_contexts_of_their_own(seed):
    """Stories in asyncio tasks that give way to each other at every step."""
    rng = Random(seed)

    async def tell(story):
        for _ in story():
            await asyncio.sleep(0)

    async def all_of_them():
        await asyncio.gather(*(tell(rng.choice(STORIES)) for _ in range(20)))

    asyncio.run(all_of_them())

    assert here().watchers == ()


@pytest.mark.parametrize("story", STORIES)
def test_a_story_that_breaks_off_leaves_nothing_behind(story):
    """A generator that is closed in the middle of its block."""
    telling = story()
    next(telling)
    next(telling)
    telling.close()

    assert here().watchers == ()
    assert here().differentiated == ()


def test_a_context_is_never_changed():
    """Another task may have been started with it: a block puts a new one in its place."""
    before = HERE.get()

    with watched_by(Notes()):
        nn.Neuron(1)([1.0])
        assert HERE.get() is not before

    assert (before.origin, before.module, before.watchers) == ("", None, ())
