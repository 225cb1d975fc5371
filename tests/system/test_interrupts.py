"""A backward pass that is broken off, by Ctrl-C or an error, leaves the leaf gradients alone."""

import signal
import time
from random import Random
from threading import Thread

import pytest

from tests.interrupts import CALLS, LINES, interrupted_at
from tinygrad_edu import Value, as_function, detect_anomaly
from tinygrad_edu.engine.errors import AnomalyError, OperandError
from tinygrad_edu.engine.ops import REAL, Primitive

BEFORE = [10.0, 20.0, 30.0]


class Planted(Exception):
    """An error that only these tests raise."""


def interrupt():
    """A KeyboardInterrupt raised in the code itself."""
    raise KeyboardInterrupt


def press_ctrl_c():
    """The signal that the keyboard sends: Python turns it into a KeyboardInterrupt."""
    signal.raise_signal(signal.SIGINT)


def fail():
    """Any other error."""
    raise Planted


@pytest.fixture
def planted():
    """A row, x + y, that calls ``planted.act`` in the forward or partial call number ``at``."""

    class Plan:
        at, act, calls = None, None, 0

        def step(self):
            self.calls += 1
            if self.calls - 1 == self.at:
                self.act()

    plan = Plan()

    def forward(xp, x, y):
        plan.step()
        return x + y

    def partials(xp, out, x, y):
        plan.step()
        return 1.0, 1.0

    plan.apply = as_function(Primitive("planted", "x + y", forward, partials, (REAL, REAL)))
    return plan


def graph(f):
    """Three leaves that have gradients already, and a root in which they are shared."""
    a, b, c = leaves = [Value(2.0), Value(-1.0), Value(0.5)]
    for v, g in zip(leaves, BEFORE, strict=True):
        v.grad = g
    return f(f(f(a, b), f(a, c)), f(a, a)), leaves


@pytest.mark.parametrize(
    ("act", "error"),
    [(interrupt, KeyboardInterrupt), (press_ctrl_c, KeyboardInterrupt), (fail, Planted)],
)
@pytest.mark.parametrize("at", range(10))
def test_a_pass_that_breaks_off_at_any_node_changes_no_leaf(planted, at, act, error):
    """Five nodes, each with a forward and a partials call in the walk; then a rerun is right."""
    root, leaves = graph(planted.apply)
    planted.at, planted.act, planted.calls = at, act, 0

    with pytest.raises(error):
        root.backward()

    assert [v.grad for v in leaves] == BEFORE
    root.backward()
    assert [v.grad for v in leaves] == [14.0, 21.0, 31.0]


def test_the_walk_has_exactly_those_ten_calls(planted):
    """An interrupt planted in call 10 is never reached, so the tests above plant them all."""
    root, leaves = graph(planted.apply)
    planted.at, planted.act, planted.calls = 10, fail, 0

    root.backward()

    assert planted.calls == 10
    assert [v.grad for v in leaves] == [14.0, 21.0, 31.0]


def test_a_pass_interrupted_at_any_call_changes_no_leaf():
    """Calls and returns are where Python looks for signals: one run for each, until none is left.

    This covers the sort, the setting to zero, the walk and the adding to the leaves. Only the two
    returns from a pass that is done come too late: all leaves are changed then.
    """
    root, leaves = graph(lambda x, y: (x * y).tanh())
    root.backward()
    after = [v.grad for v in leaves]
    seen, done = [], False
    while not done:
        root, leaves = graph(lambda x, y: (x * y).tanh())
        try:
            with interrupted_at(len(seen), CALLS):
                root.backward()
            done = True
        except KeyboardInterrupt:
            seen.append([v.grad for v in leaves])

    assert len(seen) > 50
    assert seen[:-2] == [BEFORE] * (len(seen) - 2)
    assert all(grads in (BEFORE, after) for grads in seen[-2:])
    assert [v.grad for v in leaves] == after != BEFORE
    other = Thread(target=root.backward, daemon=True)
    other.start()
    other.join(timeout=10)
    assert not other.is_alive(), "a pass that was broken off has kept its turn"


@pytest.mark.parametrize("steps", [CALLS, LINES], ids=["calls", "lines"])
def test_zero_grad_interrupted_anywhere_clears_all_or_nothing(steps):
    """The gradients are set by one call into C, which no signal can cut in two."""
    number, done = 0, False
    seen = []
    while not done:
        root, leaves = graph(lambda x, y: x * y)
        try:
            with interrupted_at(number, steps):
                root.zero_grad()
            done = True
        except KeyboardInterrupt:
            number += 1
        seen.append([v.grad for v in leaves])

    assert number > 5
    assert seen[0] == BEFORE
    assert seen[-1] == [0.0, 0.0, 0.0]
    assert all(grads in (BEFORE, [0.0, 0.0, 0.0]) for grads in seen)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a timer that sends signals")
def test_a_signal_at_any_time_adds_all_or_nothing(alarm_is_ctrl_c):
    """40 passes over 2,000 nodes, each cut off by a real signal at a random moment."""
    leaves = [Value(0.1 * i) for i in range(10)]
    root = sum((a * b).sin() for _ in range(7) for a in leaves for b in leaves)
    start = time.perf_counter()
    root.backward()
    duration = time.perf_counter() - start
    added = [v.grad for v in leaves]
    rng, cut_off = Random(0), 0

    for _ in range(40):
        for v in leaves:
            v.grad = 1.0
        try:
            signal.setitimer(signal.ITIMER_REAL, duration * rng.uniform(0.02, 0.9))
            root.backward()
            signal.setitimer(signal.ITIMER_REAL, 0.0)
        except KeyboardInterrupt:
            cut_off += [v.grad for v in leaves] == [1.0] * 10
        assert [v.grad for v in leaves] in ([1.0] * 10, [1.0 + g for g in added])

    assert cut_off > 0


@pytest.fixture
def alarm_is_ctrl_c():
    """The timer's signal does what Ctrl-C does."""
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0.0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("cotangent", ["1", None, [1.0], 10**400])
def test_a_refused_cotangent_changes_no_leaf(cotangent):
    """It must be a real number, as data must."""
    root, leaves = graph(lambda x, y: x * y)

    with pytest.raises(OperandError):
        root.backward(cotangent)

    assert [v.grad for v in leaves] == BEFORE


def test_an_anomaly_changes_no_leaf():
    """The pass that detect_anomaly stops adds nothing."""
    x = Value(0.0)
    x.grad = 7.0
    root = x.sqrt()

    with pytest.raises(AnomalyError), detect_anomaly():
        root.backward()

    assert x.grad == 7.0
