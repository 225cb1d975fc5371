"""Stories that switch things on and off, step by step, and four ways to tell several at once.

A story is a generator that yields what it sees: numbers, and what is in force for it. What it has
switched on itself it also knows without asking, so each answer is compared with that.
"""

import asyncio
import queue
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import cache, partial
from random import Random
from threading import Thread

from tinygrad_edu import Value, compile_graph, detect_anomaly, grad, nn
from tinygrad_edu.compiled.predict import Predictor
from tinygrad_edu.compiler import recording
from tinygrad_edu.course import FAULTS, fault
from tinygrad_edu.engine import context
from tinygrad_edu.engine.context import here
from tinygrad_edu.engine.errors import AnomalyError, SettingError
from tinygrad_edu.train import fit

X = [[Random(i).random(), Random(i + 99).random()] for i in range(8)]
CLASSES = [int(a > b) for a, b in X]
MODEL = nn.Sequential(nn.Layer(2, 2, rng=Random(0)), nn.Dropout(0.5))  # shared by all stories
BUGS = [*FAULTS]


def probe(on):
    """What is in force here, found out by doing things; it has to be what is on."""
    x, y = Value(2.0), Value(5.0)
    try:
        compared = x < y
    except SettingError:
        compared = False
    try:
        born = Value(0.0).log().data
    except AnomalyError:
        born = None
    (x * y - y).backward()
    trained, gone = MODEL.layers[1].training, here().trace
    wrong = {
        "swapped factors in multiplication": (2.0, 4.0),
        "wrong sign in subtraction": (5.0, 3.0),
        "assign instead of accumulate": (5.0, 2.0),
    }
    bugs = [name for name in on if name in FAULTS]
    assert compared is ("recording" not in on)
    assert (gone is None) is ("recording" not in on)
    assert (born is None) is ("anomalies" in on)
    assert trained is ("evaluating" not in on)
    assert (here().fault is None) is (not bugs)
    if len(bugs) <= 1:
        assert (x.grad, y.grad) == wrong.get("".join(bugs), (5.0, 1.0))
    return x.grad, y.grad, MODEL([0.5, -0.5])[0].origin


class Walk:
    """Open and end blocks of all kinds in any order, and look around after each step.

    A step may also be made inside a module or inside ``grad``. What is on ``around``, for the one
    who makes the steps, is on for the walk, too.
    """

    def __init__(self, rng, around=()):
        self.rng, self.around, self.left, self.open = rng, around, 10, {}
        bugs = rng.sample(("swapped factors in multiplication", "wrong sign in subtraction"), 2)
        self.makers = {name: partial(fault, name) for name in bugs}
        self.makers |= {"recording": recording, "anomalies": detect_anomaly}
        self.makers["evaluating"] = MODEL.evaluating

    def __iter__(self):
        return self

    def __next__(self):
        if not self.left:
            raise StopIteration
        self.left -= 1
        place = self.rng.randrange(3)
        if place == 0:
            self.move()
        elif place == 1:
            Calling()(self.move)
        else:
            grad(lambda x: (self.move(), x)[1])(1.0)
        return probe([*self.around, *self.open])

    def move(self):
        """Open a block or end one; end them all at last."""
        closed = [name for name in self.makers if name not in self.open]
        if not self.left:
            self.close()
        elif closed and (not self.open or self.rng.random() < 0.6):
            name = self.rng.choice(closed)
            self.open[name] = stack = ExitStack()
            stack.enter_context(self.makers[name]())
        else:
            self.open.pop(self.rng.choice([*self.open])).close()

    def close(self):
        """End all blocks."""
        while self.open:
            self.open.popitem()[1].close()


class Calling(nn.Module):
    """A module that calls what it gets."""

    def forward(self, work):
        """Call it."""
        work()


def wandering(rng, around=()):
    """Go for a walk as a generator, which keeps its blocks to itself wherever it is resumed."""
    walk = Walk(rng, around)
    try:
        yield from walk
    finally:
        walk.close()


def differentiating(rng):
    """Differentiate, to the second order; inside, go on with a story that has blocks itself."""
    inner = wandering(Random(rng.random()), ["anomalies"])
    with detect_anomaly():
        for k in range(4):
            seen = []

            def f(x, seen=seen, k=k):
                seen.append(next(inner))
                return x * x.tanh() * float(k + 1)

            yield grad(grad(f))(0.3), seen
            yield probe(["anomalies"])


