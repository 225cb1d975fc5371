"""Same script, same bits: nothing depends on hash order, on addresses or on a hidden dice."""

import ast
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "tinygrad_edu").rglob("*.py"))
SETS = ("set", "frozenset")
IN_ORDER = ("list", "tuple", "enumerate", "iter", "zip", "map")  # what keeps the order it is given


def name_of(node: ast.AST | None) -> str:
    """The name that an expression is, else ""."""
    return node.id if isinstance(node, ast.Name) else ""


def is_set(node: ast.AST) -> bool:
    """Whether an expression is a set by its form: {a, b}, {... for ...}, set(...)."""
    made = isinstance(node, ast.Call) and name_of(node.func) in SETS
    return made or isinstance(node, (ast.Set, ast.SetComp))


def names_of_sets(tree: ast.AST) -> set[str]:
    """The names that a file binds to a set."""
    bound = [(n.targets[0], n.value) for n in ast.walk(tree) if isinstance(n, ast.Assign)]
    bound += [(n.target, n.value) for n in ast.walk(tree) if isinstance(n, ast.AnnAssign)]
    return {name_of(target) for target, value in bound if value is not None and is_set(value)} - {
        ""
    }


def order_taken(node: ast.AST) -> list[ast.expr]:
    """The expressions whose order a node uses; a set made from a set uses none."""
    if isinstance(node, ast.For):
        return [node.iter]
    if isinstance(node, (ast.ListComp, ast.GeneratorExp, ast.DictComp)):
        return [part.iter for part in node.generators]
    if isinstance(node, ast.Call) and name_of(node.func) in IN_ORDER:
        return node.args
    return [node.value] if isinstance(node, ast.Starred) else []


def is_hidden_dice(node: ast.AST) -> bool:
    """random.random(), from random import random, Random() without a seed."""
    if isinstance(node, ast.Attribute) and name_of(node.value) == "random":
        return node.attr not in ("Random", "getstate", "setstate")
    if isinstance(node, ast.ImportFrom) and node.module == "random":
        return any(alias.name != "Random" for alias in node.names)
    if isinstance(node, ast.Call) and not node.args:
        return name_of(node.func) == "Random" or getattr(node.func, "attr", "") == "Random"
    return False


def faults(text: str) -> list[str]:
    """What in a source may come out differently in the next process."""
    tree = ast.parse(text)
    sets, found = names_of_sets(tree), []
    for node in ast.walk(tree):
        found += [
            f"line {taken.lineno} takes the order of a set"
            for taken in order_taken(node)
            if is_set(taken) or name_of(taken) in sets
        ]
        if isinstance(node, ast.keyword) and node.arg == "key" and name_of(node.value) in IDENTITY:
            found.append(f"line {node.value.lineno} orders by {name_of(node.value)}")
        if is_hidden_dice(node):
            found.append(f"line {node.lineno} draws from a generator that was not handed in")
    return found


IDENTITY = ("id", "hash")


def test_no_file_takes_an_order_from_hashes_or_a_hidden_dice():
    """Sets answer "is it in?" and nothing else; each draw comes from the rng handed in."""
    found = {str(f.relative_to(ROOT)): faults(f.read_text(encoding="utf-8")) for f in FILES}

    assert {name: these for name, these in found.items() if these} == {}
    assert len(found) > 100


@pytest.mark.parametrize(
    "planted",
    [
        "for x in {1, 2}: pass",
        "seen: set[int] = set()\nfor x in seen: pass",
        "seen = {v for v in y}\nz = [f(x) for x in seen]",
        "z = list(set(y))",
        "z = [*{1, 2}]",
        "z = sorted(nodes, key=id)",
        "z = random.uniform(0, 1)",
        "from random import shuffle",
        "rng = random.Random()",
        "rng = Random()",
    ],
)
def test_each_of_these_faults_is_noticed(planted):
    """So the test above can fail."""
    assert len(faults(planted)) == 1


@pytest.mark.parametrize(
    "harmless",
    [
        "seen = set()\nif x in seen: seen.add(x)",
        "for x in sorted({2, 1}): pass",
        "rng = random.Random(0)",
        "odd = {x for x in {1, 2} if x % 2}",
        "memo[id(node)] = copy",
    ],
)
def test_these_uses_are_no_faults(harmless):
    """Membership, a sorted set, a seeded generator, identity as a key."""
    assert faults(harmless) == []


STEP = """
import os, random
litter = [bytearray(n % 97 * 16) for n in range(int(os.environ["LITTER"]))]  # other addresses
from tinygrad_edu.nn import MLP
model = MLP(3, [8, 8, 1], activation="tanh", rng=random.Random(1))
loss = sum((model([0.1 * i, -0.2 * i, 0.3]) - 1.0) ** 2 for i in range(20))
loss.backward()
print(loss.data.hex(), *[p.grad.hex() for p in model.parameters()])
"""


def answers(program, processes):
    """Return what the processes print, with random hash seeds and the numbers at other places."""

    def run(i):
        settings = os.environ | {"PYTHONHASHSEED": "random", "LITTER": str(i * 1777 % 10_000)}
        command = [sys.executable, "-c", program]
        return subprocess.run(
            command, cwd=ROOT, env=settings, capture_output=True, text=True, check=True
        ).stdout

    with ThreadPoolExecutor(2) as pool:
        return set(pool.map(run, range(processes)))


@pytest.mark.promise(name="bits")
def test_every_process_computes_the_same_bits(cases, measured):
    """With other hash seeds and other addresses, loss and gradients agree in all 53 bits."""
    found = answers(STEP, cases)

    assert len(found) == 1
    assert found.pop().count("0x") > 100
    measured(f"1 pattern in {cases} processes")


def test_what_depends_on_the_hash_seed_would_be_seen():
    """A set of strings in its own order has several patterns: so the test above can fail."""
    assert len(answers("print({'a', 'bb', 'ccc', 'dddd', 'eeeee'})", 8)) > 1
