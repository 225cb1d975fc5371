"""The target "javascript": typed arrays, and the functions that fill them, in V8 or a browser.

In Pyodide the program lives in the browser that Python runs in. On CPython it lives in a process of
node. There is one such process for all programs, since to start it takes 40 ms; it ends when Python
does. Parameters, constants and rows are sent for each run, so that the process holds nothing but
code, which is sent anew after a fork, or when the process has ended.
"""

from __future__ import annotations

import atexit
import os
import struct
import sys
from array import array
from collections import deque
from collections.abc import Callable, Sequence
from itertools import chain, count
from shutil import which
from subprocess import DEVNULL, PIPE, Popen
from threading import RLock
from typing import Any, ClassVar, Protocol
from weakref import finalize

from tinygrad_edu.compiler.javascript_writer import javascript_text
from tinygrad_edu.compiler.memory import Memory
from tinygrad_edu.compiler.plan import Plan
from tinygrad_edu.compiler.tape import Tape
from tinygrad_edu.compiler.updates import Update
from tinygrad_edu.engine.errors import MissingExtraError, TargetError
from tinygrad_edu.shared.samples import floats_in_rows, is_array

Numbers = Sequence["array[float] | memoryview[float]"]


class Home(Protocol):
    """Where a program of JavaScript lives: in a process of node, or in the browser."""

    def run(self, numbers: Numbers, rows: int, *, backward: bool) -> array[float]:
        """Run it on parameters, constants and rows; return loss, gradient if asked, outputs."""


class JavaScriptBackend:
    """Runs a plan as JavaScript."""

    def __init__(
        self,
        tape: Tape,
        plan: Plan,
        columns: int,
        reduce: str,
        dtype: str,
        lap: Callable[[str], None],
        memory: Memory,
    ) -> None:
        home = home_here()
        self.plan, self.width = plan, len(tape.outputs)
        self.parameter_slots, self.constant_slots = plan.parameters, plan.constants
        self.instructions, self.matrix_products = len(plan.forward), plan.matrix_products
        self.source = javascript_text(tape, plan, reduce)
        lap("write")
        self.home = home(self.source)
        lap("compile")
        self.vector, self.gradient = (store[: len(plan.parameters)] for store in memory)
        self.constants = array("d")
        self.rows, self.count = array("d"), 1  # a whole graph is one row without inputs
        self.seen = array("d")

    def load(self, parameters: Sequence[float], constants: Sequence[float]) -> None:
        """Put the numbers of the leaves into their places."""
        self.vector[:] = memoryview(array("d", parameters))
        self.constants = array("d", constants)

    def take(self, rows: Any) -> bool:
        """Keep these rows of inputs for the next runs; return False if one of them holds a nan."""
        if is_array(rows):
            numbers = array("d", rows.astype("float64").tobytes())
        else:
            numbers = array("d", chain.from_iterable(floats_in_rows(rows)))
        complete = numbers == numbers  # as nan is not
        if complete:
            self.rows, self.count = numbers, len(rows)
        return complete

    def run(self, *, backward: bool = True) -> float:
        """Run forward, and backward if asked to; return the loss."""
        numbers = self.vector, self.constants, self.rows
        found = self.home.run(numbers, self.count, backward=backward)
        end = 1 + len(self.vector) if backward else 1
        if backward:
            self.gradient[:] = memoryview(found)[1:end]
        self.seen = found[end:]
        return found[0]

    def steps(self, update: Update, rows: Any) -> None:
        """Take no whole steps."""

    def outputs(self) -> list[list[float]]:
        """Return the outputs of the last run, one row for each row of data."""
        some, width = self.seen.tolist(), self.width
        return [some[row * width : (row + 1) * width] for row in range(self.count)]


class InBrowser:
    """A program in the browser that Python runs in, as Pyodide does; numbers go in one piece."""

    def __init__(self, source: str) -> None:
        from pyodide.code import run_js

        self.program = run_js(f'(() => {{"use strict";\n{source}\nreturn start([]);}})()')

    def run(self, numbers: Numbers, rows: int, *, backward: bool) -> array[float]:
        """Run it on parameters, constants and rows; return loss, gradient if asked, outputs."""
        import js

        program, (parameters, constants, data) = self.program, numbers
        inputs = js.Float64Array.new(len(data))
        for there, here in (
            (program.parameters, parameters),
            (program.constants, constants),
            (inputs, data),
        ):
            there.assign(here)
        found = array("d", [(program.backward if backward else program.forward)(inputs, rows)])
        for there in [program.gradient] * backward + [program.outputs()]:
            here = array("d", bytes(there.byteLength))
            there.assign_to(here)
            found += here
        return found


