"""This engine and micrograd, side by side: a training step, a random graph, a deep chain."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import isclose
from statistics import median
from time import process_time
from typing import Any, NamedTuple

from micrograd.engine import Value as MicrogradValue
from micrograd.nn import MLP as MicrogradMLP

from benchmarks.report import OURS, PEER, setting_of
from benchmarks.timing import (
    Disagreement,
    Step,
    bytes_held,
    collector,
    in_turns,
    progress,
    ratio,
)
from benchmarks.workloads import Build, chain, moons, moons_loss, random_program, run
from tinygrad_edu import Value
from tinygrad_edu.nn import MLP

MODES = {"collector on": True, "collector off": False}
SEED = 1337  # of micrograd's own demo
Figures = dict[str, Any]


class Sizes(NamedTuple):
    """How much to measure; blocks are in steps."""

    rounds: int = 10
    blocks: tuple[int, int] = (6, 4)  # ours, micrograd's
    graph: int = 100_000  # nodes
    chain: int = 1_000_000
    repeats: int = 3  # of the chain
    samples: int = 100  # of the moons


QUICK = Sizes(rounds=1, blocks=(2, 2), graph=5_000, chain=20_000, repeats=1, samples=20)


@dataclass(frozen=True)
class Engine:
    """One contender: its Value, and how to look into a graph of them."""

    name: str
    value: Build
    inputs: Callable[[Any], Sequence[Any]]


ENGINES = (
    Engine(OURS, Value, lambda node: node.inputs),
    Engine(PEER, MicrogradValue, lambda node: tuple(node._prev)),
)


def measure(sizes: Sizes) -> Figures:
    """All figures of this benchmark, ready for JSON."""
    return {
        **setting_of("eager", PEER),
        "moons": measure_moons(sizes),
        "graph": measure_graph(sizes),
        "chain": measure_chain(sizes),
    }


def measure_moons(sizes: Sizes) -> Figures:
    """Wrap the inputs, forward, loss, clear the gradients, backward: the same weights and data."""
    X, y = moons(SEED, sizes.samples)
    models = twin_models(SEED)
    builds = {
        engine.name: partial(moons_loss, model, engine.value, X, y)
        for engine, model in zip(ENGINES, models, strict=True)
    }

    def step(name: str, model: Any) -> None:
        loss = builds[name]()
        model.zero_grad()
        loss.backward()

    steps = {e.name: partial(step, e.name, m) for e, m in zip(ENGINES, models, strict=True)}
    losses = [build().data for build in builds.values()]
    for one in steps.values():
        one()
    gradients = [[p.grad for p in model.parameters()] for model in models]
    figures: Figures = {"nodes": {e.name: count(builds[e.name](), e) for e in ENGINES}}
    figures |= agreement("moons", losses, gradients)
    return figures | timed(steps, figures["nodes"], sizes)


def measure_graph(sizes: Sizes) -> Figures:
    """Build, backward and delete the same random program."""
    program = random_program(sizes.graph, random.Random(0))

    def step(engine: Engine) -> tuple[float, list[float]]:
        root, leaves = run(program, engine.value)
        root.backward()
        return root.data, [leaf.grad for leaf in leaves]

    answers = [step(engine) for engine in ENGINES]
    figures: Figures = {"nodes": {}, "bytes_per_node": {}}
    for engine in ENGINES:
        (root, _), size = bytes_held(partial(with_gradients, program, engine))
        figures["nodes"][engine.name] = nodes = count(root, engine)
        figures["bytes_per_node"][engine.name] = size / nodes
        del root
    figures |= agreement("graph", [loss for loss, _ in answers], [grads for _, grads in answers])
    steps = {engine.name: partial(step, engine) for engine in ENGINES}
    return figures | timed(steps, figures["nodes"], sizes)


def measure_chain(sizes: Sizes) -> Figures:
    """Seconds to build, walk and delete a chain; and how long a chain micrograd can walk."""
    figures: Figures = {"nodes": sizes.chain, "deepest": {PEER: deepest(ENGINES[1].value)}}
    for mode, collecting in MODES.items():
        with collector(collecting):
            runs = [
                chain_once(sizes.chain) for _ in progress(range(sizes.repeats), f"  chain, {mode}")
            ]
        names = ("build", "backward", "delete")
        figures[mode] = dict(zip(names, map(median, zip(*runs, strict=True)), strict=True))
    return figures


def twin_models(seed: int) -> tuple[MLP, MicrogradMLP]:
    """Two networks, MLP(2, [16, 16, 1]) with relu, both with the weights that micrograd draws."""
    random.seed(seed)  # micrograd knows no other generator
    ours, theirs = MLP(2, [16, 16, 1], activation="relu"), MicrogradMLP(2, [16, 16, 1])
    for mine, twin in zip(ours.parameters(), theirs.parameters(), strict=True):
        mine.data = float(twin.data)
    return ours, theirs


def agreement(name: str, roots: Sequence[float], gradients: Sequence[Sequence[float]]) -> Figures:
    """How far the two engines are apart; Disagreement beyond 9 digits of the result."""
    largest = max(map(abs, gradients[0]))
    apart = max(abs(a - b) for a, b in zip(*gradients, strict=True)) / largest
    if not isclose(*roots, rel_tol=5e-10) or not apart <= 1e-9:
        raise Disagreement(
            f"{name}: results {roots[0]!r} and {roots[1]!r}; "
            f"gradients differ by {apart:.1e} of the largest, {largest:.6g}."
        )
    return {"result": roots[0], "gradients_apart": apart}


def timed(steps: Mapping[str, Step], nodes: Mapping[str, int], sizes: Sizes) -> Figures:
    """Median seconds and nanoseconds per node of each engine, and their ratio, in both modes."""
    contenders = {name: (steps[name], size) for name, size in zip(steps, sizes.blocks, strict=True)}
    figures: Figures = {}
    for mode, collecting in MODES.items():
        seconds = in_turns(contenders, sizes.rounds, collecting=collecting)
        medians = {
            name: median(second for block in seconds[name] for second in block) for name in seconds
        }
        figures[mode] = {
            "seconds": medians,
            "ns_per_node": {name: 1e9 * medians[name] / nodes[name] for name in medians},
            "ratio": ratio(seconds[PEER], seconds[OURS]),
        }
    return figures


def with_gradients(program: Any, engine: Engine) -> tuple[Any, Any]:
    """A graph after its backward pass, when each node holds all it will."""
    root, leaves = run(program, engine.value)
    root.backward()
    return root, leaves


def count(root: Any, engine: Engine) -> int:
    """How many nodes a graph has."""
    seen, stack = {root}, [root]
    while stack:
        fresh = set(engine.inputs(stack.pop())) - seen
        seen |= fresh
        stack.extend(fresh)
    return len(seen)


def chain_once(length: int) -> tuple[float, float, float]:
    """Seconds to build, walk and delete a chain of our Values, whose slope is n w**(n - 1)."""
    start = process_time()
    root, weight = chain(length, Value)
    built = process_time()
    root.backward()
    walked = process_time()
    slope = length * weight.data ** (length - 1)
    if not isclose(weight.grad, slope, rel_tol=1e-9):
        raise Disagreement(f"chain: the slope is {weight.grad!r}, not {slope!r}.")
    deleting = process_time()
    del root
    return built - start, walked - built, process_time() - deleting


def deepest(value: Build, limit: int = 100_000) -> int:
    """The longest chain an engine can walk before RecursionError, by bisection."""
    good, bad = 0, limit
    while bad - good > 1:
        length = (good + bad) // 2
        try:
            chain(length, value)[0].backward()
            good = length
        except RecursionError:
            bad = length
    return good
