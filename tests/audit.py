"""What runs while a file or a text from outside is read: Python's audit events, listened to."""

import sys
from contextlib import contextmanager

RUNS = ("exec", "os.", "subprocess.", "socket.", "pickle.", "marshal.", "ctypes.")
_listeners = []


@contextmanager
def heard(*also):
    """Yield a list that is filled with the events of the block which run or reach for something."""
    events = []
    _listeners.append((events, RUNS + also))
    try:
        yield events
    finally:
        _listeners.pop()


def _listen(event, arguments):
    for events, names in _listeners:
        # the engine itself reads __code__, when it makes the function of a row
        if event.startswith(names) and arguments[1:] != ("__code__",):
            events.append(event)


sys.addaudithook(_listen)  # it can't be taken away again
