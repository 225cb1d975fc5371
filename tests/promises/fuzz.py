"""Strings for the expression parser and the command line, in a process with little memory.

``python tests/promises/fuzz.py COUNT`` prints a line of JSON. An answer is a graph made of what is
allowed, by a whitelist of its own, or the worded error; nothing runs, nothing is imported.
"""

import ast
import io
import json
import re
import resource
import sys
import warnings
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from random import Random
from time import process_time

from tests.audit import heard
from tinygrad_edu import Value
from tinygrad_edu.cli import main as command_line
from tinygrad_edu.engine.errors import ExpressionError
from tinygrad_edu.expression import FUNCTIONS, evaluate

MEBIBYTES = 512  # of address space beyond what the process has when it starts
SECONDS = 1.0  # for one string of at most 10,000 characters
NUMBERS = {"x": 0.5, "y": -2.0}
WORDS = [
    *"xxxxxyyy+-*/().,0123 ee=[]{}'\"\\\n#@\x00\u202eé٣𝐱ﬁ",
    *("**", "//", "exp(", "max(", "1e308", "1e999", "0x", "1_0", "1j", "9" * 50, ":=", "*x", "**x"),
    *(" if ", " else ", " for x in ", "lambda", "not ", "await ", "nan", "inf", "None", "True"),
    *(".__class__", "__import__", "eval(", "open(", "f'{x}'", *FUNCTIONS),
]
VALID = """sigmoid(w*x + b)|x*x + 3*x|max(x, y)**2|-x**2 + 2**x**2 / 3 - x|1/(1+exp(-x))
(x + y) * (x - y)|softplus(x) - relu(-y)|log(x)|tanh(x)*tanh(x)|abs(-y)""".replace("\n", "|")
ATTACKS = """__import__('os').system('touch hacked')|x.__class__.__bases__[0].__subclasses__()
(lambda: x)()|[x for x in (1,)]|eval('1')|exec('import os')|open('hacked', 'w')|exp.__globals__
x.backward()|x.data|getattr(x, 'data')|().__class__|{}[0]|f'{__import__("os")}'|print(x)|exit()
breakpoint()|input()|x if x else y|x and y|x < y|exp(*[x])|exp(**{})|exp(x=1)|x; y|import os|x := 1
...|b'x'|'x'|1j|True|None|yield x|await x|x[0]|x[:]|~x|x // y|x @ y|x % y|x << y|not x|x is y|x in y
exp|exp()|max(x)|exp(x, y)|(exp)(x)|exp(exp)(x)|(x, y)|x,|*x|max(x, y, x)|name_without_value"""
VALID, ATTACKS = VALID.split("|"), ATTACKS.replace("\n", "|").split("|")
# what would take a careless evaluator for ever, or all memory
COSTLY = [
    *("9**9**9", "9**9**9**9*x", "factorial(9**9)", "'a' * 9**9", "[0] * 9**9", "10**10**10 % 7"),
    *("f'{x:9999999999}'", "2**" * 3_000 + "2", "x**" * 3_000 + "x", "-" * 9_999 + "x"),
    *("(" * n + "x" for n in (4_000, 10_000)),
    *("(" * n + "x" + ")" * n for n in (90, 4_999, 10_000)),
    *("exp(" * n + "x" + ")" * n for n in (80, 2_400)),
    *("9" * n for n in (4_300, 4_301, 10_000)),
    *("1e" + "9" * 9_000, "0x" + "f" * 9_998, "0b" + "1" * 9_998, "x" * 10_001, "x" * 1_000_000),
    *("x+" * 4_999 + "x", "x*" * 4_999 + "x", "x-x*" * 2_499 + "x", "+".join(["exp(x)"] * 1_400)),
    *("[" * 10_000, "{" * 10_000, "'" * 10_000, "x.x" * 3_300, "x if " * 2_000, "x,exp(" * 1_600),
    *("x and " * 1_600 + "x", "not " * 2_500 + "x", "lambda:" * 1_400 + "x", " " * 9_999 + "x"),
    *("max(x," * 1_600 + "x" + ")" * 1_600, "\n" * 9_999 + "x", "(\n" * 3_000 + "x"),
    "\\\n" * 4_000 + "x",
]


