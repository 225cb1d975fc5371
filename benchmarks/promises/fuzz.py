"""Strings for the expression parser and the command line, in a process with little memory.

``python -m benchmarks.promises.fuzz COUNT`` prints one line of JSON. An answer is a graph made of
what is allowed, by a whitelist of its own, or the worded error; nothing runs, nothing is imported.
"""

from __future__ import annotations

import ast
import io
import json
import re
import sys
import warnings
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from random import Random
from time import process_time

from benchmarks.timing import progress
from tinygrad_edu import Value
from tinygrad_edu.cli import main as command_line
from tinygrad_edu.engine.errors import ExpressionError
from tinygrad_edu.expression import FUNCTIONS, evaluate

MEBIBYTES = 512  # of address space beyond what the process has when it starts
ALLOWED = (
    ast.BinOp, ast.UnaryOp, ast.Call, ast.Name, ast.Constant, ast.Load,
    ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow, ast.USub, ast.UAdd,
)  # fmt: skip
DANGEROUS = ("exec", "import", "open", "os.", "subprocess.", "socket.", "object.__", "code.__new")
NUMBERS = {"x": 0.5, "y": -2.0}
WORDS = [
    *"xxxxxyyy+-*/().,0123 ee", "**", "//", "exp(", "max(", "1e308", "1e999", "0x", "1_0", "1j",
    "9" * 50, "=", ":=", "[", "]", "{", "}", "'", '"', "\\", "\n", "#", "@", ".__class__", "lambda",
    " if ", " else ", " for x in ", "not ", "await ", "*x", "**x", "nan", "inf", "None", "True",
    "__import__", "eval(", "open(", "f'{x}'", "\x00", "\u202e", "é", "٣", "𝐱", "ﬁ", *FUNCTIONS,
]  # fmt: skip
VALID = [
    "sigmoid(w*x + b)", "x*x + 3*x", "max(x, y)**2", "-x**2 + 2**x**2 / 3 - x", "1/(1+exp(-x))",
    "(x + y) * (x - y)", "softplus(x) - relu(-y)", "log(x)", "tanh(x)*tanh(x)", "abs(-y)",
]  # fmt: skip
ATTACKS = [
    "__import__('os').system('touch hacked')", "x.__class__.__bases__[0].__subclasses__()",
    "(lambda: x)()", "[x for x in (1,)]", "eval('1')", "exec('import os')", "open('hacked', 'w')",
    "exp.__globals__", "x.backward()", "x.data", "getattr(x, 'data')", "().__class__", "{}[0]",
    "f'{__import__(\"os\")}'", "print(x)", "exit()", "breakpoint()", "input()", "x if x else y",
    "x and y", "x < y", "exp(*[x])", "exp(**{})", "exp(x=1)", "x; y", "import os", "x := 1", "...",
    "b'x'", "'x'", "1j", "True", "None", "yield x", "await x", "x[0]", "x[:]", "~x", "x // y",
    "x @ y", "x % y", "x << y", "not x", "x is y", "x in y", "exp", "exp()", "max(x)", "exp(x, y)",
    "(exp)(x)", "exp(exp)(x)", "(x, y)", "x,", "*x", "max(x, y, x)", "name_without_value",
]  # fmt: skip
_heard: list[str] | None = None


def costly() -> list[str]:
    """What would take a careless evaluator for ever, or all memory."""
    return [
        "9**9**9", "9**9**9**9*x", "2**" * 3000 + "2", "x**" * 3000 + "x", "(" * 10_000 + "x",
        "(" * 4_999 + "x" + ")" * 4_999, "(" * 10_000 + "x" + ")" * 10_000, "-" * 9_999 + "x",
        "(" * 90 + "x" + ")" * 90, "exp(" * 2_400 + "x" + ")" * 2_400, "exp(" * 80 + "x" + ")" * 80,
        "9" * 10_000, "9" * 4_300, "9" * 4_301, "1e" + "9" * 9_000, "0x" + "f" * 9_998,
        "0b" + "1" * 9_998, "x+" * 4_999 + "x", "x*" * 4_999 + "x", "x-x*" * 2_499 + "x",
        "+".join(["exp(x)"] * 1_400), "x" * 10_001, "x" * 1_000_000, "[" * 10_000, "{" * 10_000,
        "x if " * 2_000, "x and " * 1_600 + "x", "x,exp(" * 1_600, "'" * 10_000, "x.x" * 3_300,
        "not " * 2_500 + "x", "lambda:" * 1_400 + "x", "max(x," * 1_600 + "x" + ")" * 1_600,
        " " * 9_999 + "x", "\n" * 9_999 + "x", "(\n" * 3_000 + "x", "\\\n" * 4_000 + "x",
        "factorial(9**9)", "'a' * 9**9", "[0] * 9**9", "10**10**10 % 7", "f'{x:9999999999}'",
    ]  # fmt: skip


def text_of(rng: Random) -> str:
    """One string: noise, a mixture of words, a valid expression damaged, an attack, in turn."""
    kind = rng.randrange(5)
    if kind == 0:
        return "".join(chr(rng.choice([rng.randrange(128), rng.randrange(0x3000)])) for _ in
                       range(rng.randrange(30)))  # fmt: skip
    if kind == 1:
        return "".join(rng.choices(WORDS, k=rng.randint(1, 8)))
    if kind == 2:
        return valid(rng)
    source = rng.choice(VALID if kind == 3 else ATTACKS)
    letters = list(source)
    for _ in range(rng.randint(1, 3)):
        i = rng.randrange(len(letters) + 1)
        letters[i : i + rng.randrange(2)] = rng.choice(WORDS)
    return "".join(letters) if rng.random() < 0.8 else source


