"""The context: who watches, the scope that new nodes remember; each thread and task has its own."""

import asyncio
import gc
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, contextmanager
from contextvars import copy_context
from functools import partial
from random import Random
from threading import Barrier

import pytest

from tinygrad_edu import Value, detect_anomaly, grad, nn
from tinygrad_edu.compiler import recording
from tinygrad_edu.engine import context
from tinygrad_edu.engine.collector import collector_paused
from tinygrad_edu.engine.context import HELD, HERE, Block, Watcher, here
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

    with Block(first), Block(second):
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
    with Block(Watcher()):
        x = Value(2.0)
        y = x * x
        assert y > x
        y.backward()
        assert grad(lambda v: v * v)(2.0) == 4.0


def test_blocks_may_end_in_any_order():
    """What one block switched on goes with that block, and nothing else does."""
    notes = [Notes() for _ in range(6)]
    blocks = [Block(watcher) for watcher in notes]
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
    assert model([1.0]).origin == "layer2/neuron0"
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

    with Block(Notes()):
        nn.Neuron(1)([1.0])
        assert HERE.get() is not before

    assert (before.origin, before.module, before.watchers) == ("", None, ())


def on():
    """Whether something is being recorded here."""
    return here().trace is not None


def held():
    """How many blocks generators hold."""
    return len(HELD)


def recording_generator(steps=3):
    """Yield whether its own recording is in force."""
    with recording():
        for _ in range(steps):
            yield on()


@pytest.mark.parametrize("seed", range(10))
def test_suspended_generators_keep_their_blocks_to_themselves(seed):
    """Stories step by step in any order, in one thread: each sees what it would see alone."""
    rng = Random(seed)
    stories = [rng.choice(STORIES)() for _ in range(20)]

    while stories:
        story = rng.choice(stories)
        if next(story, "end") == "end":
            stories.remove(story)
        assert not here().watchers
        assert Value(1.0) > 0.0

    assert held() == 0


@contextmanager
def helper():
    """A helper of contextlib, which opens the block for the code inside its with statement."""
    with recording():
        yield


class Wrapper:
    """A helper written as a class."""

    def __enter__(self):
        self.block = helper()
        self.block.__enter__()

    def __exit__(self, *error):
        return self.block.__exit__(*error)


@asynccontextmanager
async def async_helper():
    """A helper of contextlib in a coroutine."""
    with recording():
        yield


def by_exit_stack():
    """Open it by an ExitStack."""
    with ExitStack() as stack:
        stack.enter_context(helper())
        yield on()
        yield on()


def by_expression():
    """Open blocks by an ExitStack inside a generator expression, which ends at once."""
    with ExitStack() as stack:
        tuple(stack.enter_context(block()) for block in (recording, helper))
        yield on()


def by_wrapper():
    """Open it by an object whose own method opens it."""
    with Wrapper():
        yield on()
        yield on()


def by_delegation():
    """Delegate to generators that have a block, inside one and outside."""
    yield from recording_generator()
    assert not on()
    with helper():
        yield from [on()]
        yield from recording_generator()


@pytest.mark.parametrize("make", [by_exit_stack, by_expression, by_wrapper, by_delegation])
def test_whatever_helper_opened_the_block_it_is_the_generators(make):
    """A helper's own generator is suspended while the with statement runs, and does not count."""
    for inside in make():
        assert inside
        assert not on()
    for helping in (helper, Wrapper):
        with helping():
            assert on()
    assert not on()
    assert held() == 0


@pytest.fixture
def recorded_test():
    """A fixture that opens a block for the test."""
    with recording() as trace:
        yield trace


def test_a_fixture_opens_its_block_for_the_test(recorded_test):
    """Although pytest suspends the fixture's generator while the test runs."""
    assert here().trace is recorded_test


def test_asynchronous_generators_and_helpers():
    """Suspended where they yield, off; helpers with ``async with`` count as their callers."""

    async def steps():
        with recording():
            yield on()
            await asyncio.sleep(0)
            yield on()

    async def main():
        async for inside in steps():
            assert inside
            assert not on()
            await asyncio.sleep(0)
        async with async_helper():
            await asyncio.sleep(0)
            assert on()
        assert not on()

    async def both():
        await asyncio.gather(main(), main())

    asyncio.run(both())
    assert held() == 0


def test_tasks_that_start_inside_a_block_are_inside_it_and_leave_it_when_it_ends():
    """A task that goes on after the block would otherwise record for ever."""
    seen = []

    async def child(ended):
        seen.append(on())
        await ended.wait()
        seen.append(on())

    async def main():
        ended = asyncio.Event()
        with recording():
            task = asyncio.create_task(child(ended))
            await asyncio.sleep(0)
        ended.set()
        await task

    asyncio.run(main())
    assert seen == [True, False]


