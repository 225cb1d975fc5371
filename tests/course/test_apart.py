"""An answer runs apart from the session, in each of the three ways, and always ends in time."""

import builtins
import os
import select
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress

import pytest

from tinygrad_edu import Value
from tinygrad_edu.compiler import recording
from tinygrad_edu.compiler.javascript_homes import Node
from tinygrad_edu.course import EXERCISES, grade
from tinygrad_edu.course.apart import apart
from tinygrad_edu.course.outcomes import Misfit
from tinygrad_edu.nn import Dropout

WATCHES = pytest.mark.skipif(sys.version_info < (3, 12), reason="needs sys.monitoring")
every_way = pytest.mark.parametrize(
    "platform", ["linux", "darwin", pytest.param("emscripten", marks=WATCHES)]
)


@pytest.fixture
def way(monkeypatch, platform):
    """Run answers as on that platform."""
    monkeypatch.setattr(sys, "platform", platform)
    return platform


def swallows():
    """Never end, whatever is raised."""
    n = 0
    while True:
        with suppress(BaseException):
            n += 1


def swallows_in_turns():
    """Swallow, for some time, also what is raised while something else is swallowed."""
    kept, end = [], time.monotonic() + 3.0
    while time.monotonic() < end:
        try:
            while time.monotonic() < end:
                try:
                    kept = kept[-9:]
                except BaseException as error:
                    kept.append(error)
        except BaseException as error:
            kept.append(error)


@every_way
def test_what_the_work_returns_comes_back(way):
    """And what it refuses, in its words."""

    def refuse():
        raise Misfit("Hand in a number.")

    assert apart(lambda: [1.0, "text"], 5.0) == [1.0, "text"]
    with pytest.raises(Misfit, match="Hand in a number"):
        apart(refuse, 5.0)


@every_way
@pytest.mark.parametrize("work", [swallows, swallows_in_turns])
def test_a_loop_that_swallows_exceptions_ends_in_time(way, work):
    """Whether or not the thread of it can be ended."""
    start = time.monotonic()

    with pytest.raises(Misfit, match=r"stopped after 0\.2 seconds"):
        apart(work, 0.2)

    assert time.monotonic() - start < 2.0


@pytest.mark.parametrize("platform", ["linux", "darwin"])
@pytest.mark.parametrize("work", [lambda: time.sleep(3), lambda: [].sort(0)])
def test_what_waits_is_not_waited_for(way, work):
    """A thread that can't be stopped is left behind; what does not wait ends in words."""
    with pytest.raises(Misfit, match=r"stopped after|TypeError"):
        apart(work, 0.1)


@every_way
@pytest.mark.parametrize(
    ("raised", "words"),
    [(SystemExit(0), "remove exit"), (GeneratorExit, "GeneratorExit"), (ValueError(3), "Error: 3")],
)
def test_whatever_is_raised_is_told(way, raised, words):
    """No exception of the learner's leaves the checker."""

    def work():
        raise raised

    with pytest.raises(Misfit, match=words):
        apart(work, 5.0)


@every_way
def test_the_learners_own_interruption_passes_through(way):
    """Whoever presses Ctrl-C wants to stop, and gets no verdict."""

    def work():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        apart(work, 5.0)


@every_way
def test_what_an_answer_switches_on_is_off_afterwards(way):
    """A recording, which would let dropout drop nothing."""

    def work():
        recording().__enter__()

    apart(work, 5.0)

    assert any(v.data == 0.0 for v in Dropout(0.5)([Value(1.0)] * 40))


@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_another_thread_may_ask(way):
    """Not only the main thread of a program."""
    found = []
    thread = threading.Thread(target=lambda: found.append(apart(lambda: 3, 5.0)))
    thread.start()
    thread.join()

    assert found == [3]


def test_what_an_answer_changes_dies_with_it(tmp_path, monkeypatch):
    """Builtins, the folder, the standard output, iterators."""
    monkeypatch.chdir(tmp_path)
    numbers, stdout, before = iter([1, 2]), sys.stdout, sorted

    def work():
        builtins.sorted = sys.stdout = None
        os.chdir("/")
        return next(numbers)

    assert apart(work, 5.0) == 1
    assert (next(numbers), os.getcwd(), sys.stdout, sorted) == (1, str(tmp_path), stdout, before)


def test_what_an_answer_prints_is_shown_up_to_a_limit(capsys):
    """Its first lines help to find a mistake, a million of them hide the verdict."""

    def work():
        out = sys.stdout
        for i in range(10_000):
            print(i, file=out)
            print(i)

    apart(work, 5.0)

    out = capsys.readouterr().out
    assert out.startswith("0\n0\n1\n1\n")
    assert out.endswith("\n… the rest of what it prints is left out.\n")
    assert len(out) < 6_000


def test_the_child_takes_little_memory_beside_the_sessions():
    """Four GiB; so a mistake in a loop does not stop the machine."""
    with pytest.raises(Misfit, match="more memory than there is"):
        apart(lambda: bytearray(5 << 30), 5.0)


def test_no_child_is_left(tmp_path):
    """Each is waited for, however it ended."""
    Node.end()  # a child that a test of JavaScript may have left
    for work in (lambda: 1, lambda: os._exit(1), swallows):
        with suppress(Misfit):
            apart(work, 0.1)

    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_a_right_answer_is_right_in_each_way(monkeypatch):
    """With its printing and its errors."""
    for platform in ("linux", "darwin", *(["emscripten"] if sys.version_info >= (3, 12) else [])):
        monkeypatch.setattr(sys, "platform", platform)

        assert grade(EXERCISES["chain_rule_2"], lambda x, y: [y + 3, x])
        assert "ZeroDivisionError" in grade(EXERCISES["chain_rule_2"], lambda x, y: x / 0).words


def test_a_session_that_ignores_the_ends_of_children_gets_its_verdict():
    """The system removes them then, and there is nothing to wait for."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        assert apart(lambda: 3, 5.0) == 3
    finally:
        signal.signal(signal.SIGCHLD, before)


@pytest.mark.parametrize("what", ["fork", "pipe"])
def test_where_no_process_can_be_had_a_thread_serves(what, monkeypatch):
    """A machine may have no more processes or open files."""

    def refuse(*_, **__):
        raise OSError

    monkeypatch.setattr(os, "fork" if what == "fork" else "pipe", refuse)

    assert apart(threading.current_thread, 5.0) is not threading.current_thread()


def test_without_fork_a_thread_serves(monkeypatch):
    """As on Windows."""
    monkeypatch.delattr(os, "fork")

    assert apart(threading.current_thread, 5.0) is not threading.current_thread()


def test_programs_that_an_answer_starts_end_with_it():
    """Else one that prints without end would go on in the terminal."""
    read, write = os.pipe()
    os.set_inheritable(write, True)

    with pytest.raises(Misfit, match="stopped after"):
        apart(lambda: subprocess.run(["sleep", "60"], pass_fds=[write]), 0.3)

    os.close(write)
    assert select.select([read], [], [], 5.0)[0], "somebody still holds the other end"
    assert os.read(read, 1) == b""
    os.close(read)


def test_pytorch_does_not_wait_for_threads_that_the_child_lacks():
    """Its matrix products run in threads, of which a fork copies none."""
    torch = pytest.importorskip("torch")
    large = torch.ones(800, 800)
    large @ large

    assert apart(lambda: float((large @ large)[0, 0]), 20.0) == 800.0
