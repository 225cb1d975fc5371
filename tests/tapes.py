"""Tapes written as text, and the pictures in the docstrings of the compiler's stages."""

import inspect
import re

from tinygrad_edu.compiler.plan import plan
from tinygrad_edu.compiler.sums import gather_sums
from tinygrad_edu.compiler.tape import Kind, Tape
from tinygrad_edu.engine import ieee, ops
from tinygrad_edu.engine.ops import STOP_GRADIENT

ROWS = ops.TABLE | {"stop_gradient": STOP_GRADIENT}
NETWORK = """\
%0 = parameter
%1 = parameter
%2 = parameter
%3 = parameter
%4 = input
%5 = input
%6 = mul %0 %4
%7 = mul %1 %5
%8 = add %6 %7
%9 = mul %2 %4
%10 = mul %3 %5
%11 = add %9 %10
%12 = relu %8
%13 = relu %11
%14 = mul %12 %13
return %14"""


def picture(stage):
    """What stands in the docstring below Before:: and below After::."""
    text = inspect.getdoc(stage)
    blocks = re.findall(r"(?:Before|After)[^\n]*::\n\n((?:    .*\n|\n)+)", text + "\n")
    return [inspect.cleandoc(block) for block in blocks]


def read(text):
    """The tape that is printed so; leaves are 2.0, except constants."""
    tape = Tape([], [], [], [], [], [], parameters=[], inputs=[], root=-1)
    *lines, last = text.splitlines()
    for line in lines:
        name, *words = line.split(" = ")[1].split()
        slots = [int(word[1:]) for word in words if word[0] == "%"]
        op = ROWS.get(name)
        tape.ops.append(op)
        tape.left.append(slots[0] if slots else -1)
        tape.right.append(slots[1] if len(slots) > 1 else -1)
        kinds = [tape.kinds[slot] for slot in slots]
        tape.kinds.append(Kind.computed_from(*kinds) if op else Kind[name.upper()])
        numbers = [tape.data[slot] for slot in slots]
        tape.data.append(op.forward(ieee, *numbers) if op else float(words[0]) if words else 2.0)
    root, *penalty = (int(word[1:]) for word in re.findall(r"%\d+", last))
    return Tape(
        tape.ops,
        tape.left,
        tape.right,
        tape.kinds,
        tape.data,
        recorded=list(range(len(tape))),
        parameters=[i for i, kind in enumerate(tape.kinds) if kind is Kind.PARAMETER],
        inputs=[i for i, kind in enumerate(tape.kinds) if kind is Kind.INPUT],
        root=root,
        penalty=penalty[0] if penalty else -1,
    )


def planned(text):
    """The plan of a tape that is printed so."""
    tape = read(text)
    return plan(tape, *gather_sums(tape))
