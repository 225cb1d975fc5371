"""Programs that were written as files, run alone: what their functions give, as plain lists."""

import json
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

DRIVER = """
const text = (x) => (Object.is(x, -0) ? "-0.0" : String(x)); // every digit, and NaN and Infinity
const list = (some) => `[${Array.from(some, text)}]`;
for (const [module, rows] of CASES) {
    const { create, recorded } = await import(module);
    const program = create();
    const loss = rows ? program.backward(rows.flat(), rows.length)
        : recorded.length ? program.backward(recorded) : program.backward();
    console.log(`[${text(loss)}, ${list(program.gradient)}, ${list(program.outputs())}]`);
}
"""


def ran(language, text, rows=None):
    """Loss, gradient and outputs of rows, or of the row that was recorded."""
    return all_ran(language, [(text, rows)])[0]


def all_ran(language, cases):
    """Those of many files, each with its rows; one process runs all that are JavaScript."""
    return by_node(cases) if language == "javascript" else [by_python(*case) for case in cases]


def by_python(text, rows):
    """Run the function in a file of Python."""
    names = {"__name__": "written"}
    exec(compile(text, "written.py", "exec"), names)
    loss, gradient, outputs = names["run"](names["rows"] if rows is None else rows)
    return loss, np.asarray(gradient).tolist(), np.asarray(outputs).tolist()


def by_node(cases):
    """Import modules of JavaScript, none of which prints anything, and run each."""
    with TemporaryDirectory() as folder:
        for i, (text, _) in enumerate(cases):
            Path(folder, f"{i}.mjs").write_text(text, encoding="utf-8")
        plans = [[f"./{i}.mjs", rows] for i, (_, rows) in enumerate(cases)]
        Path(folder, "driver.mjs").write_text(DRIVER.replace("CASES", json.dumps(plans)))
        lines = node(Path(folder, "driver.mjs")).splitlines()
    found = []
    for (_, rows), line in zip(cases, lines, strict=True):
        loss, gradient, outputs = json.loads(line)
        shape = (len(rows or [0]), -1) if outputs else (len(rows or [0]), 0)
        found.append((loss, gradient, np.reshape(outputs, shape).tolist()))
    return found


def node(*words, text=None):
    """Return what node prints; it must not complain."""
    run = subprocess.run(["node", *words], input=text, capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, ""), run.stderr
    return run.stdout
