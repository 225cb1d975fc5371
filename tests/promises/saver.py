"""Saves whose process dies: ``python tests/promises/saver.py FOLDER KILLS``.

It is a process of its own, since it forks and lets the system kill the forks. After each death the
file of before or the new one is there, whole.
"""

import itertools
import os
import resource
import signal
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from random import Random

from tinygrad_edu.nn import MLP, load, read, save


def save_step(step, path, **facts):
    """Save a model whose parameters all hold the number of the step."""
    model = MLP(2, [4, 1])
    for parameter in model.parameters():
        parameter.data = float(step)
    save(model, path, step=step, **facts)


def step_in(path):
    """Return the step of the file, which must hold all of the model of that step."""
    model = MLP(2, [4, 1])
    load(model, path)
    step = read(path)["step"]
    assert {p.data for p in model.parameters()} == {float(step)}, "parameters of two steps"
    return step


@contextmanager
def limited(size):
    """Let the system refuse whatever would make a file larger than so many bytes."""
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))


def forked(work, *arguments):
    """Run in a fork, which ends with the work, and return its process id."""
    pid = os.fork()
    if pid == 0:
        try:
            work(*arguments)
        finally:
            os._exit(0)
    return pid


def die_at(limit, path):
    """Save until the new file has so many bytes; the next one kills this process."""
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with limited(limit):
        save_step(2, path)


def save_on(path, ready):
    """Save step after step, without end, and say when each is there."""
    for step in itertools.count(1):
        save_step(step, path)
        os.write(ready, b".")


def main(folder, kills):
    """Die at each byte of a save, and by SIGKILL at random moments; print how often."""
    path, rng, steps = folder / "model.json", Random(0), set()
    save_step(1, path)
    length = path.stat().st_size
    for limit in range(length):
        _, status = os.waitpid(forked(die_at, limit, path), 0)
        assert os.WTERMSIG(status) == signal.SIGXFSZ, f"a limit of {limit} bytes was survived"
        assert step_in(path) == 1
        tidy(folder)
    for _ in range(kills):
        here, there = os.pipe()
        pid = forked(save_on, path, there)
        for _ in range(rng.randint(1, 5)):
            os.read(here, 1)
        time.sleep(rng.uniform(0.0, 0.005))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(here)
        os.close(there)
        steps.add(step_in(path))
        tidy(folder)
    assert kills < 20 or len(steps) > 2, f"killed at steps {steps} only: too early to show anything"
    print(f"{length:,} killed at a byte, {kills:,} killed by SIGKILL")


def tidy(folder):
    """Take away what a killed process had to leave."""
    for leftover in folder.glob(".new.*"):
        leftover.unlink()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
