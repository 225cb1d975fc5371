"""The target "javascript": one process of node, which survives whatever happens to Python."""

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from random import Random

import numpy as np
import pytest

from tests.models import affine, matrix, numbers
from tests.targets import NODE
from tinygrad_edu import Value, compile_graph, nn
from tinygrad_edu.compiler import javascript_homes
from tinygrad_edu.compiler.javascript_homes import Node
from tinygrad_edu.engine.collector import collector_paused
from tinygrad_edu.engine.errors import MissingExtraError, TargetError
from tinygrad_edu.train import fit

pytestmark = NODE


def square(number=3.0):
    """w², at w = 3: 9 and 6."""
    w = Value(number)
    return compile_graph(w * w, target="javascript")


def works(program):
    """Check that the square of 3 comes out right."""
    return program.backward() == 9.0 and [*program.gradient] == [6.0]


def test_without_node_it_says_how_to_get_it(monkeypatch):
    """And the fix that it names works."""
    monkeypatch.setenv("PATH", os.devnull)

    with pytest.raises(MissingExtraError, match="needs node, which is not on the PATH") as caught:
        square()

    assert "pass target='auto'" in str(caught.value)
    assert compile_graph(Value(3.0) * 2.0, target="auto").forward() == 6.0


def test_all_programs_share_one_process():
    """Which starts in a hundred times the time of a program."""
    programs = [square() for _ in range(50)]
    first = Node.current.process.pid

    assert all(map(works, programs))
    assert Node.current.process.pid == first


def test_a_program_that_dies_is_forgotten_there():
    """With the next message, and without the collector."""
    with collector_paused():
        kept, gone = square(), square()
        there = {kept.backend.home.id, gone.backend.home.id}
        assert there <= Node.current.loaded
        gone_id = gone.backend.home.id

        del gone
        works(kept)

        assert gone_id not in Node.current.loaded
        assert kept.backend.home.id in Node.current.loaded


@pytest.mark.slow
def test_memory_of_dropped_programs_is_given_back():
    """Two hundred programs of 40 kB and their rows do not add up in the process of node."""

    def pages():
        with open(f"/proc/{Node.current.process.pid}/statm") as file:
            return int(file.read().split()[1]) * 4096

    def some(count):
        for _ in range(count):
            x = numbers(10)
            hidden = [v.tanh() for v in affine(matrix(20, 10), numbers(20), x)]
            program = compile_graph(sum(v * v for v in hidden), x, target="javascript")
            program.backward(np.ones((1000, 10)))  # 0.7 MB of buffers

    if not os.path.exists("/proc/self/statm"):
        pytest.skip("this system does not tell the memory of a process")
    some(100)
    before = pages()
    some(200)

    assert pages() - before < 60e6


@pytest.mark.parametrize("where", ["send", "answer", "read"])
def test_an_interrupt_anywhere_leaves_the_target_usable(where, monkeypatch):
    """A message may be half sent, or an answer not read; the next run begins anew."""
    program = square()
    way = getattr(Node, where)

    def interrupted(self, *arguments):
        if where != "answer":
            way(self, *arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Node, where, interrupted)
        with pytest.raises(KeyboardInterrupt):
            program.backward()
    assert Node.current is None

    assert works(program)
    assert works(square())