def text_of(rng):
    """Return noise, a mixture of words, arithmetic, or a string damaged, in turn."""
    kind = rng.randrange(5)
    if kind == 0:
        highest = rng.choice([128, 0x3000])
        return "".join(chr(rng.randrange(highest)) for _ in range(rng.randrange(30)))
    if kind == 1:
        return "".join(rng.choices(WORDS, k=rng.randint(1, 8)))
    if kind == 2:
        return arithmetic(rng)
    letters = list(rng.choice(VALID if kind == 3 else ATTACKS))
    for _ in range(rng.choice((0, 1, 1, 2, 3))):
        i = rng.randrange(len(letters) + 1)
        letters[i : i + rng.randrange(2)] = rng.choice(WORDS)
    return "".join(letters)


def arithmetic(rng):
    """Return an expression that must be accepted."""
    text = rng.choice(["x", "y", "2", ".5", "1e3"])
    for _ in range(rng.randrange(12)):
        shape = rng.choice(["({}) {} {}", "{} {} {}", "{2} {1} ({0})", "-{}", "{3}({0})"])
        sign, name = rng.choice(["+", "-", "*", "/", "**"]), rng.choice(["exp", "tanh", "abs"])
        text = shape.format(text, sign, rng.choice(["x", "y", "3", "0.1"]), name)
    return text


def named(text):
    """Return the names in a text that have a number."""
    return {name: x for name, x in NUMBERS.items() if re.search(rf"\b{name}\b", text)}


def judged(text):
    """Return whether a text was accepted, and what is wrong with the answer, or ""."""
    given = named(text)
    with heard("import", "open", "object.__") as events:
        try:
            root, _ = evaluate(text, given)
        except BaseException as error:
            root = error
    if events:
        return False, f"it ran {events[0]}"
    if isinstance(root, ExpressionError):
        worded = "Fix" in str(root) and len(str(root)) < 1_000
        return False, "" if worded else "a message without a fix"
    if isinstance(root, BaseException):
        return False, f"{type(root).__name__}: {root}"[:200]
    return True, "" if isinstance(root, Value) and is_arithmetic(text) else "it is not arithmetic"


def is_arithmetic(text):
    """Check that a text has numbers, names, + - * / ** and calls of the functions, and no more."""
    waiting = [ast.parse(text.strip(), mode="eval").body]
    while waiting:
        match waiting.pop():
            case ast.Constant(value=value) if type(value) in (int, float):
                pass
            case ast.Name(id=name) if name in NUMBERS:
                pass
            case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=x):
                waiting.append(x)
            case ast.BinOp(
                left=x, op=ast.Add() | ast.Sub() | ast.Mult() | ast.Div() | ast.Pow(), right=y
            ):
                waiting += x, y
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in FUNCTIONS:
                waiting += args
            case _:
                return False
    return True


def commanded(text, rng):
    """Give the string to the command line; return what is wrong with the answer, or ""."""
    words = ["gradients", text, *(f"{name}={x}" for name, x in named(text).items())]
    words = rng.choice([words, words, [*words, "--json"], ["draw", text, text[:9]]])
    errors = io.StringIO()
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(errors):
            code = command_line(words)
    except SystemExit as error:
        code = error.code
    except BaseException as error:
        return f"{type(error).__name__}: {error}"[:200]
    said = errors.getvalue()
    worded = code == 2 and said and "Traceback" not in said
    return "" if code == 0 or worded else f"exit code {code}: {said[-200:]}"


def main(count):
    """Judge so many strings, a tenth of them on the command line too, and print the figures."""
    warnings.simplefilter("error")
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    most = pages * resource.getpagesize() + MEBIBYTES * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))
    faults, slowest, accepted, commands = [], 0.0, 0, 0
    listed = [*ATTACKS, *COSTLY]
    for i in range(count):
        rng = Random(i)
        text = listed[i] if i < len(listed) else text_of(rng)
        start = process_time()
        good, fault = judged(text)
        seconds = process_time() - start
        slowest, accepted = max(slowest, seconds), accepted + good
        if seconds > SECONDS:
            fault = fault or f"{seconds:.2f} s"
        if not fault and (i % 10 == 0 or i < len(listed)) and len(text) < 100_000:
            commands += 1
            fault = commanded(text, rng)
        if fault:
            faults.append(f"{text[:80]!r}: {fault}")
    words = f"{count:,} strings and {commands:,} commands, {accepted:,} accepted, slowest "
    print(
        json.dumps({"measured": f"{words}{slowest:.2f} s", "accepted": accepted, "faults": faults})
    )


if __name__ == "__main__":
    main(int(sys.argv[1]))