def valid(rng: Random) -> str:
    """Arithmetic that must be accepted, except for what stands in too many brackets."""
    text = rng.choice(["x", "y", "2", ".5", "1e3"])
    for _ in range(rng.randrange(12)):
        other = rng.choice(["x", "y", "3", "0.1"])
        shape = rng.choice(["({}) {} {}", "{} {} {}", "{2} {1} ({0})", "-{}", "f({})"])
        if shape == "f({})":
            text = f"{rng.choice(['exp', 'sin', 'tanh', 'relu', 'abs'])}({text})"
        else:
            text = shape.format(text, rng.choice(["+", "-", "*", "/", "**"]), other)
    return text


def judged(text: str) -> tuple[bool, str]:
    """Whether it was accepted, and what is wrong with the answer, or ""."""
    global _heard
    given = {name: NUMBERS[name] for name in named(text)}
    _heard = []
    try:
        root, _ = evaluate(text, given)
    except ExpressionError as error:
        fault = "" if "Fix" in str(error) and len(str(error)) < 1000 else "a message without a fix"
        return False, fault or _noise()
    except BaseException as error:
        return False, f"{type(error).__name__}: {error}"[:200]
    finally:
        heard, _heard = _heard, None
    if heard:
        return True, f"it ran {heard[0]}"
    return True, "" if isinstance(root, Value) and allowed(text) else "it is not arithmetic"


def named(text: str) -> list[str]:
    """The names in a text that have a number."""
    return [name for name in NUMBERS if re.search(rf"\b{name}\b", text)]


def _noise() -> str:
    return f"it ran {_heard[0]}" if _heard else ""


def allowed(text: str) -> bool:
    """Whether a text is made of numbers, names, + - * / ** and calls of listed functions."""
    nodes = list(ast.walk(ast.parse(text.strip(), mode="eval").body))
    called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    for node in nodes:
        if not isinstance(node, ALLOWED):
            return False
        if isinstance(node, ast.Call) and (
            node.keywords or not isinstance(node.func, ast.Name) or node.func.id not in FUNCTIONS
        ):
            return False
        if isinstance(node, ast.Constant) and type(node.value) not in (int, float):
            return False
        if isinstance(node, ast.Name) and id(node) not in called and node.id not in NUMBERS:
            return False
    return True


def commanded(text: str, rng: Random) -> str:
    """The same string as a word of the command line: what is wrong with the answer, or ""."""
    words = ["gradients", text, *(f"{n}={NUMBERS[n]}" for n in named(text))]
    if rng.random() < 0.3:
        words.append("--json")
    if rng.random() < 0.1:
        words = ["draw", *words[1:2], text[:9]]
    out, err = io.StringIO(), io.StringIO()
    try:
        with redirect_stdout(out), redirect_stderr(err):
            code = command_line(words)
    except SystemExit as error:
        code = int(str(error.code))
    except BaseException as error:
        return f"{type(error).__name__}: {error}"[:200]
    if code not in (0, 2) or "Traceback" in err.getvalue():
        return f"exit code {code}: {err.getvalue()[-200:]}"
    return "" if code == 0 or err.getvalue() else "refused without a word"


def listen(event: str, _: object) -> None:
    """Note whatever imports, opens or runs; audit hooks stay for good."""
    if _heard is not None and event.startswith(DANGEROUS):
        _heard.append(event)


def main(count: int) -> None:
    """Judge so many strings; a tenth of them on the command line, too."""
    warnings.simplefilter("error")
    sys.addaudithook(listen)
    limit_memory()
    faults: list[str] = []
    slowest, where, accepted, commands = 0.0, "", 0, 0
    texts: list[Callable[[Random], str]] = [lambda _, t=t: t for t in (*ATTACKS, *costly())]
    for i in progress(range(count), "  strings"):
        rng = Random(i)
        text = (texts[i] if i < len(texts) else text_of)(rng)
        start = process_time()
        good, fault = judged(text)
        seconds = process_time() - start
        if seconds > slowest:
            slowest, where = seconds, text[:40]
        accepted += good
        if not fault and (i % 10 == 0 or i < len(texts)) and len(text) < 100_000:
            commands += 1
            fault = commanded(text, rng)
        if fault:
            faults.append(f"{text[:80]!r}: {fault}")
    print(json.dumps({
        "strings": count, "accepted": accepted, "command lines": commands,
        "slowest seconds": slowest, "slowest": where, "peak MiB": peak_mib(), "faults": faults,
    }))  # fmt: skip


def limit_memory() -> None:
    """The system refuses this process more than it has and ``MEBIBYTES``."""
    import resource

    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except OSError:
        return
    most = pages * resource.getpagesize() + MEBIBYTES * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))


def peak_mib() -> float:
    """The most memory this process held."""
    from benchmarks.million import peak_mib

    return peak_mib()


if __name__ == "__main__":
    main(int(sys.argv[1]))
