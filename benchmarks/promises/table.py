"""All promises, room by room, with the figures of peers on the same tests."""

from __future__ import annotations

from benchmarks.promises import (
    compiler,
    engine,
    figures,
    files,
    huge,
    mutants,
    rules,
    settings,
    text,
)  # fmt: skip
from benchmarks.promises.promise import Promise

NO = ("–", "–", "–", "")
PROMISES = (
    Promise(
        "depth", "depth: build, backward, deepcopy, pickle, draw, explain, compile, delete",
        "1,000,000 nodes; backward 2 s, deepcopy 2 s, delete 0.2 s at most (Python 3.11 to 3.13)",
        engine.depth, 1_000_000, 5_000,
        ("fails at 995", "fails at 995; segfault with the limit raised",
         "backward 4.0 s; deepcopy refused", "MyGrad 40 s to build"),
    ),
    Promise(
        "sum", "`sum()` over Values", "100,000 terms", engine.sums, 100_000, 20_000,
        ("fails at 994", "fails at 994", "ok", ""),
    ),
    Promise(
        "memory", "bytes per node", "230 at most", engine.memory, 100_000, 10_000,
        ("757", "161", "588", "MyGrad 1990"),
    ),
    Promise(
        "growth", "training steps, gc disabled", "at most 1 MiB in 10,000", engine.growth,
        10_000, 300, ("about 13 GiB", "about 4.7 GiB", "about 1 MiB", ""),
    ),
    Promise(
        "torch", "random programs against PyTorch float64", "10,000 at 1e-12",
        engine.torch_programs, 10_000, 300, ("9161 agree at 1e-9", "7606", "reference", ""),
    ),
    Promise(
        "mpmath", "random programs against mpmath's slopes", "10,000 at 1e-12",
        engine.mpmath_programs, 10_000, 200, NO,
    ),
    Promise(
        "naive", "random programs against a recursive engine", "10,000 at 1e-12",
        engine.naive_programs, 10_000, 300, NO,
    ),
    Promise(
        "nasty", "nasty inputs (±0, ±inf, nan, 5e-324, 1e±300, 710, …)",
        "10,000 programs: 0 exceptions, 0 complex, 0 finite but wrong", engine.nasty_programs,
        10_000, 500, ("2437 / 67 / 25", "4111 / 35 / 13", "reference", ""),
    ),
    Promise(
        "stories", "build, change, walk, copy, pickle, drop in any order, beside a naive engine",
        "1,000 stories of up to 40 steps", engine.state_machine, 1_000, 20, NO,
    ),
    Promise(
        "bits", "bit-identical gradients", "100 processes, PYTHONHASHSEED random",
        engine.same_bits, 100, 6, ("2 patterns", "1", "1", ""),
    ),
    Promise(
        "traps", "semantic traps (backward twice, stale leaf, stale graph after an update, "
        "deepcopy then backward, interrupt then rerun, hand-made cycle, accumulation across "
        "graphs, leaf backward)", "0 silently wrong", settings.traps, 8, 8,
        ("7", "5", "1", "MyGrad 1"),
    ),
    Promise(
        "checker", "rule checker", "catches a relative error of 1e-10 in any row, at 100 points of "
        "each partial", rules.wrong_rows, 100, 3, ("–", "–", "1e-3", "JAX 1e-5, HIPS 2e-6"),
    ),
    Promise(
        "kinks", "kinks", "the value lies between the left and the right derivative, at 500 points "
        "of each", rules.kinks, 500, 20, ("", "", "", "caffe #1334's test"),
    ),
    Promise(
        "special", "special values of every row", "as IEEE 754 and the semantics table say",
        rules.special_values, 1, 1, NO,
    ),
    Promise(
        "mutation", "mutation score of ops + engine", "97 %", mutants.measured, 1, 1,
        ("66 of 70", "–", "–", ""),
    ),
    Promise(
        "compiled", "compiled = eager", "10,000 random programs at 1e-12, both targets",
        compiler.random_programs, 10_000, 100, ("–", "–", "–", "CasADi 15 digits"),
    ),
    Promise(
        "compiled-rows", "compiled on rows of data = the mean of the rows' graphs",
        "10,000 random samples at 1e-11, both targets", compiler.rows, 10_000, 100, NO,
    ),
    Promise(
        "compiled-special", "compiled = eager at nan, inf and ties", "all match, both targets",
        compiler.special_values, 1, 1, NO,
    ),
    Promise(
        "corruption", "corrupted checkpoint", "10,000: 0 silently loaded, 0 crashes, 0 code "
        "executed; the message says what is wrong with the file", files.corruptions, 10_000, 320,
        ("–", "–", "328 silent", "safetensors 618 silent"),
    ),
    Promise(
        "interrupted", "save interrupted", "cut at every byte, 1,000 SIGKILLs, disk full, folder "
        "gone, read-only: the previous file is never lost", files.interrupted, 1_000, 20,
        ("–", "–", "torch.save lost 411 of 411 and 69 of 100", "json.dump 450/450"),
    ),
    Promise(
        "text", "expression parser and command line", "100,000 fuzzed strings: a graph of what is "
        "allowed or a worded error; 1 s and 512 MiB at most", text.fuzzed, 100_000, 1_000, NO,
    ),
    Promise(
        "labels", "hostile labels", "24 listed + 1,000 fuzzed: 0 broken figures, 0 injected markup",
        figures.labels, 1_000, 20, ("19 of 24 bad", "–", "–", "graphviz.escape 4 of 24"),
    ),
    Promise(
        "too-much", "drawing too much", "over 2,000 nodes: an answer within 1 s; dot never runs "
        "past 10 s", huge.too_much, 3, 1, ("over 60 s", "–", "–", ""),
    ),
    Promise(
        "outputs", "huge graphs to every output", "5 graphs of 1,760 to 20,000 nodes, their last "
        "150 and all: a file or a worded refusal within 15 s", huge.every_output, 5, 1, NO,
    ),
    Promise(
        "shapes", "wrong shapes", "too few or too many inputs to a neuron, layer, MLP, loss, "
        "batch: an error that says expected and got", settings.shapes, 1, 1,
        ("silently truncates", "–", "error", ""),
    ),
    Promise(
        "settings", "learning rate nan, inf, negative; zero-width layer; empty batch; empty data",
        "an error that says which", settings.settings, 1, 1,
        ("accepted", "accepted", "nan accepted", ""),
    ),
    Promise(
        "operands", "operands str, list, None, complex, ndarray, Value(Value)",
        "a worded TypeError at construction", settings.operands, 1, 1,
        ("accepted", "accepted", "mixed", ""),
    ),
)  # fmt: skip
