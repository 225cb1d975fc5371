"""Saves that are broken off, in processes made for it; a line of JSON for each case.

``python -m benchmarks.promises.saver FOLDER KILLS``. After each, the file of before or the new one
is there, whole. A child is a fork, so that a thousand of them take seconds.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from tinygrad_edu.engine.errors import FileError
from tinygrad_edu.nn import MLP, load, read, save

SIZE = (2, [4, 1])


def model_of(step: int) -> MLP:
    """A model whose parameters all hold one number."""
    model = MLP(*SIZE)
    for parameter in model.parameters():
        parameter.data = float(step)
    return model


def lost(path: Path, *allowed: int) -> list[str]:
    """What is wrong with the file: it must hold one of the steps allowed, all of it."""
    try:
        model = MLP(*SIZE)
        load(model, path)
        step = read(path)["step"]
    except FileError as error:
        return [str(error).splitlines()[0]]
    if {p.data for p in model.parameters()} != {float(step)}:
        return ["parameters of two steps"]
    return [] if step in allowed or not allowed else [f"step {step}, not one of {allowed}"]


def child(work: Callable[[], None]) -> int:
    """Run in a fork; how it ended, as wait says."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(0)
    return os.waitpid(pid, 0)[1]


def cut_at_every_byte(folder: Path) -> tuple[int, list[str]]:
    """The process dies at that byte of the new file, by the system's limit on a file's size."""
    path, faults = folder / "model.json", list[str]()
    save(model_of(1), path, step=1)
    length = len(path.read_bytes())

    def work(limit: int) -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        save(model_of(2), path, step=2)

    for limit in range(length):
        status = child(lambda limit=limit: work(limit))  # type: ignore[misc]
        if os.WTERMSIG(status) != signal.SIGXFSZ:
            faults.append(f"the save survived a limit of {limit} bytes")
        faults += lost(path, 1)
        _tidy(folder)
    return length, faults


def refused_at_every_byte(folder: Path) -> tuple[int, list[str]]:
    """The same, where the system refuses the byte and the process lives on: a worded error."""
    path, faults = folder / "model.json", list[str]()
    save(model_of(1), path, step=1)
    length = len(path.read_bytes())
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    for limit in range(length):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        try:
            faults += _worded(path, 2)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        faults += lost(path, 1)
    faults += [] if os.listdir(folder) == [path.name] else ["files were left over"]
    return length, faults


def killed(folder: Path, kills: int) -> tuple[int, list[str]]:
    """SIGKILL at random moments of saves that follow each other."""
    path, faults, rng, steps = folder / "model.json", list[str](), Random(0), set[int]()
    for _ in range(kills):
        here, there = os.pipe()
        pid = os.fork()
        if pid == 0:
            _save_on(path, there)
        os.read(here, 1)
        time.sleep(rng.uniform(0.0, 0.005))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(here)
        os.close(there)
        faults += lost(path)
        steps.add(read(path)["step"])
        _tidy(folder)
    if kills >= 20 and len(steps) < 3:
        faults.append(f"killed at steps {steps} only: too early to show anything")
    return kills, faults


def _save_on(path: Path, ready: int) -> None:
    """Never returns."""
    step = 0
    while True:
        step += 1
        save(model_of(step), path, step=step)
        if step == 1:
            os.write(ready, b".")


def disk_full(folder: Path) -> tuple[int, list[str]]:
    """On a disk of 64 KiB that fills up; many times, with more or less room left."""
    path, faults, count = folder / "model.json", list[str](), 0
    save(model_of(1), path, step=1)
    for room in range(0, 4096 * 4, 4096):
        (folder / "filler").write_bytes(b"")
        free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_bsize
        (folder / "filler").write_bytes(b"x" * max(0, free - room))
        for size in (10, 1_000, 50_000):
            try:
                save(model_of(1), path, step=1, note="y" * size)
            except FileError as error:
                faults += [] if "can't be written" in str(error) else [str(error)]
                count += 1
            faults += lost(path, 1)
    faults += [] if count else ["the disk was never full"]
    return count, faults


def folder_gone(folder: Path) -> tuple[int, list[str]]:
    """Deleted between two saves."""
    path = folder / "sub" / "model.json"
    path.parent.mkdir()
    save(model_of(1), path, step=1)
    shutil.rmtree(path.parent)
    return 1, _worded(path, 2)


def read_only(folder: Path) -> tuple[int, list[str]]:
    """Where nothing may be written, the file before stays."""
    path = folder / "model.json"
    return 1, _worded(path, 2) + lost(path, 1)


def _worded(path: Path, step: int) -> list[str]:
    """A save that must be refused, with the file's name and what to do."""
    try:
        save(model_of(step), path, step=step)
    except FileError as error:
        good = str(error).startswith(f"{path} can't be written") and "Fix" in str(error)
        return [] if good else [f"the message is {error}"]
    return ["it was saved"]


def _tidy(folder: Path) -> None:
    """Take away what a killed process had to leave."""
    for leftover in folder.glob(".new.*"):
        leftover.unlink()


@contextmanager
def small_disk(folder: Path) -> Iterator[Path | None]:
    """A disk of 64 KiB where one can be mounted, else None."""
    place = folder / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(place)]
    able = os.geteuid() == 0 and subprocess.run(mount, capture_output=True).returncode == 0
    try:
        yield place if able else None
    finally:
        if able:
            subprocess.run(["umount", str(place)], check=True)


def main(folder: Path, kills: int) -> None:
    """All cases, each in a folder of its own."""
    cases: dict[str, Callable[[Path], tuple[int, list[str]]]] = {
        "killed at a byte": cut_at_every_byte,
        "refused a byte": refused_at_every_byte,
        "killed by SIGKILL": lambda place: killed(place, kills),
        "in a folder that is gone": folder_gone,
    }
    for i, (name, case) in enumerate(cases.items()):
        place = folder / str(i)
        place.mkdir()
        say(name, *case(place))
    with small_disk(folder) as disk:
        if disk is not None:
            say("on a full disk", *disk_full(disk))
            (disk / "filler").unlink()
            subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
            say("on a read-only disk", *read_only(disk))
        elif os.geteuid() != 0:
            place = folder / "closed"
            place.mkdir()
            save(model_of(1), place / "model.json", step=1)
            place.chmod(0o555)
            say("in a read-only folder", *read_only(place))
            place.chmod(0o755)


def say(case: str, count: int, faults: list[str]) -> None:
    """A line for the process that waits."""
    print(json.dumps({"case": case, "count": count, "faults": faults[:20]}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
