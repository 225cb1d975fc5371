"""Ctrl-C at a chosen call or line of the package."""

import sys
from contextlib import contextmanager
from pathlib import Path

import tinygrad_edu

PACKAGE = str(Path(tinygrad_edu.__file__).parent)
# Python looks for signals when a function begins and after a call into C, never before it: a lock
# whose release were prevented there would stay locked, which no Ctrl-C can do.
CALLS = sys.getprofile, sys.setprofile, ("call", "c_return")
LINES = sys.gettrace, sys.settrace, ("line",)


@contextmanager
def interrupted_at(number, steps):
    """Raise KeyboardInterrupt at that call, return from C, or line of the package."""
    get, switch, events = steps
    before, left = get(), number

    def look(frame, event, arg):
        nonlocal left
        if frame.f_code.co_filename.startswith(PACKAGE) and event in events:
            left -= 1
            if left < 0:
                switch(None)
                raise KeyboardInterrupt
        return look

    switch(look)
    try:
        yield
    finally:
        switch(before)
