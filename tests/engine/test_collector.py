"""The pause of the garbage collector."""

import gc
from contextlib import suppress
from threading import Event, Thread

import pytest

from tinygrad_edu.engine.collector import collector_paused


@pytest.mark.parametrize("on", [True, False])
@pytest.mark.parametrize("error", [None, KeyboardInterrupt, ValueError])
def test_the_collector_is_as_it_was_afterwards(on, error):
    """Off inside the block; on any exit as it was before, on or off."""
    (gc.enable if on else gc.disable)()
    try:
        with suppress(KeyboardInterrupt, ValueError), collector_paused():
            assert not gc.isenabled()
            if error:
                raise error
        assert gc.isenabled() == on
    finally:
        gc.enable()


@pytest.mark.parametrize("first_ends_first", [True, False])
def test_pauses_that_overlap_end_with_the_last(first_ends_first):
    """As those of two trainings in two threads: it is off until both are done, and then on."""
    pauses = [collector_paused(), collector_paused()]
    for pause in pauses:
        pause.__enter__()

    for pause in pauses if first_ends_first else reversed(pauses):
        assert not gc.isenabled()
        pause.__exit__(None, None, None)

    assert gc.isenabled()


def test_a_pause_that_begins_as_another_one_ends(monkeypatch):
    """A thread looks whether the collector is on, the other one ends: it is on in the end."""
    asked, answered, isenabled = Event(), Event(), gc.isenabled

    def slow():
        on = isenabled()
        asked.set()
        answered.wait(0.2)  # a lock makes the other thread wait in vain
        return on

    def second():
        monkeypatch.setattr(gc, "isenabled", slow)
        with collector_paused():
            pass

    first = collector_paused()
    first.__enter__()
    thread = Thread(target=second)
    thread.start()
    asked.wait(0.2)
    first.__exit__(None, None, None)
    answered.set()
    thread.join()
    monkeypatch.undo()

    assert gc.isenabled()
