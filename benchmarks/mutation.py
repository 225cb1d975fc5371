"""Mutation testing of the table, Value and the two walks: does a test notice each small change?

Each mutant is one change of one place of the source, in a copy of the tree; the tests of the engine
run on it with a time limit. What survives is listed, with the reason where one is known.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from queue import Queue
from random import Random
from time import monotonic
from typing import Any

from benchmarks.timing import progress

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "mutation.json"
SOURCES = tuple(f"tinygrad_edu/engine/{name}.py" for name in ("ops", "value", "walk"))
CPU_SECONDS, GIBIBYTES = 90, 4  # for one stage; a test that needs more has failed
WORKERS, SEED = 2, 0
CONTEXT = 25  # characters of a line beside what was changed
# first the quick ones, which kill most
STAGES = (
    (
        "tests/engine/test_value.py", "tests/engine/test_ops.py",
        "tests/engine/test_value_semantics.py", "tests/system/test_traps.py",
        "-k", "not random_programs and not every_process",
    ),
    (
        "tests/engine/test_ops_table.py", "tests/engine/test_walk.py", "tests/test_transforms.py",
        "tests/engine/test_anomaly.py", "tests/system/test_interrupts.py",
        "tests/engine/test_copying.py", "tests/engine/test_functions.py",
        "tests/promises/test_agreement.py", "tests/system/test_memory.py",
        "-k", "not million and not signal and not process",
    ),
    ("--doctest-modules", *SOURCES),
)  # fmt: skip
SWAPS: dict[type[ast.AST], tuple[type[ast.AST], ...]] = {
    ast.Add: (ast.Sub,), ast.Sub: (ast.Add,), ast.Mult: (ast.Div,), ast.Div: (ast.Mult,),
    ast.Pow: (ast.Mult,), ast.Lt: (ast.LtE, ast.Gt), ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt,), ast.LtE: (ast.Lt,), ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,), ast.In: (ast.NotIn,), ast.NotIn: (ast.In,),
    ast.And: (ast.Or,), ast.Or: (ast.And,), ast.BitAnd: (ast.BitOr,),
}  # fmt: skip
UNORDERED = ("equal",)  # functions whose two arguments may change places
STATEMENTS = (ast.Continue, ast.Raise, ast.Expr, ast.Delete)  # left out, one at a time
REASONS = {
    "len(path) >= limit": "when the search for a cycle is repeated is a question of speed alone",
    "before, strict=False": "the two lists grow by the same lines, one item each",
    "limit = 3 * _without": "when the search for a cycle is repeated is a question of speed alone",
    "{path[-2]!r} is an input": "any value of the ring may be named",
    "(root, 1001)": "when the search for a cycle begins is a question of speed alone",
    "numbers), maxlen=1)": "the deque only runs the calls; it may keep one result",
    "xp.maximum(0.0, x) + xp.log1p": "at a tie of zeros log 2 is added to either",
    "not in (2, 1)": "the same set of numbers",
}


@dataclass(frozen=True)
class Mutant:
    """A file with one change; ``what`` shows the line before and after."""

    file: str
    line: int
    source: str
    what: str


def digest() -> str:
    """The sha256 of the sources that are mutated."""
    return hashlib.sha256(b"".join((ROOT / file).read_bytes() for file in SOURCES)).hexdigest()


def mutants() -> list[Mutant]:
    """Every change, in the order of the files."""
    return [mutant for file in SOURCES for mutant in _of_file(file)]


def _of_file(file: str) -> Iterator[Mutant]:
    source = (ROOT / file).read_text(encoding="utf-8")
    seen = {ast.unparse(ast.parse(source))}
    tree = ast.parse(source)
    nodes = list(_nodes(tree))
    for place in range(len(nodes)):
        for choice in range(3):
            line = getattr(nodes[place], "lineno", 0)
            if not change(nodes[place], choice):
                break
            text = ast.unparse(tree)
            tree = ast.parse(source)
            nodes = list(_nodes(tree))
            if text not in seen:
                seen.add(text)
                yield Mutant(file, line, text, _difference(source, text, file, line))


def _nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but annotations and names of types, which do nothing when the code runs."""
    waiting = deque([tree])
    while waiting:
        node = waiting.popleft()
        yield node
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation) == "TypeAlias":
            continue
        for name, field in ast.iter_fields(node):
            if name not in ("annotation", "returns"):
                parts = field if isinstance(field, list) else [field]
                waiting.extend(part for part in parts if isinstance(part, ast.AST))


def change(node: ast.AST, choice: int) -> bool:
    """Change a node in the way of that number; False where there is none."""
    if isinstance(node, ast.BinOp | ast.AugAssign | ast.BoolOp):
        return _swap(node, "op", choice)
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        swaps = SWAPS.get(type(node.ops[0]), ())
        if choice < len(swaps):
            node.ops[0] = swaps[choice]()  # type: ignore[assignment]
            return True
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and choice == 0:
        node.op = ast.UAdd()
        return True
    elif isinstance(node, ast.Constant) and choice == 0:
        return _constant(node)
    elif isinstance(node, ast.If | ast.While | ast.IfExp) and choice == 0:
        node.test = ast.UnaryOp(ast.Not(), node.test)
        return True
    elif isinstance(node, ast.Call) and choice == 0 and len(node.args) >= 2:
        if not (any(isinstance(arg, ast.Starred) for arg in node.args) or _unordered(node)):
            node.args[-2:] = node.args[:-3:-1]
            return True
    elif isinstance(node, ast.Tuple) and choice == 0 and len(node.elts) == 2:
        if isinstance(node.ctx, ast.Load):
            node.elts.reverse()
            return True
    elif isinstance(node, ast.Attribute) and choice == 0 and node.attr in ("_left", "_right"):
        node.attr = "_right" if node.attr == "_left" else "_left"
        return True
    elif isinstance(node, STATEMENTS) and choice == 0 and not _is_docstring(node):
        node.__class__, node.__dict__ = ast.Pass, {}  # type: ignore[assignment]
        return True
    return False