CTRL_C = """
import signal
from tinygrad_edu import Value, compile_graph
x, w = Value(0.5), Value(0.9)
y = x
for _ in range(200):
    y = (y * w).tanh()
program = compile_graph(y, [x], target="javascript")
rows = [[0.5]] * 5000
right = program.forward(rows)
seen = []
if HANDLED:
    signal.signal(signal.SIGINT, lambda *_: seen.append("interrupt"))
print("ready", flush=True)
try:
    while not seen:
        good = program.backward(rows) == right
except KeyboardInterrupt:
    good = program.backward(rows) == right
print(good, flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.05, 0.3, 0.5])
@pytest.mark.parametrize("handled", [True, False])
def test_ctrl_c_goes_to_python_alone(seconds, handled):
    """As in a terminal, to the whole group; a run ends well where Python takes no notice."""
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", CTRL_C.replace("HANDLED", str(handled))],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout.readline() == "ready\n"

    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGINT)

    assert process.communicate(timeout=60) == ("True\n", "")


def test_a_process_that_ended_is_replaced():
    """Between two runs nobody notices; within a run it is said in words, and the next run works."""
    program = square()
    Node.current.process.kill()
    Node.current.process.wait()
    assert works(program)

    send = Node.send

    def killing(self, *arguments):
        self.process.kill()
        self.process.wait()
        send(self, *arguments)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Node, "send", killing)
        with pytest.raises(TargetError, match="node ended while it ran a program, with the exit"):
            program.backward()

    assert works(program)


def test_data_that_stay_in_node_are_sent_anew():
    """Training goes on with the same bits where the process is another one in each epoch."""

    def losses(between):
        model = nn.MLP(2, [3, 1], rng=Random(0))
        X = [[0.1 * k, 1.0 - 0.2 * k] for k in range(10)]
        return fit(
            model, nn.mse, X, [x[0] for x in X], epochs=4, batch_size=4, progress=False,
            compiled="javascript", callbacks=[between],
        ).batch_loss  # fmt: skip

    pids = []

    def kill(history, model):
        pids.append(Node.current.process.pid)
        Node.current.process.kill()
        Node.current.process.wait()

    assert losses(kill) == losses(lambda *_: None)
    assert len({*pids}) == 4


def test_what_javascript_says_comes_through():
    """An error of its own, in words."""
    program = square()
    program.backend.home.text = "function start() { throw new RangeError('too much'); } start();"
    Node.end()

    with pytest.raises(TargetError, match="could not run this program: RangeError: too much"):
        program.backward()

    assert works(square())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_has_a_process_of_its_own():
    """Also where a thread of the parent has its turn; programs work on both sides."""
    program, other = square(), square()
    parent = Node.current.process.pid
    read, write = os.pipe()
    has_turn, done = threading.Event(), threading.Event()

    def take_turn():
        with Node.turn:
            has_turn.set()
            done.wait()

    thread = threading.Thread(target=take_turn)
    thread.start()
    has_turn.wait()
    if (child := os.fork()) == 0:
        try:
            signal.alarm(20)
            good = works(program) and works(square()) and Node.current.process.pid != parent
            os.write(write, b"good" if good else b"bad")
            Node.end()
        finally:
            os._exit(0)
    done.set()
    thread.join()
    assert works(other)
    os.close(write)

    assert os.read(read, 10) == b"good"
    os.waitpid(child, 0)
    os.close(read)
    assert works(program)
    assert Node.current.process.pid == parent


ENDING = """
import os, signal, time
from tinygrad_edu import Value, compile_graph
from tinygrad_edu.compiler.javascript_homes import Node
w = Value(3.0)
program = compile_graph(w * w, target="javascript")
program.backward()
print(Node.current.process.pid, flush=True)
"""


ENDS = ["", "os.kill(os.getpid(), signal.SIGKILL)", "os._exit(3)"]
FORK = """
if os.fork() == 0:
    os.close(1)
    os.close(2)
    time.sleep(20)
os._exit(3)
"""


@pytest.mark.parametrize("end", [*ENDS, FORK])
def test_it_ends_when_python_does(end):
    """However that ends, without a word; though a fork of it goes on."""
    run = [sys.executable, "-W", "error", "-c", ENDING + end]
    found = subprocess.run(run, capture_output=True, text=True)
    pid = int(found.stdout)

    for _ in range(200):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            break
        time.sleep(0.05)
    else:
        pytest.fail("node still runs")
    assert found.stderr == ""


def test_a_pickle_holds_no_process():
    """It makes its program anew, also where node is another one."""
    program = square()
    parcel = pickle.dumps(program)
    Node.end()

    assert works(pickle.loads(parcel))
    assert b"node" not in parcel.replace(b"nodes", b"")
    assert javascript_homes.which("node") is not None
