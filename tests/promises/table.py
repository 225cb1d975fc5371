"""Everything this project promises; a test that bears ``@pytest.mark.promise(name=...)`` keeps it.

The tests say what was measured, and ``python -m benchmarks promises`` makes docs/promises.md of it.
"""

from __future__ import annotations

from dataclasses import dataclass

PEERS = ("micrograd", "microgpt's Value", "PyTorch 0-d", "others")


@dataclass(frozen=True)
class Promise:
    """A line of the page.

    ``cases`` is the number that is promised, and ``quick`` that of the ordinary suite; both are
    None where every run has all the cases there are. ``peers`` says how those of PEERS do on the
    same test, and by which command, if there is one, that was measured.
    """

    what: str
    target: str
    cases: int | None = None
    quick: int | None = None
    peers: tuple[str, str, str, str] = ("", "", "", "")


PROMISES = {
    "depth": Promise(
        "depth: build, backward, deepcopy, pickle, draw, explain, compile, delete",
        "1,000,000 nodes; backward 2 s, deepcopy 2 s, delete 0.2 s at most (Python 3.11 to 3.13)",
        cases=1_000_000,
        quick=2_000,
        peers=(
            "fails at 995; beyond 988 by `python -m benchmarks eager` on 2026-11-21",
            "fails at 995; segfault with the limit raised",
            "backward 4.0 s; deepcopy refused",
            "MyGrad 40 s to build",
        ),
    ),
    "sum": Promise(
        "`sum()` over Values",
        "100,000 terms",
        cases=100_000,
        quick=100_000,
        peers=("fails at 994", "fails at 994", "ok", ""),
    ),
    "memory": Promise(
        "bytes per node",
        "160 at most",
        cases=100_000,
        quick=20_000,
        peers=(
            "757; 637 by `python -m benchmarks eager` on 2026-11-21",
            "161",
            "588",
            "MyGrad 1990",
        ),
    ),
    "growth": Promise(
        "training steps with the garbage collector off",
        "at most 1 MiB of growth in 10,000",
        cases=10_000,
        quick=300,
        peers=("about 13 GiB", "about 4.7 GiB", "about 1 MiB", ""),
    ),
    "torch": Promise(
        "random programs against PyTorch float64",
        "10,000 at 1e-12",
        cases=10_000,
        quick=10_000,
        peers=("9161 agree at 1e-9", "7606", "reference", ""),
    ),
    "mpmath": Promise(
        "random programs against mpmath's slopes", "10,000 at 1e-12", cases=10_000, quick=200
    ),
    "naive": Promise(
        "random programs against a recursive engine", "10,000 at 1e-12", cases=10_000, quick=300
    ),
    "nasty": Promise(
        "nasty inputs (±0, ±inf, nan, 5e-324, 1e±300, 710, …)",
        "10,000 programs: 0 exceptions, 0 complex, 0 finite but wrong",
        cases=10_000,
        quick=500,
        peers=("2437 / 67 / 25", "4111 / 35 / 13", "reference", ""),
    ),
    "stories": Promise(
        "build, change, walk, copy, pickle, drop in any order, beside a naive engine",
        "1,000 stories of up to 40 steps",
        cases=1_000,
        quick=100,
    ),
    "bits": Promise(
        "bit-identical gradients",
        "100 processes, PYTHONHASHSEED random",
        cases=100,
        quick=6,
        peers=("2 patterns", "1", "1", ""),
    ),
    "traps": Promise(
        "semantic traps (backward twice, stale leaf, stale graph after an update, deepcopy then "
        "backward, interrupt then rerun, hand-made cycle, accumulation across graphs, leaf "
        "backward)",
        "0 silently wrong",
        peers=("7", "5", "1", "MyGrad 1"),
    ),
    "checker": Promise(
        "rule checker",
        "catches a relative error of 1e-10 in any row, at 100 points of each partial",
        cases=100,
        quick=3,
        peers=("", "", "1e-3", "JAX 1e-5, HIPS 2e-6"),
    ),
    "kinks": Promise(
        "kinks",
        "the value lies between the left and the right derivative, at 500 points of each",
        cases=500,
        quick=20,
        peers=("", "", "", "caffe #1334's test"),
    ),
    "special": Promise("special values of every row", "as IEEE 754 and the semantics table say"),
    "mutation": Promise(
        "mutation score of the table and the engine",
        "97 %",
        peers=("66 of 70", "", "", ""),
    ),
    "higher": Promise(
        "derivatives of derivatives against mpmath at 40 digits",
        "every row, orders 1 to 3, from 0 to ±1e300 and infinities: 1e-10, none nan",
    ),
    "choices": Promise(
        "choices inside `grad` and compiled",
        "10,000 programs with a derivative inside, both sides of every kink: as eager to 1e-11",
        cases=10_000,
        quick=60,
    ),
    "compiled": Promise(
        "compiled = eager",
        "10,000 random programs at 1e-12, every target",
        cases=10_000,
        quick=60,
        peers=("", "", "", "CasADi 15 digits"),
    ),
    "compiled-rows": Promise(
        "compiled on rows of data = the mean of the rows' graphs",
        "10,000 random samples at 1e-11, every target",
        cases=10_000,
        quick=120,
    ),
    "compiled-special": Promise(
        "compiled = eager at nan, inf and ties",
        "27 special values in every place of every row, every target",
        cases=27,
        quick=9,
    ),
    "equations": Promise(
        "equations are the program",
        "17 models and 1,000 random programs: what is printed, evaluated, gives loss and gradient "
        "at 1e-12",
        cases=1_000,
        quick=60,
    ),
    "between-runs": Promise(
        "a program between its runs",
        "1,000 stories of runs, assignments, copies, other rows and other constants: as a fresh "
        "graph after every step",
        cases=1_000,
        quick=40,
    ),
    "corruption": Promise(
        "corrupted checkpoint",
        "10,000: 0 silently loaded, 0 crashes, 0 code executed; the message says what is wrong "
        "with the file",
        cases=10_000,
        quick=2_000,
        peers=("", "", "328 silent", "safetensors 618 silent"),
    ),
    "interrupted": Promise(
        "save interrupted",
        "cut at every byte, 1,000 SIGKILLs, disk full, folder gone, read-only: the previous file "
        "is never lost",
        cases=1_000,
        quick=30,
        peers=("", "", "torch.save lost 411 of 411 and 69 of 100", "json.dump 450/450"),
    ),
    "text": Promise(
        "expression parser and command line",
        "100,000 fuzzed strings: a graph of what is allowed or a worded error; 1 s and 512 MiB at "
        "most",
        cases=100_000,
        quick=1_000,
    ),
    "labels": Promise(
        "hostile labels",
        "24 listed + 1,000 fuzzed: 0 broken figures, 0 injected markup",
        cases=1_000,
        quick=50,
        peers=("19 of 24 bad", "", "", "graphviz.escape 4 of 24"),
    ),
    "too-much": Promise(
        "drawing too much",
        "5 graphs of 1,760 to 20,000 nodes: an answer within 1 s; dot never runs past 10 s",
        cases=5,
        quick=1,
        peers=("over 60 s", "", "", ""),
    ),
    "outputs": Promise(
        "huge graphs to every output",
        "5 graphs of 1,760 to 20,000 nodes, their last 150 and all: a file or a worded refusal "
        "within 15 s",
        cases=5,
        quick=1,
    ),
    "shapes": Promise(
        "wrong shapes",
        "too few or too many inputs to a neuron, layer, MLP, loss, batch: an error that says "
        "expected and got",
        peers=("silently truncates", "", "error", ""),
    ),
    "settings": Promise(
        "learning rate nan, inf, negative; zero-width layer; empty batch; empty data",
        "an error that says which",
        peers=("accepted", "accepted", "nan accepted", ""),
    ),
    "numbers": Promise(
        "numbers of every type at every door: data, operands, settings, samples, targets, seeds",
        "what comes out is bit for bit what Python's int or float gives; nothing goes round",
    ),
    "operands": Promise(
        "operands str, list, None, complex, ndarray, Value(Value)",
        "a worded TypeError at construction",
        peers=("accepted", "accepted", "mixed", ""),
    ),
    "answers": Promise(
        "the course's checker",
        "60 strange answers and more (endless loops with bare excepts and in C, sys.exit, nan, "
        "lying objects, generators, threads, changed builtins): the right verdict, in words, "
        "within its time limit",
    ),
    "data": Promise(
        "pandas, NumPy scalars, labels of any type",
        "every function that takes data, with shuffled, broken and equal labels, nullable types, "
        "text, one-hot, (n, 1), tensors, generators: the right pairs or a worded error",
    ),
    "refits": Promise(
        "failed or interrupted fits of estimators",
        "2,000 times Ctrl-C, bad settings, bad data, diverging, at every stage: the old fit whole, "
        "or the new one as far as it came; never a mixture",
        cases=2_000,
        quick=70,
    ),
    "contexts": Promise(
        "threads, tasks, generators",
        "1,000 interleavings of recording, anomaly mode, scopes, modes, faults, `grad`, fits and "
        "compiles in 4 threads, in asyncio tasks and in suspended generators, also such as go from "
        "thread to thread: same numbers as alone, nothing left switched on",
        cases=1_000,
        quick=40,
    ),
}