def _unordered(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Attribute) and call.func.attr in UNORDERED


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _swap(node: Any, field: str, choice: int) -> bool:
    swaps = SWAPS.get(type(getattr(node, field)), ())
    if choice < len(swaps):
        setattr(node, field, swaps[choice]())
        return True
    return False


def _constant(node: ast.Constant) -> bool:
    """Numbers and truths; text is for people."""
    if isinstance(node.value, bool):
        node.value = not node.value
        return True
    if isinstance(node.value, int | float):
        node.value = node.value + 1
        return True
    return False


def _difference(source: str, text: str, file: str, line: int) -> str:
    before = ast.unparse(ast.parse(source)).splitlines()
    after = text.splitlines()
    pairs = [(a, b) for a, b in zip(before, after, strict=False) if a != b]
    a, b = pairs[0] if pairs else ("", "a line less")
    start = max(0, _alike(a, b) - CONTEXT)
    end = _alike(a[start:][::-1], b[start:][::-1]) - CONTEXT
    parts = [text[start : len(text) - max(0, end)].strip() for text in (a, b)]
    return f"{file}:{line}: {parts[0]} -> {parts[1]}"


def _alike(a: str, b: str) -> int:
    """How many characters two lines have in common at the start."""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), 0)


def run(options: Any) -> int:
    """Kill what can be killed within the minutes given; print, and write the results."""
    every = mutants()
    chosen = list(every)
    Random(SEED).shuffle(chosen)
    if options.most:
        chosen = chosen[: options.most]
    until = monotonic() + 60.0 * options.minutes
    folders: Queue[Path] = Queue()
    with tempfile.TemporaryDirectory() as place:
        for i in range(WORKERS):
            folder = Path(place) / str(i)
            clean = shutil.ignore_patterns("__pycache__", ".git", "*.egg-info", "results")
            shutil.copytree(ROOT, folder, ignore=clean)
            folders.put(folder)
        if survives(folders, None, until + 600.0):
            print("the tests fail, or take too long, without any change", file=sys.stderr)
            return 2
        with ThreadPoolExecutor(WORKERS) as pool:
            jobs = [(m, pool.submit(survives, folders, m, until)) for m in chosen]
            fates = [(m, job.result()) for m, job in progress(jobs, "  mutants")]
    return _report(options, every, [(m, fate) for m, fate in fates if fate != "not reached"])


def survives(folders: Queue[Path], mutant: Mutant | None, until: float) -> str:
    """The fate of a mutant: "" if it survives, "killed", or "not reached" in time."""
    if monotonic() > until:
        return "not reached"
    folder = folders.get()
    try:
        if mutant is not None:
            (folder / mutant.file).write_text(mutant.source, encoding="utf-8")
        for words in STAGES:
            if _fails(folder, words):
                return "killed"
        return ""
    finally:
        if mutant is not None:
            shutil.copy(ROOT / mutant.file, folder / mutant.file)
        folders.put(folder)


def _fails(folder: Path, words: tuple[str, ...]) -> bool:
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "-p", "no:randomly"]
    environment = os.environ | {"CI": "true", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": ""}
    process = subprocess.Popen(
        [*command, *words], cwd=folder, env=environment, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    limits = {resource.RLIMIT_CPU: CPU_SECONDS, resource.RLIMIT_AS: GIBIBYTES * 2**30}
    for kind, most in limits.items():
        resource.prlimit(process.pid, kind, (most, most))
    return process.wait() != 0


def _report(options: Any, every: list[Mutant], fates: list[tuple[Mutant, str]]) -> int:
    survivors = sorted((m.what, reason(m.what)) for m, fate in fates if not fate)
    killed = len(fates) - len(survivors)
    figures = {
        "date": date.today().isoformat(), "sources": digest(), "mutants": len(fates),
        "possible": len(every), "sampled": len(fates) < len(every), "seed": SEED,
        "killed": killed, "score": killed / max(1, len(fates)),
        "survivors": [{"what": what, "reason": why} for what, why in survivors],
    }  # fmt: skip
    print(f"{killed} of {len(fates)} mutants killed: {100 * figures['score']:.1f} %")  # type: ignore[operator]
    for what, why in survivors:
        print(f"  survived: {what}\n    {why}")
    if options.most is None:
        RESULTS.parent.mkdir(parents=True, exist_ok=True)
        RESULTS.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 0 if killed >= 0.97 * len(fates) else 1


def reason(what: str) -> str:
    """Why a survivor may live, where that is known."""
    after = what.partition(" -> ")[2]
    known = [why for part, why in REASONS.items() if part in after]
    return known[0] if known else "no test fails: a gap"
