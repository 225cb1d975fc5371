"""Languages that a program can be written in: as the text of a file that runs alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from inspect import getsource
from pathlib import Path
from typing import NamedTuple

from tinygrad_edu.compiler.adjoint import gradient
from tinygrad_edu.compiler.c_file import c_file
from tinygrad_edu.compiler.equations import Equations
from tinygrad_edu.compiler.javascript_writer import javascript_text
from tinygrad_edu.compiler.plan import Plan
from tinygrad_edu.compiler.python_backend import FUNCTIONS
from tinygrad_edu.compiler.python_writer import python_functions, with_callers
from tinygrad_edu.compiler.reading import with_names
from tinygrad_edu.compiler.tape import INPUT, Tape
from tinygrad_edu.engine import ieee
from tinygrad_edu.engine.errors import SettingError
from tinygrad_edu.shared.arguments import extra, one_of
from tinygrad_edu.shared.arithmetic import exact_sum
from tinygrad_edu.shared.tables import plural, wrapped

MOST_LINES = 200  # instructions of a program whose equations are written above it


@dataclass(frozen=True)
class Snapshot:
    """What is to be written: a tape, its plan, and the numbers that a program has now."""

    tape: Tape
    plan: Plan
    reduce: str
    dtype: str
    parameters: Sequence[float]
    constants: Sequence[float]
    equations: Equations

    @property
    def rows(self) -> list[list[float]]:
        """Return the row of numbers that the inputs had when the graph was recorded."""
        return [[self.tape.data[slot] if slot >= 0 else 0.0 for slot in self.tape.inputs]]

    def place(self, slot: int) -> str:
        """Write where a slot is kept in a run of one row: ``b[3]``."""
        return f"{self.plan.kinds[slot].store}[{self.plan.place[slot]}]"


class Language(NamedTuple):
    """A language: its name, how its files end, and who writes them."""

    name: str
    suffix: str
    write: Callable[[Snapshot], str]


def language_called(name: str) -> Language:
    """Find a language by its name."""
    one_of("language", name, [language.name for language in LANGUAGES])
    return next(language for language in LANGUAGES if language.name == name)


def language_of(path: Path, preferred: str) -> Language:
    """Find a language by how a file ends; of several the preferred one."""
    found = [language for language in LANGUAGES if language.suffix == path.suffix.lower()]
    if not found:
        endings = ", ".join(f"{language.suffix} ({language.name})" for language in LANGUAGES)
        raise SettingError(
            f"{str(path)!r:.80} does not end as a program in a language that can be written.",
            expected=endings,
            fix="end the name of the file with .py, for example program.save('step.py').",
        )
    return next((language for language in found if language.name == preferred), found[0])


def python_text(made: Snapshot) -> str:
    """Write straight-line code of floats, which needs Python alone."""
    tape, plan = made.tape, made.plan
    places = [made.place(slot) for slot in tape.results()]
    results = [place.replace("[", "").replace("]", "") for place in places]
    gradients = [f"du{place}" for place in range(len(plan.parameters))]
    source = with_callers(python_functions(plan.forward, gradient(plan), results, gradients))
    functions = [getattr(ieee, name) for name in _used(FUNCTIONS.split(), source)]
    helpers = [getsource(one) for one in functions if one.__module__ == ieee.__name__]
    whole = not tape.kinds[tape.root].per_row
    share = "1.0" if made.reduce == "sum" and not whole else "1.0 / len(rows)"
    given = [(tape.root, share), (tape.penalty, "1.0 / len(rows)")]
    seeds = [
        f"d{made.place(slot)} = {number}"
        for slot, number in given
        if slot >= 0 and plan.kinds[slot] is not INPUT
    ]
    mean = " * (1.0 / len(rows))" if made.reduce == "mean" else ""
    run = _RUN.format(
        columns=len(tape.inputs),
        numbers=plural(len(tape.inputs), "number"),
        rest=plan.sizes["u"] - len(made.parameters) - len(made.constants),
        b=plan.sizes["b"],
        root=made.place(tape.root),
        outputs=", ".join(made.place(slot) for slot in tape.outputs),
        seeds="\n        ".join(seeds or ["pass"]),
        loss=("losses[-1]" if whole else f"exact_sum(losses){mean}")
        + (f" + {made.place(tape.penalty)}" if tape.penalty >= 0 else ""),
    )
    head = "import math\nfrom math import fsum, inf, nan, tanh\n\nINF, NAN = inf, nan"
    return _file("Python", head, [*helpers, getsource(exact_sum), source], "[{}]", run, made)


def numpy_text(made: Snapshot) -> str:
    """Write products of matrices, which need NumPy."""
    extra("numpy", "numpy", 'the language "numpy"', "fast")
    from tinygrad_edu.compiler import numpy_backend as numpy
    from tinygrad_edu.compiler.numpy_writer import code_of

    tape, plan = made.tape, made.plan
    code = code_of(plan.forward, gradient(plan))
    called = _used([helper.__name__ for helper in numpy.HELPERS], code.source)
    helpers = [getsource(getattr(numpy, name)) for name in called]
    tables = [_list(name, table.tolist(), "np.array([{}])") for name, table in code.tables.items()]
    names = ", ".join(_used(numpy.FUNCTIONS.split(), code.source))
    functions = wrapped(f"from numpy import ({names})") if names else ""
    per_row = tape.kinds[tape.root].per_row
    total = f"float({made.place(tape.root)}{'.sum()' if per_row else ''})"
    penalty = [tape.penalty] * (tape.penalty >= 0)
    seeds = [f"d{made.place(slot)} = 1.0" for slot in penalty]
    if plan.kinds[tape.root] is not INPUT:
        mean = made.reduce == "mean" and per_row
        seeds.append(f"d{made.place(tape.root)} = {'1.0 / len(x)' if mean else '1.0'}")
    run = _RUN_NUMPY.format(
        dtype=made.dtype,
        u=plan.sizes["u"],
        b=plan.sizes["b"],
        columns=len(tape.inputs),
        numbers=plural(len(tape.inputs), "number"),
        seeds="\n    ".join(seeds or ["pass"]),
        loss=total
        + (" / len(x)" if per_row and made.reduce == "mean" else "")
        + "".join(f" + float({made.place(slot)})" for slot in penalty),
        outputs=", ".join(made.place(slot) for slot in tape.outputs),
    )
    head = (
        "import numpy as np\n"
        f"{functions}\n\n"
        "sum, reduceat, inf, nan = np.add.reduce, np.add.reduceat, np.inf, np.nan"
    )
    source = with_names(code.source, made.equations.arrays, numpy.FUNCTIONS.split())
    return _file("NumPy", head, [*helpers, *tables, source], "np.array([{}])", run, made)


def module_text(made: Snapshot) -> str:
    """Write a module of JavaScript, for browsers and node, which needs nothing else."""
    lines = ["", *made.equations.text.splitlines()]  # at every sign that ends a comment there
    told = "".join(f"//     {line}".rstrip() + "\n" for line in lines)
    told = told.replace("</", "<\\/").replace("<!", "<\\!")  # a page may hold the file
    head = f"// {_title(made)}\n//\n// Written by tinygrad_edu; needs nothing else."

    def numbers(name: str, some: Iterable[float]) -> str:
        texts = (_NOT_FINITE.get(repr(number), repr(number)) for number in some)
        return wrapped(f"const {name} = [{', '.join(texts)}];")

    return _MODULE.format(
        head=head + (f" These are its equations:\n{told}" if len(lines) > 1 else "\n"),
        body=javascript_text(made.tape, made.plan, made.reduce),
        numbers=numbers("numbers", [*made.parameters, *made.constants]),
        recorded="export " + numbers("recorded", made.rows[0]),
    )


def c_text(made: Snapshot) -> str:
    """Write loops in C, and a ``main`` that trains."""
    made_of = made.tape, made.plan, made.reduce, made.parameters, made.constants, made.rows[0]
    return c_file(*made_of, _title(made), made.equations.text)


# to add a language is to add a line here
LANGUAGES = (
    Language("python", ".py", python_text),
    Language("numpy", ".py", numpy_text),
    Language("c", ".c", c_text),
    Language("javascript", ".js", module_text),
)

_RUN = '''
def run(rows):
    """Return the loss of rows of inputs, its gradient, and the outputs of each row."""
    if any(len(row) != {columns} for row in rows):
        raise ValueError("each row must have {numbers}")
    u, b = [*parameters, *constants] + [0.0] * {rest}, [0.0] * {b}
    du, db = [0.0] * len(u), [0.0] * len(b)
    losses, outputs, gradient = [], [], [0.0] * len(parameters)
    for i in rows:
        forward(u, b, i, du, db)
        losses.append({root})
        outputs.append([{outputs}])
        {seeds}
        backward(u, b, i, du, db)
        gradient = [g + d for g, d in zip(gradient, du)]
    return {loss}, gradient, outputs
'''
_RUN_NUMPY = '''
@np.errstate(all="ignore")
def run(rows):
    """Return the loss of rows of inputs, its gradient, and the outputs of each row."""
    x = np.array(rows, "{dtype}")
    if x.shape[1:] != ({columns},):
        raise ValueError("each row must have {numbers}")
    u, b = np.zeros({u}, "{dtype}"), np.zeros(({b}, len(x)), "{dtype}")
    u[: len(parameters) + len(constants)] = [*parameters, *constants]
    du, db = np.zeros_like(u), np.zeros_like(b)
    i = x.T
    forward, backward = bind(u, du, b, db, i)
    forward()
    loss = {loss}
    outputs = [np.broadcast_to(one, len(x)) for one in [{outputs}]]
    {seeds}
    backward()
    return loss, du[: len(parameters)], np.array(outputs, "{dtype}").reshape(-1, len(x)).T
'''


_NOT_FINITE = {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}
_MODULE = """{head}
{body}