@pytest.mark.parametrize("where", ["thread", "context", "module", "grad"])
def test_a_generator_takes_its_block_along(where):
    """Begun in one thread, context, module or ``grad``, it goes on in another."""

    class Calling(nn.Module):
        def forward(self, work):
            return work()

    def elsewhere(work):
        if where == "thread":
            with ThreadPoolExecutor(1) as pool:
                return pool.submit(work).result()
        if where == "context":
            return copy_context().run(work)
        if where == "module":
            return Calling()(work)
        results = []
        grad(lambda x: (results.append(work()), x)[1])(1.0)
        return results[0]

    for begin_there in (True, False):
        story = recording_generator(4)
        for there in (begin_there, not begin_there, begin_there):
            assert elsewhere(partial(next, story)) if there else next(story)
            assert not elsewhere(on)
            assert not on()
        elsewhere(story.close) if begin_there else story.close()
        assert held() == 0


@pytest.mark.parametrize("where", ["module", "grad"])
def test_what_is_opened_or_ended_by_hand_inside_stays_so(where):
    """When the module or ``grad`` ends, it puts back its own fields of the context alone."""

    class Calling(nn.Module):
        def forward(self, work):
            work()
            return Value(1.0)

    def inside(work):
        if where == "module":
            assert Calling()(work).origin == ""
        else:
            grad(lambda x: (work(), x)[1])(1.0)
        assert (here().module, here().origin, here().differentiated) == (None, "", ())

    block = recording()
    inside(block.__enter__)
    assert on()
    inside(partial(block.__exit__, None, None, None))
    assert not on()
    assert not context.watched


def test_a_block_may_end_in_another_thread():
    """It is off everywhere then."""
    block = recording()
    block.__enter__()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(block.__exit__, None, None, None).result()

    assert not on()
    with recording():
        pass
    assert not context.watched


def test_the_innermost_block_is_that_of_the_innermost_generator():
    """Whichever was opened first: a generator that is resumed inside another one is inside."""

    def outer(inner):
        with recording(), recording() as trace:
            yield here().trace is trace
            yield next(inner)
            yield here().trace is trace

    def inner():
        with recording() as trace:
            while True:
                yield here().trace is trace

    first = inner()
    assert next(first)
    with recording() as around:
        assert [*outer(first)] == [True] * 3
        assert here().trace is around


def test_graphs_die_with_a_generator_that_is_dropped_inside_its_block():
    """At once, with the garbage collector off: the block does not keep the generator's frame.

    (In Python 3.10 contextlib's own generators do, whatever is in them, so none is used here.)
    """

    class Marked(Value):
        pass

    def story():
        with Block(Notes()), Block(Notes()):
            graph = [Marked(1.0)]
            died.append(weakref.ref(graph[0]))
            yield graph
            yield

    died, stories = [], [story() for _ in range(3)]
    for one in stories:
        next(one)
    with collector_paused():
        del one
        stories.clear()
        assert [ref() for ref in died] == [None] * 3
    assert held() == 0


def test_what_was_never_closed_is_off_once_its_generator_is_gone():
    """An ExitStack that is dropped with its generator: the collector ends the block."""

    def careless():
        stack = ExitStack()
        stack.enter_context(recording())
        yield on()

    story = careless()
    assert next(story)
    assert not on()
    del story
    gc.collect()

    assert held() == 0


def test_dropout_and_modes_in_generators():
    """Evaluation mode is the generator's own, and dropout drops for everybody else."""
    model = nn.Dropout(0.5)

    def story():
        with model.evaluating():
            while True:
                yield [v.data for v in model([1.0] * 20)]

    told = story()
    for _ in range(3):
        assert next(told) == [1.0] * 20
        assert model.training
        assert 0.0 in [v.data for v in model([1.0] * 20)]


def test_nodes_are_told_of_only_where_somebody_watches():
    """A suspended generator leaves nothing behind, and a mode is not asked for node by node."""
    model = nn.MLP(1, [1])
    story = recording_generator()
    next(story)

    with model.evaluating():
        assert not here().watchers
        story.close()
        assert not context.watched


def test_only_a_watcher_that_looks_at_nodes_is_told_of_them():
    """A recording refuses comparisons alone, so that building under it costs nothing more."""

    class Looks(Watcher):
        def built(self, node):
            """Look at it."""

    with Block(Watcher()):
        assert (context.watched, context.building) == (True, False)
        with Block(Looks()):
            assert (context.watched, context.building) == (True, True)
        assert (context.watched, context.building) == (True, False)
    assert (context.watched, context.building) == (False, False)
