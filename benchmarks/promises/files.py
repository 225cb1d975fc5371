"""The promises of checkpoints: nothing damaged is loaded, and no good file is ever lost."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.promises.promise import Finding, python, tool
from benchmarks.timing import progress
from tinygrad_edu.engine.errors import FileError
from tinygrad_edu.nn import MLP, load, save

DANGEROUS = ("exec", "os.", "subprocess.", "pickle.", "marshal.", "socket.", "ctypes.")
_heard: list[str] | None = None


def corruptions(count: int) -> Finding:
    """Damaged, exchanged and hostile files: each is refused in words, and changes no model."""
    faults: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        model = MLP(2, [2, 1], rng=Random(2))
        kinds = dict.fromkeys(KINDS, 0)
        for i in progress(range(count), "  corrupted files"):
            kind = list(KINDS)[i % len(KINDS)]
            kinds[kind] += 1
            if fault := tried(model, path, KINDS[kind], Random(f"{kind}/{i}")):
                faults.append(f"{kind}: {fault}")
        every = [*truncations(path)]
        for content in progress(every, "  cut at each byte"):
            path.write_bytes(content)
            if fault := refused(model, path):
                faults.append(f"cut to {len(content)} bytes: {fault}")
    total = count + len(every)
    words = f"{total - len(faults):,} of {total:,} refused in words, by {len(KINDS)} kinds"
    return Finding(words, faults, kinds)


def tried(model: MLP, path: Path, kind: Callable[[Random], bytes], rng: Random) -> str:
    """What is wrong with how one file is received, or ""."""
    content = kind(rng)
    if kind is not larger:
        path.write_bytes(content)
        return refused(model, path)
    with path.open("wb") as file:
        file.truncate(int(content))
    fault = refused(model, path)
    path.unlink()
    return fault


def refused(model: MLP, path: Path) -> str:
    """Load the file, and say what is not as promised, or ""."""
    global _heard
    before = [p.data for p in model.parameters()]
    _heard = []
    try:
        load(model, path)
        return "loaded in silence"
    except FileError as error:
        message = str(error)
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:200]
    finally:
        heard, _heard = _heard, None
    if heard:
        return f"it ran {', '.join(heard)}"
    if not message.startswith(f"{path}: ") or "\n  Fix : " not in message:
        return f"the message is {message!r}"
    if len(message) > 400:
        return f"a message of {len(message)} characters"
    same = all(a == p.data for a, p in zip(before, model.parameters(), strict=True))
    return "" if same else "the model was changed"


def listen(event: str, _: Any) -> None:
    """Note whatever runs code while a file is read; audit hooks stay for good."""
    if _heard is not None and event.startswith(DANGEROUS):
        _heard.append(event)


sys.addaudithook(listen)


def saved(inputs: int = 2, seed: int = 1, **facts: Any) -> bytes:
    """A good file of MLP(inputs, [2, 1])."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        save(MLP(inputs, [2, 1], rng=Random(seed)), path, **facts)
        return path.read_bytes()


GOOD, OTHER = saved(note="über", widths=[2, 1]), saved(seed=3, note="other", widths=[2, 1])


def truncations(path: Path) -> Iterator[bytes]:
    """Each beginning of a good file."""
    for length in range(len(GOOD)):
        yield GOOD[:length]


def changed(edit: Callable[[dict[str, Any], Random], object], sign: bool = True) -> Any:
    """A kind of file: a good one's content edited, and signed again or not."""

    def kind(rng: Random) -> bytes:
        content = json.loads(GOOD)
        content.pop("sha256")
        edit(content, rng)
        data: bytes = tool("test_checkpoint").signed(content)
        if sign:
            return data
        return GOOD[: GOOD.index(b",") + 1] + data[data.index(b",") + 1 :]

    return kind


def damaged(rng: Random) -> bytes:
    """Bits turned, bytes put in, taken out, doubled, exchanged; or one bit turned."""
    if rng.random() < 0.3:
        flipped = bytearray(GOOD)
        flipped[rng.randrange(len(flipped))] ^= 1 << rng.randrange(8)
        return bytes(flipped)
    tests = tool("test_checkpoint")
    content: bytes = next(tests.corruptions(GOOD, 1, rng))
    return content


def spliced(rng: Random) -> bytes:
    """The beginning of one good file and the end of another."""
    while True:
        i, j = rng.randrange(1, len(GOOD)), rng.randrange(1, len(OTHER))
        content = GOOD[:i] + OTHER[j if rng.random() < 0.5 else min(i, len(OTHER) - 1) :]
        if content not in (GOOD, OTHER):
            return content


