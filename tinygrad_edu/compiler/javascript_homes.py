"""Where programs of JavaScript live: in a process of node, or in the browser that Python runs in.

In Pyodide a program lives in the browser. On CPython it lives in a process of node. There is one
such process for all programs, since to start it takes 40 ms; it ends when Python does. Parameters,
constants and rows are sent for each run, so that the process holds nothing but code and the data
that came with it, which are sent anew after a fork, or when the process has ended.
"""

from __future__ import annotations

import atexit
import os
import struct
import sys
from array import array
from collections import deque
from collections.abc import Callable, Sequence
from importlib.resources import files
from itertools import count
from shutil import which
from subprocess import DEVNULL, PIPE, Popen
from threading import RLock
from typing import Any, ClassVar, Protocol, TypeAlias
from weakref import finalize

from tinygrad_edu.engine.errors import MissingExtraError, TargetError

Numbers: TypeAlias = "array[float] | memoryview[float]"
DROP, LOAD, FORWARD, BACKWARD, TRAIN = range(5)  # what may be asked for; calls.js has the same
CALLS, WORKER = (
    files("tinygrad_edu.compiler").joinpath(name).read_text(encoding="utf-8")
    for name in ("calls.js", "worker.js")
)


class Home(Protocol):
    """A program of JavaScript where it lives."""

    def run(self, what: int, rows: int, numbers: Sequence[Numbers]) -> array[float]:
        """Run what is asked for with these numbers, as calls.js says; return what was found."""


class InBrowser:
    """A program in the browser that Python runs in, as Pyodide does."""

    def __init__(self, text: str, data: Numbers) -> None:
        from pyodide.code import run_js

        make, self.call = run_js(f'(() => {{"use strict";\n{CALLS}\nreturn [made, call];}})()')
        self.program = make(text, in_browser([data]))

    def run(self, what: int, rows: int, numbers: Sequence[Numbers]) -> array[float]:
        """Run what is asked for with these numbers, as calls.js says; return what was found."""
        there = self.call(self.program, what, rows, in_browser(numbers))
        here = array("d", bytes(there.byteLength))
        there.assign_to(here)
        return here


def in_browser(numbers: Sequence[Numbers]) -> Any:
    """Return a Float64Array of the browser, with these numbers in one piece."""
    import js

    here = b"".join(numbers)
    there = js.Uint8Array.new(len(here))
    there.assign(here)
    return js.Float64Array.new(there.buffer)


class InNode:
    """A program in the process of node."""

    ids: ClassVar[count[int]] = count()

    def __init__(self, text: str, data: Numbers) -> None:
        self.text, self.data, self.id = text, data, next(self.ids)
        finalize(self, Node.dropped.append, self.id).atexit = False
        Node.ask(self)

    def run(self, what: int, rows: int, numbers: Sequence[Numbers]) -> array[float]:
        """Run what is asked for with these numbers, as calls.js says; return what was found."""
        return array("d", Node.ask(self, what, rows, *numbers))


class Node:
    """The process of node, which has all programs; threads take turns.

    A message is four numbers and bytes: what to do, for which program, the rows (or how many
    numbers of data come before a text), how many bytes. An answer is two numbers and bytes: 1, or
    0 for an error, and how many bytes.
    """

    current: ClassVar[Node | None] = None
    turn: ClassVar[RLock] = RLock()
    dropped: ClassVar[deque[int]] = deque()  # a program that dies can't wait for its turn

    def __init__(self) -> None:
        # in a session of its own, so that Ctrl-C interrupts Python alone
        self.process = Popen(
            ["node", "-e", f'"use strict";\n{CALLS}\n{WORKER}'],
            bufsize=0,
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            start_new_session=True,
        )
        self.pipes: tuple[Any, Any] = self.process.stdin, self.process.stdout
        self.loaded: set[int] = set()

    @classmethod
    def ask(cls, program: InNode, what: int = LOAD, rows: int = 0, *numbers: Numbers) -> bytes:
        """Load a program if it is not there, then ask it for something else; return the answer.

        After an error or an interrupt the process ends, since half a message may be under way.
        """
        with cls.turn:
            if cls.current is not None and cls.current.process.poll() is not None:
                cls.end()  # something else has ended it
            cls.current = node = cls.current or Node()
            try:
                while cls.dropped:
                    if (gone := cls.dropped.popleft()) in node.loaded:
                        node.loaded.remove(gone)
                        node.send(DROP, gone, 0)
                if program.id not in node.loaded:
                    data, text = program.data, program.text.encode()
                    node.send(LOAD, program.id, len(data), data, text)
                    node.answer()
                    node.loaded.add(program.id)
                if what == LOAD:
                    return b""
                node.send(what, program.id, rows, *numbers)
                return node.answer()
            except BaseException:
                cls.end()
                raise

    def send(self, what: int, program: int, rows: int, *parts: Any) -> None:
        """Write a message."""
        views = [memoryview(part).cast("B") for part in parts if len(part)]
        size = sum(map(len, views))
        for view in (memoryview(struct.pack("=4d", what, program, rows, size)), *views):
            while view:
                try:
                    view = view[os.write(self.pipes[0].fileno(), view) :]
                except BrokenPipeError:
                    raise self.ended() from None

    def answer(self) -> bytes:
        """Read the answer."""
        fine, size = struct.unpack("=2d", self.read(16))
        found = self.read(int(size))
        if not fine:
            raise TargetError(
                f"JavaScript could not run this program: {found.decode()}",
                fix="pass target='auto', and please report the program.",
            )
        return found

    def read(self, size: int) -> bytes:
        """Read so many bytes."""
        found = bytearray()
        while len(found) < size:
            some = os.read(self.pipes[1].fileno(), size - len(found))
            if not some:
                raise self.ended()
            found += some
        return bytes(found)

    def ended(self) -> TargetError:
        """Say that the process is no more."""
        return TargetError(
            f"node ended while it ran a program, with the exit code {self.process.wait()}.",
            where="it has too little memory, or was stopped from outside",
            fix="run the program again, which starts node anew, or pass target='auto'.",
        )

    @classmethod
    def end(cls) -> None:
        """End the process; the next program starts another one."""
        if (node := cls.current) is not None:
            cls.current = None
            node.close()
            node.process.kill()
            node.process.wait()

    @classmethod
    def forget(cls) -> None:
        """Leave the process to the parent of a fork, where another thread may have its turn."""
        cls.turn = RLock()
        if (node := cls.current) is not None:
            cls.current = None
            node.close()
            node.process.returncode = 0  # the fork has no child to wait for

    def close(self) -> None:
        """Close the pipes."""
        for pipe in self.pipes:
            pipe.close()


atexit.register(Node.end)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=Node.forget)


def home_here() -> Callable[[str, Numbers], Home]:
    """Return where JavaScript can run here.

    Raises
    ------
    MissingExtraError
        If that is nowhere.
    """
    if sys.platform == "emscripten":
        return InBrowser
    if which("node") is None:
        raise MissingExtraError(
            'the target "javascript" needs node, which is not on the PATH.',
            where="Python runs outside of a browser here, which has a JavaScript of its own",
            fix="install Node.js, or pass target='auto'.",
        )
    return InNode
