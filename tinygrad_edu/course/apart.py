"""Run a learner's answer apart from the session, so that it ends in time, whatever it does.

Where Python can fork, the answer runs in a child process, which is killed when its time is over.
Endless loops, also those in C, ``os._exit`` and a crash end the child alone; and what the answer
changes (builtins, the working folder, ``sys.stdout``, the state of a generator) dies with it.

On macOS and Windows, where Python itself does not fork by default, it runs in a thread. When its
time is over, the thread is asked to stop for half a second, then left behind. Not stopped there: a
loop in C that keeps the interpreter, such as ``sum(iter(int, 1))``, and ``os._exit``.

A browser has neither. There the clock is looked at before each line and each jump of the answer.
Not stopped there: a loop in C and ``time.sleep``.
"""

from __future__ import annotations

import builtins
import io
import os
import signal
import sys
import warnings
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout, suppress
from contextvars import Context
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic
from typing import Any, NoReturn, TypeAlias

from tinygrad_edu.course.outcomes import Misfit, ending

MOST_PRINTED = 5_000  # characters that an answer prints and that are shown
MOST_MEMORY = 4 << 30  # bytes that an answer may take beside those of the session
HERE = os.path.dirname(__file__)
TOOL = 4  # one of the two numbers that sys.monitoring leaves to tools without a name
Report: TypeAlias = "tuple[str, Any]"  # how the work ended; what it returned, or words

TIME = "It was stopped after {:g} seconds: does a loop in it never end, or is it waiting, or slow?"
GONE = (
    "Python itself came to an end while your answer ran: does it call os._exit, replace functions "
    "of Python, or need more memory than there is?"
)


def apart(work: Callable[[], Any], seconds: float) -> Any:
    """Return what the work returns; raise Misfit, in words, if it ends in another way or too late.

    A KeyboardInterrupt passes through.
    """
    if sys.platform == "emscripten":
        way = _on_watch
    elif sys.platform == "darwin" or not hasattr(os, "fork"):
        way = _in_a_thread
    else:
        way = _in_a_child
    how, what = way(work, seconds)
    if how == "interrupted":
        raise KeyboardInterrupt
    if how != "done":
        raise Misfit(what)
    return what


def _report(work: Callable[[], Any]) -> Report:
    """Run the work and tell how it ended, whatever it raises."""
    try:
        return "done", Context().run(work)  # what it switches on ends with it
    except Misfit as misfit:
        return "refused", str(misfit)
    except KeyboardInterrupt:
        return "interrupted", ""
    except BaseException as error:
        return "refused", f"Your answer can't be read: {ending(error)}."


def _in_a_child(work: Callable[[], Any], seconds: float) -> Report:
    from multiprocessing.connection import Pipe  # a browser has none

    try:
        receiver, sender = Pipe(duplex=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a fork beside threads: the child runs the answer only
            child = os.fork()
    except OSError:  # there may be no more processes or files
        return _in_a_thread(work, seconds)
    if not child:
        _be_the_child(work, seconds, sender)
    _lead_a_group(child)
    sender.close()
    try:
        return _received(receiver, seconds)
    finally:
        receiver.close()
        for kill in (os.killpg, os.kill):
            with suppress(OSError):
                kill(child, signal.SIGKILL)
        with suppress(ChildProcessError):  # where the session ignores its children's ends
            os.waitpid(child, 0)


def _lead_a_group(child: int) -> None:
    """Let the child end with all that it starts; both sides ask, as either may be the first."""
    with suppress(OSError):
        os.setpgid(child, child)


def _received(receiver: Any, seconds: float) -> Report:
    """Wait for the child's report; print what it prints."""
    end = monotonic() + seconds
    while receiver.poll(max(0.0, end - monotonic())):
        try:
            how, what = receiver.recv()
        except EOFError:
            return "refused", GONE
        if how != "printed":
            return how, what
        print(what, end="")
    return "refused", TIME.format(seconds)


def _be_the_child(work: Callable[[], Any], seconds: float, sender: Any) -> NoReturn:
    try:
        _lead_a_group(os.getpid())
        _bound_itself(seconds)
        builtins.input = _no_input
        printed = _Printed(sender)
        with redirect_stdout(printed), redirect_stderr(printed):
            report = _report(work)
        sender.send(report)
    finally:
        os._exit(0)


def _bound_itself(seconds: float) -> None:
    """Let the system end this process if nobody else does, and keep it from taking all memory."""
    import faulthandler
    import resource

    faulthandler.disable()  # a crash is told in words
    if (torch := sys.modules.get("torch")) and hasattr(torch, "set_num_threads"):
        torch.set_num_threads(1)  # its other threads were not forked, and it would wait for them
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds + 1.0)
    with suppress(OSError, ValueError), open("/proc/self/statm") as file:
        taken = int(file.read().split()[0]) * resource.getpagesize()
        _, most = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (taken + MOST_MEMORY, most))


def _no_input(*_: Any) -> NoReturn:
    raise EOFError("input() can't ask while an answer is checked, use what the function is given")


class _Printed(io.TextIOBase):
    """What the answer prints goes to the session; a million lines of it do not."""

    def __init__(self, sender: Any) -> None:
        self.sender, self.left = sender, MOST_PRINTED

    def write(self, text: str) -> int:
        if self.left > 0:
            self.sender.send(("printed", text[: self.left]))
            self.left -= len(text)
            if self.left <= 0:
                # faster than this method, and the process ends soon
                sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115
                self.sender.send(("printed", "\n… the rest of what it prints is left out.\n"))
        return len(text)


def _in_a_thread(work: Callable[[], Any], seconds: float) -> Report:
    reports, stdout = SimpleQueue[Report](), sys.stdout
    thread = Thread(target=lambda: reports.put(_report(work)), daemon=True)
    thread.start()
    try:
        return reports.get(timeout=seconds)
    except Empty:
        return "refused", TIME.format(seconds)
    finally:
        sys.stdout = stdout
        thread.join(0.01)
        _stop(thread)


def _stop(thread: Thread) -> None:
    """Raise SystemExit in a thread until it ends: a bare ``except`` may swallow some of them."""
    import ctypes

    end = monotonic() + 0.5
    while thread.is_alive() and monotonic() < end:
        stop = ctypes.c_ulong(thread.ident or 0), ctypes.py_object(SystemExit)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(*stop)
        thread.join(0.001)


def _on_watch(work: Callable[[], Any], seconds: float) -> Report:
    monitoring: Any = getattr(sys, "monitoring", None)  # from Python 3.12 on
    if monitoring is None:
        return _report(work)
    end = monotonic() + seconds

    def look(code: Any, *_: Any) -> Any:
        if code.co_filename.startswith(HERE):
            return monitoring.DISABLE
        if monotonic() > end:  # again at the next line, if an ``except`` swallows it
            raise SystemExit
        return None

    monitoring.use_tool_id(TOOL, "tinygrad_edu.course")
    for event in (monitoring.events.LINE, monitoring.events.JUMP):
        monitoring.register_callback(TOOL, event, look)
    monitoring.set_events(TOOL, monitoring.events.LINE | monitoring.events.JUMP)
    try:
        report = _report(work)
    finally:
        monitoring.set_events(TOOL, 0)
        monitoring.free_tool_id(TOOL)
    return report if monotonic() < end else ("refused", TIME.format(seconds))
