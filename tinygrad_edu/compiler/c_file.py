"""A program in C as one file: it compiles alone, and trains on the numbers it was recorded with."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tinygrad_edu.compiler.adjoint import gradient
from tinygrad_edu.compiler.c_writer import HEADER, KERNELS, c_array, c_list, c_source
from tinygrad_edu.compiler.plan import Plan
from tinygrad_edu.compiler.tape import Tape

PRODUCTS = "/* A tile of a product"  # with this begins what products need; before it are sums


def c_file(
    tape: Tape,
    plan: Plan,
    reduce: str,
    parameters: Sequence[float],
    constants: Sequence[float],
    row: Sequence[float],
    title: str,
    equations: str,
) -> str:
    """Write a program with its numbers, and one row of data, as the text of a file."""
    body = c_source(tape, plan, gradient(plan), reduce, len(row))
    told = f"{title}\n\n{_TOLD}"
    if equations:
        lines = "\n".join(f"    {line}" for line in equations.splitlines())
        told += f"\n\nThese are its equations:\n\n{lines}"
    return "\n".join(
        [
            comment(told),
            f"#include <stdio.h>\n\n{HEADER}",
            *kernels_of(body),
            body,
            *_numbers(parameters, constants, row),
            _main(plan.sizes, len(constants), len(row), len(tape.outputs)),
        ]
    )


def comment(text: str) -> str:
    """Write lines as a comment, without what would end it, or what a compiler warns of.

    Examples
    --------
    >>> from tinygrad_edu.compiler.c_file import comment
    >>> print(comment("a */ b"), end="")
    /* a * / b */
    """
    for sign, apart in (("\\", ""), ("??", "? ?"), ("*/", "* /"), ("/*", "/ *")):
        while sign in text:
            text = text.replace(sign, apart)
    lines = ["".join(c if c.isprintable() else " " for c in x) for x in text.splitlines()]
    return "/* " + "\n".join(f"   {line}".rstrip() for line in lines).strip() + " */\n"


def kernels_of(body: str) -> list[str]:
    """Return those parts of ``kernels.c`` that a program calls."""
    sums, start, products = KERNELS.partition(PRODUCTS)
    calls = {*re.findall(r"\b(sum|dot|product)\(", body)}
    return [sums] * bool(calls - {"product"}) + [start + products] * ("product" in calls)


def _numbers(
    parameters: Sequence[float], constants: Sequence[float], row: Sequence[float]
) -> list[str]:
    """Write the numbers that a program begins with; a whole graph is one row without data."""
    numbers = [c_array("double", "parameters", parameters)]
    if constants:
        numbers.append(c_array("double", "constants", constants))
    if not row:
        return [*numbers, "enum { ROWS = 1 };\n"]
    return [
        *numbers,
        "/* The inputs when the graph was recorded; there may be more rows, each in braces. */",
        f"static const double data[][{len(row)}] = {{\n    {{{c_list(row)}}},\n}};",
        "enum { ROWS = sizeof data / sizeof *data };\n",
    ]


def _main(sizes: dict[str, int], constants: int, columns: int, outputs: int) -> str:
    """Write what trains; a store that nothing is kept in is left out."""
    u, b = sizes["u"], sizes["b"]
    stores = {"u": f"{u}", "du": f"{u}"}
    stores |= {"b": f"{b} * ROWS", "db": f"{b} * ROWS"} if b else {}
    stores |= {"out": f"{outputs} * ROWS"} if outputs else {}
    space = [f".{name} = {name}" for name in stores]
    space += [".i = (double *)data"] * bool(columns)  # which nothing writes to
    return _MAIN.format(
        stores=", ".join(f"{name}[{size}]" for name, size in stores.items()),
        space=", ".join(space),
        constants=_CONSTANTS * bool(constants),
    )


_TOLD = """\
Written by tinygrad_edu; needs a C compiler alone:

    cc -O2 step.c -lm -o step
    ./step 20 0.01

trains for 20 steps of gradient descent with a learning rate of 0.01, and prints the loss before
each. What runs many times is faster with -O3 -march=native -fno-math-errno -fno-trapping-math."""
_CONSTANTS = (
    "    memcpy(u + sizeof parameters / sizeof *parameters, constants, sizeof constants);\n"
)
_MAIN = """\
int main(int count, char **words)
{{
    char *rest[] = {{"", ""}}; /* what is left of the words behind a number */
    const long steps = count > 1 ? strtol(words[1], &rest[0], 10) : 20;
    const double rate = count > 2 ? strtod(words[2], &rest[1]) : 0.01;
    if (count > 3 || *rest[0] || *rest[1]) {{
        fprintf(stderr, "usage: %s [steps] [learning rate]\\n", words[0]);
        return 2;
    }}
    static double {stores};
    const struct space s = {{{space},
                            .rows = ROWS}};
    memcpy(u, parameters, sizeof parameters);
{constants}    for (long step = 0; step < steps; step++) {{
        printf("%.17g\\n", run(&s, 1));
        for (size_t n = 0; n < sizeof parameters / sizeof *parameters; n++)
            u[n] -= rate * du[n];
    }}
    return 0;
}}
"""