// the parameters, then the constants
{numbers}

// the inputs when the graph was recorded
{recorded}

/**
 * Make a program, which has its numbers in Float64Arrays: parameters, and their gradient.
 * Its functions forward(X, rows) and backward(X, rows) return the loss of rows of inputs, which
 * stand in X one after the other; backward computes the gradient, too. outputs() returns what was
 * asked for as outputs, one row after the other. Each program is on its own.
 */
export function create() {{
    return start(numbers);
}}

/** Check that node runs this file as a script, and does not import it. */
function isScript() {{
    const {{ argv, getBuiltinModule }} = globalThis.process ?? {{}};
    if (!getBuiltinModule) return false; // in a browser
    if (import.meta.url.endsWith("/[eval1]")) return true; // read from standard input
    const [fs, url] = ["fs", "url"].map((name) => getBuiltinModule(name));
    const script = fs.existsSync(argv[1] ?? "") ? fs.realpathSync(argv[1]) : "";
    return url.pathToFileURL(script).href === import.meta.url;
}}

if (isScript()) console.log(create().forward(recorded, 1));
"""


def _used(names: Iterable[str], source: str) -> list[str]:
    """Return those names that stand in a source."""
    words = {*re.findall(r"\w+", source)}
    return [name for name in names if name in words]


def _list(name: str, numbers: Iterable[object], form: str) -> str:
    """Write an assignment of a list of numbers."""
    return wrapped(f"{name} = {form.format(', '.join(map(repr, numbers)))}")


def _title(made: Snapshot) -> str:
    inputs = plural(len(made.tape.inputs), "input")
    return (
        f"Loss and gradient of {plural(len(made.parameters), 'parameter')}, {inputs} in each row."
    )


def _file(needs: str, head: str, parts: Sequence[str], form: str, run: str, made: Snapshot) -> str:
    """Join the parts of a file."""
    lines = made.equations.text.splitlines()
    text = "".join(f"    {line}\n" for line in lines)
    text = text.replace("\\", "").replace('"""', "'''")
    told = f"These are its equations:\n\n{text}" if text else ""
    title = f'"""{_title(made)}\n\nWritten by tinygrad_edu; needs {needs} alone. {told}"""'
    numbers = [
        _list("parameters", made.parameters, form),
        _list("constants", made.constants, form),
        _list("rows", made.rows, form) + "  # the inputs when the graph was recorded",
    ]
    title = "\n".join(line.rstrip() for line in title.splitlines())
    body = [part.strip("\n") for part in (*parts, "\n".join(numbers), run)]
    main = 'if __name__ == "__main__":\n    print(run(rows)[0])'
    lines = [f"{title}\n\nfrom __future__ import annotations\n\n{head}", *body, main]
    return "\n\n\n".join(lines) + "\n"