def doubled(rng: Random) -> bytes:
    """A key, or a parameter, twice."""
    lines = GOOD.split(b"\n")
    at = rng.choice([i for i, line in enumerate(lines) if b'": ' in line and line.endswith(b",")])
    return b"\n".join([*lines[:at], rng.choice([lines[at], lines[at]]), *lines[at:]])


def deep(rng: Random) -> bytes:
    """Lists or objects in one another, up to 200,000 of them, among the facts or alone."""
    depth = int(10 ** rng.uniform(2.1, 5.3))
    opening, closing = rng.choice([(b"[", b"]"), (b'{"a":', b"}")])
    tower = opening * depth + b"1" + closing * depth
    return rng.choice([tower, GOOD.replace(b'"\\u00fcber"', tower), opening * depth])


def larger(rng: Random) -> bytes:
    """The size of a file of 1 GiB and more, none of it on the disk."""
    return str(rng.randrange(2**30, 2**31)).encode()


def executable(rng: Random) -> bytes:
    """What other libraries would run: a pickle, a zip archive, Python's source."""
    return rng.choice([
        b"cos\nsystem\n(S'touch hacked'\ntR.", b"\x80\x04\x8c\x05posix\x94\x8c\x06system\x94\x93.",
        b"PK\x03\x04" + rng.randbytes(50), b"__import__('os').system('touch hacked')\n",
        GOOD.replace(b'"facts"', b'"__reduce__"'), b"\x93NUMPY\x01\x00" + rng.randbytes(99),
    ])  # fmt: skip


def _put(value: Callable[[Random], Any]) -> Any:
    def edit(content: dict[str, Any], rng: Random) -> None:
        content["parameters"][rng.choice(list(content["parameters"]))] = value(rng)

    return changed(edit)


def _raw(texts: list[bytes]) -> Callable[[Random], bytes]:
    """One parameter's number in other words, signed for these."""
    import hashlib

    def kind(rng: Random) -> bytes:
        body = GOOD[GOOD.index(b",") + 1 :].rstrip(b"\n")
        numbers = [line for line in body.split(b"\n") if b"neuron" in line]
        name = rng.choice(numbers)
        text = body.replace(name, name.partition(b": ")[0] + b": " + rng.choice(texts) + b",")
        digest = hashlib.sha256(b"{" + text).hexdigest().encode()
        return b'{\n "sha256": "' + digest + b'",' + text + b"\n"

    return kind


KINDS: dict[str, Callable[[Random], bytes]] = {
    "damaged": damaged,
    "cut": lambda rng: GOOD[: rng.randrange(len(GOOD))],
    "spliced": spliced,
    "another shape": lambda rng: saved(inputs=rng.choice([1, 3, 4, 5]), seed=rng.randrange(99)),
    "future version": changed(lambda c, rng: c.update(version=rng.randrange(2, 10**6))),
    "no version": changed(lambda c, rng: c.update(version=rng.choice([None, "1", True, 1.0, [1]]))),
    "huge numbers": _raw([b"1e999", b"-1e309", b"1" * 400, b"9" * 5000, b"1e99999999"]),
    "nan": _raw([b"NaN", b"Infinity", b"-Infinity", b"nan"]),
    "no number": _put(lambda rng: rng.choice([None, True, "1.5", [1.5], {}, 7, 10**400])),
    "renamed": changed(lambda c, rng: c["parameters"].update({f"w{rng.random()}": 1.0})),
    "edited": changed(
        lambda c, rng: c["parameters"].update({"layer1.neuron0.b": rng.uniform(1.0, 2.0)}), False
    ),
    "extra key": changed(lambda c, rng: c.update({rng.choice(["code", "x", "sha"]): "import os"})),
    "duplicate keys": doubled,
    "deep nesting": deep,
    "1 GiB": larger,
    "to be run": executable,
}


def interrupted(kills: int) -> Finding:
    """Saves cut at every byte, killed, on a full disk, in a folder that is gone or read-only."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        done = python("-m", "benchmarks.promises.saver", folder, str(kills))
    for line in done.stdout.splitlines():
        found.append(json.loads(line))
    faults = [f"{case['case']}: {fault}" for case in found for fault in case["faults"]]
    if done.returncode:
        faults.append(f"the savers ended early: {done.stderr[-300:]}")
    words = ", ".join(f"{case['count']:,} {case['case']}" for case in found)
    return Finding(f"{len(faults)} lost ({words})", faults, {c["case"]: c["count"] for c in found})
