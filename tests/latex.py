"""LaTeX as KaTeX reads it, at its strictest: what does it say against a formula?"""

import json
import shutil
import subprocess
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from docs.material import KATEX
from docs.tools import npm_package

MISSING = " and ".join(tool for tool in ("node", "npm") if not shutil.which(tool))
RENDER = """
const katex = require(process.argv[1]);
const formulas = JSON.parse(require("fs").readFileSync(0, "utf-8"));
const settings = {displayMode: true, throwOnError: true, strict: "error", maxExpand: 1000};
const errors = [];
for (const formula of formulas) {
  try { katex.renderToString(formula, settings); }
  catch (error) { errors.push(`${error.message} in ${formula}`); }
}
console.log(JSON.stringify(errors));
"""


def needs_katex(test):
    """Mark a test that renders LaTeX: it is slow, and needs node and npm."""
    skip = pytest.mark.skipif(bool(MISSING), reason=f"KaTeX needs {MISSING}")
    return pytest.mark.slow(skip(test))


def errors_of(formulas):
    """Return what KaTeX says against each formula that it can't render; [] is what we want."""
    room, script = _katex()
    command = ["node", "-e", RENDER, str(script)]
    done = subprocess.run(command, input=json.dumps([*formulas]), capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"node failed in {room.name}: {done.stderr}")
    return json.loads(done.stdout)


@cache
def _katex():
    """Fetch KaTeX once for all tests; its folder goes when the process ends."""
    room = TemporaryDirectory(prefix="tinygrad-edu-katex-")
    return room, npm_package("katex", KATEX, Path(room.name)) / "dist" / "katex.js"