def faulty(rng):
    """Train a step at a time with a bug, and predict; what is compiled has it, too."""
    with fault(name := rng.choice(BUGS)):
        model = nn.MLP(2, [2, 2], rng=Random(rng.random()))
        for _ in range(2):
            history = fit(model, nn.cross_entropy, X, CLASSES, epochs=1, progress=False)
            yield name, history.loss, [p.data for p in model.parameters()]
            w = Value(0.7)
            program = compile_graph((w * w - w).tanh() * w)
            yield program.backward(), program.gradient.tolist()


def training(rng):
    """Train and predict without any bug, on graphs or compiled, with dropout and means."""
    own = Random(rng.random())
    compiled = rng.choice([True, False])
    first, last = nn.Layer(2, 2, rng=own), nn.Layer(2, 2, rng=own)
    model = nn.Sequential(first, nn.BatchNorm(2), nn.Dropout(0.3, own), last)
    for _ in range(2):
        settings = {"epochs": 1, "progress": False, "compiled": compiled, "batch_size": 4}
        yield fit(model, nn.cross_entropy, X, CLASSES, **settings).loss
        yield Predictor(model, compiled)(X[:3])
        model.train()


def compiling(rng):
    """Record and compile one loss of several networks, inside scopes."""
    model = nn.MLP(2, [2, 1], rng=Random(rng.random()))
    for _ in range(2):
        with recording() as trace:
            x = [Value(0.5), Value(-1.0)]
            loss = model(x) ** 2
            yield loss.data, loss.origin, trace.given
        program = compile_graph(loss, x)
        yield program.backward(X), program.gradient.tolist(), program.source
        yield probe([])


STORIES = (Walk, wandering, wandering, differentiating, faulty, training, compiling)


@cache
def alone(number, seed):
    """All that a story sees when nothing else happens."""
    return [*STORIES[number](Random(seed))]


def begin(chosen, *, own_context):
    """Begin the stories; what is not a generator needs a thread or a task of its own."""
    makers = [STORIES[number] for number, _ in chosen]
    makers = [make if own_context or make is not Walk else wandering for make in makers]
    return [make(Random(seed)) for make, (_, seed) in zip(makers, chosen, strict=True)]


def in_threads(chosen, rng):
    """Tell each story in a thread of its own, at its own speed."""
    stories = begin(chosen, own_context=True)
    with ThreadPoolExecutor(len(stories)) as pool:
        return [*pool.map(list, stories)]


def in_tasks(chosen, rng):
    """Tell each story in an asyncio task of its own, which gives way after each step."""
    stories = begin(chosen, own_context=True)

    async def tell(story):
        seen = []
        for step in story:
            seen.append(step)
            for _ in range(rng.randrange(3)):
                await asyncio.sleep(0)
        return seen

    async def tell_all():
        return await asyncio.gather(*map(tell, stories))

    return asyncio.run(tell_all())


def in_generators(chosen, rng):
    """Tell the stories in one thread, step by step in any order; here nothing is on between."""
    stories = begin(chosen, own_context=False)
    seen = [[] for _ in stories]
    for i in order(stories, seen, rng):
        seen[i].extend(step(stories[i]))
        probe([])
    return seen


def from_thread_to_thread(chosen, rng):
    """Tell each step of a story in whichever of four threads is free."""
    stories = begin(chosen, own_context=False)
    seen, jobs = [[] for _ in stories], queue.SimpleQueue()
    waiting = queue.SimpleQueue()
    for i in range(len(stories)):
        waiting.put(i)

    def work():
        while (i := jobs.get()) is not None:
            found = step(stories[i])
            seen[i].extend(found)
            waiting.put(i if found else None)

    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    ended = 0
    while ended < len(stories):
        i = waiting.get(timeout=60)
        ended += i is None
        if i is not None:
            jobs.put(i)
    for _ in threads:
        jobs.put(None)
    for thread in threads:
        thread.join()
    return seen


def order(stories, seen, rng):
    """Yield the number of a story as long as one goes on."""
    going = [*range(len(stories))]
    while going:
        i = rng.choice(going)
        before = len(seen[i])
        yield i
        if len(seen[i]) == before:
            going.remove(i)


def step(story):
    """The next step of a story in a list, which is empty at its end."""
    for found in story:
        return [found]
    return []


WAYS = (in_threads, in_tasks, in_generators, from_thread_to_thread)


def left_on():
    """What is still switched on, though all stories have ended."""
    return [*here().blocks, *context.HELD, *context.WATCHING, *here().differentiated, here().origin]
