"""Ctrl-C: it waits while weights change, and a second one does not cut the cleaning up."""

import signal
import threading
from random import Random

import numpy as np
import pytest

from tinygrad_edu import nn
from tinygrad_edu.train import SGD, History, fit
from tinygrad_edu.train.interrupts import Interrupts
from tinygrad_edu.train.stepping import CompiledStepper, EagerStepper

X, Y = [[x / 8] for x in range(16)], [x / 4 for x in range(16)]


def press():
    """Send the signal that the keyboard sends."""
    signal.raise_signal(signal.SIGINT)


def test_ctrl_c_waits_for_the_end_of_the_block():
    """And raises there; outside of blocks it raises at once; afterwards all is as before."""
    before, done = signal.getsignal(signal.SIGINT), []

    def work():
        with Interrupts() as ctrl_c:
            with ctrl_c.held_back():
                press()
                press()
                done.append("block")
            done.append("never")

    with pytest.raises(KeyboardInterrupt):
        work()
    with pytest.raises(KeyboardInterrupt), Interrupts():
        press()

    assert done == ["block"]
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_ctrl_c_does_not_cut_what_cleans_up():
    """One error is enough."""
    cleaned = []

    def work():
        with Interrupts():
            try:
                press()
            finally:
                press()
                cleaned.append(True)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert cleaned == [True]


def test_a_handler_of_the_user_is_called_as_before():
    """It may note the wish to stop and raise nothing: then it is called each time."""
    calls = []
    before = signal.signal(signal.SIGINT, lambda *signal: calls.append(len(calls)))
    try:
        with Interrupts() as ctrl_c:
            press()
            with ctrl_c.held_back():
                press()
                assert calls == [0]
            assert calls == [0, 1]
            press()
        press()
    finally:
        signal.signal(signal.SIGINT, before)

    assert calls == [0, 1, 2, 3]


@pytest.mark.parametrize("handler", [signal.SIG_IGN, signal.SIG_DFL])
def test_without_a_handler_of_python_nothing_is_changed(handler):
    """A shell starts what runs in the background with Ctrl-C ignored."""
    before = signal.signal(signal.SIGINT, handler)
    try:
        with Interrupts():
            assert signal.getsignal(signal.SIGINT) == handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_other_threads_have_no_handlers():
    """Python gives signals to the main thread; a fit elsewhere runs as before."""
    histories = []

    def train():
        histories.append(fit(nn.MLP(1, [1]), nn.mse, X, Y, epochs=2, progress=False))

    thread = threading.Thread(target=train)
    thread.start()
    thread.join(60)

    assert len(histories[0].loss) == 2


@pytest.mark.parametrize(("stepper", "compiled"), [(EagerStepper, False), (CompiledStepper, True)])
@pytest.mark.parametrize("presses", [1, 2])
@pytest.mark.parametrize("when", ["forward_backward", "update", "settle"])
def test_what_was_trained_is_kept_whole(monkeypatch, stepper, compiled, presses, when):
    """Pressed anywhere, the model has the weights after a whole number of updates."""
    model, history, calls = nn.MLP(1, [4, 1], rng=Random(0)), History(), []
    twin = nn.MLP(1, [4, 1], rng=Random(0))
    method = getattr(stepper, when)

    def pressed(self, *args, **settings):
        calls.append(1)
        if len(calls) == 3:
            for _ in range(presses):
                press()
        return method(self, *args, **settings)

    with monkeypatch.context() as patched:
        patched.setattr(stepper, when, pressed)
        with pytest.raises(KeyboardInterrupt):
            fit(
                model, nn.mse, X, Y, batch_size=4, epochs=9, progress=False, compiled=compiled,
                history=history, optimizer=SGD(model.parameters(), 0.05, momentum=0.9),
                callbacks=[lambda *_: None],
            )  # fmt: skip

    path = weights_along(twin, compiled, len(history.batch_loss) // 4 + 1)
    updates = len(history.batch_loss)
    assert [p.data for p in model.parameters()] == path[updates]
    assert updates >= 2
    assert len(history.loss) == len(history.seconds) == (updates - (when == "settle")) // 4
    assert not model.training


def weights_along(model, compiled, epochs):
    """The weights after each update of a run that nothing stops."""
    path = [[p.data for p in model.parameters()]]
    optimizer = SGD(model.parameters(), 0.05, momentum=0.9)
    step, step_arrays = optimizer.step, optimizer.step_arrays

    def eager(**settings):
        step(**settings)
        path.append([p.data for p in model.parameters()])

    def arrays(np, parameters, w, g, **settings):
        step_arrays(np, parameters, w, g, **settings)
        data = dict(zip(parameters, w.tolist(), strict=True))
        path.append([data[p] for p in model.parameters()])

    optimizer.step, optimizer.step_arrays = eager, arrays
    fit(
        model, nn.mse, X, Y, batch_size=4, epochs=epochs, progress=False, compiled=compiled,
        optimizer=optimizer,
    )  # fmt: skip
    assert np.isfinite(path).all()
    return path