class InNode:
    """A program in the process of node."""

    ids: ClassVar[count[int]] = count()

    def __init__(self, source: str) -> None:
        self.source, self.id = source, next(self.ids)
        finalize(self, Node.dropped.append, self.id).atexit = False
        Node.ask(self, None)

    def run(self, numbers: Numbers, rows: int, *, backward: bool) -> array[float]:
        """Run it on parameters, constants and rows; return loss, gradient if asked, outputs."""
        return array("d", Node.ask(self, (BACKWARD if backward else FORWARD, rows, *numbers)))


class Node:
    """The process of node, which has all programs; threads take turns.

    A message is four numbers and bytes: what to do, for which program, the rows, how many bytes.
    An answer is two numbers and bytes: 1, or 0 for an error, and how many bytes.
    """

    current: ClassVar[Node | None] = None
    turn: ClassVar[RLock] = RLock()
    dropped: ClassVar[deque[int]] = deque()  # a program that dies can't wait for its turn

    def __init__(self) -> None:
        # in a session of its own, so that Ctrl-C interrupts Python alone
        self.process = Popen(
            ["node", "-e", WORKER],
            bufsize=0,
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            start_new_session=True,
        )
        self.pipes: tuple[Any, Any] = self.process.stdin, self.process.stdout
        self.loaded: set[int] = set()

    @classmethod
    def ask(cls, program: InNode, message: tuple[Any, ...] | None) -> bytes:
        """Load a program if it is not there, send it a message if there is one; return the answer.

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
                    node.send(LOAD, program.id, 0, program.source.encode())
                    node.answer()
                    node.loaded.add(program.id)
                if message is None:
                    return b""
                what, rows, *numbers = message
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

DROP, LOAD, FORWARD, BACKWARD = range(4)
WORKER = """
"use strict";
const fs = require("fs");
const [DROP, LOAD, FORWARD, BACKWARD] = [0, 1, 2, 3];
const programs = new Map();

function read(size) {
    const bytes = new Uint8Array(size);
    for (let at = 0; at < size; ) {
        const some = fs.readSync(0, bytes, at, size - at);
        if (some === 0) process.exit(); // Python has ended
        at += some;
    }
    return bytes.buffer;
}

function write(bytes) {
    for (let at = 0; at < bytes.length; ) at += fs.writeSync(1, bytes, at);
}

function answer(fine, bytes) {
    write(new Uint8Array(Float64Array.of(fine, bytes.length).buffer));
    write(bytes);
}

function run(program, what, rows, numbers) {
    const { parameters, constants, gradient } = program;
    const leaves = parameters.length + constants.length;
    parameters.set(numbers.subarray(0, parameters.length));
    constants.set(numbers.subarray(parameters.length, leaves));
    const way = what === BACKWARD ? program.backward : program.forward;
    const loss = way(numbers.subarray(leaves), rows);
    const parts = [Float64Array.of(loss), program.outputs()];
    if (what === BACKWARD) parts.splice(1, 0, gradient);
    const found = new Float64Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) found.set(part, at), (at += part.length);
    return new Uint8Array(found.buffer);
}

for (;;) {
    const [what, id, rows, size] = new Float64Array(read(32));
    const data = read(size);
    if (what === DROP) {
        programs.delete(id);
        continue;
    }
    try {
        if (what === LOAD) {
            const text = `"use strict";\n${Buffer.from(data)}\nreturn start([]);`;
            programs.set(id, new Function(text)());
            answer(1, new Uint8Array(0));
        } else {
            answer(1, run(programs.get(id), what, rows, new Float64Array(data)));
        }
    } catch (error) {
        answer(0, Buffer.from(String(error)));
    }
}
"""


def home_here() -> Callable[[str], Home]:
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
