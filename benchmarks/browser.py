"""Training in a browser: ``python -m benchmarks.browser``.

Pyodide, which is CPython in WebAssembly, comes by npm. It runs in a headless Chromium, without
NumPy, and programs run there as JavaScript. The same function is run by Python here, and before a
time is told, the losses of both must agree. Needs npm, Chromium and playwright.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from inspect import getsource
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

from benchmarks.report import Row, aligned
from benchmarks.timing import Disagreement
from docs.server import server
from docs.tools import ROOT, npm_package
from docs.wheels import LOCK, RUNTIME
from tinygrad_edu.shared.arguments import extra

PYODIDE = "314.0.6"
TOLERANCE = 1e-9  # of losses, relative
PAGE = """async ([call]) => {
    const { loadPyodide } = await import("/pyodide.mjs");
    const pyodide = await loadPyodide();
    const answer = await fetch("/package.zip");
    pyodide.unpackArchive(await answer.arrayBuffer(), "zip");
    return pyodide.runPython(await (await fetch("/work.py")).text() + call);
}"""


def digits_work(epochs: int, target: str) -> str:
    """Train on the digits; return losses and seconds, as JSON. It runs in the browser, too."""
    import json
    from itertools import pairwise
    from random import Random
    from statistics import median
    from time import perf_counter

    from tinygrad_edu import nn
    from tinygrad_edu.compiled.predict import Predictor
    from tinygrad_edu.compiled.program import ModelProgram
    from tinygrad_edu.diagnose.objective import objective
    from tinygrad_edu.diagnose.sandbox import Subject
    from tinygrad_edu.train import Adam, digits, fit

    data = digits(rng=Random(0))
    model = nn.MLP(64, [32, 10], rng=Random(1))
    start = perf_counter()
    compiled = ModelProgram(model, nn.cross_entropy, data.X, data.y, target=target)
    compiling = perf_counter() - start
    rows, steps = compiled.rows(data.X[:32], data.y[:32]), []
    for _ in range(200):
        start = perf_counter()
        compiled.backward(rows)
        steps.append(perf_counter() - start)
    start = perf_counter()
    history = fit(
        model, nn.cross_entropy, data.X, data.y, epochs=epochs, batch_size=32, progress=False,
        optimizer=Adam(model.parameters(), 0.01), compiled=target,
    )  # fmt: skip
    whole = perf_counter() - start
    ends = history.seconds
    predictor = Predictor(model, target)
    mean_loss = objective(Subject(model, nn.cross_entropy, data.X, data.y, compiled=target))
    found = {
        "target": compiled.program.stats["target"],
        "losses": history.batch_loss,
        "accuracy": history.accuracy[-1],
        "predictions": predictor(data.X_test[:100]),
        "diagnosed": [mean_loss.forward(), mean_loss.backward([5, 3, 8])],
        "seconds": {
            "compiling": compiling,
            "a step of 32 rows": median(steps[100:]),
            "the first epoch": ends[0],
            "an epoch": median(b - a for a, b in pairwise(ends)),
            "all epochs": whole,
        },
    }
    return json.dumps(found)


def main(epochs: int = 20) -> list[Row]:
    """Train in the browser and here; return the lines of the table."""
    with TemporaryDirectory() as room, page(Path(room)) as browser:
        there = in_browser(browser, epochs)
    here = json.loads(digits_work(epochs, "auto"))
    check_same(there["losses"], here["losses"])
    rows: list[Row] = [("", f"{there['target']} in Chromium", f"{here['target']} here")]
    for name, seconds in there["seconds"].items():
        pair = seconds, here["seconds"][name]
        rows.append((name, *(f"{1000 * one:,.2f} ms" for one in pair)))
    return rows


def in_browser(browser: Any, epochs: int) -> dict[str, Any]:
    """Run the work in a page."""
    found: dict[str, Any] = json.loads(browser.evaluate(PAGE, [f"digits_work({epochs}, 'auto')"]))
    return found


def check_same(there: list[float], here: list[float]) -> None:
    """Raise Disagreement unless losses are the same, to rounding."""
    for step, (mine, right) in enumerate(zip(there, here, strict=True)):
        if not abs(mine - right) <= TOLERANCE * abs(right):
            raise Disagreement(f"step {step}: the loss is {mine} in the browser, and {right} here.")


@contextmanager
def page(room: Path) -> Iterator[Any]:
    """Open a page that can load Pyodide and the package, which a server on this machine has."""
    playwright = extra("playwright.sync_api", "playwright", "the benchmark of browsers", "test")
    package, out = npm_package("pyodide", PYODIDE, room / "npm"), room / "out"
    out.mkdir()
    for name in (*RUNTIME, LOCK):
        shutil.copy(package / name, out)
    (out / "index.html").write_text("<!doctype html><title>Pyodide</title>")
    (out / "work.py").write_text("from __future__ import annotations\n" + getsource(digits_work))
    clean = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "tinygrad_edu", room / "package" / "tinygrad_edu", ignore=clean)
    shutil.make_archive(str(out / "package"), "zip", room / "package")
    program = shutil.which("chromium") or shutil.which("google-chrome")
    with server(out) as running, playwright.sync_playwright() as driver:
        Thread(target=running.serve_forever, daemon=True).start()
        flags = ["--no-sandbox", "--disable-gpu"]
        browser = driver.chromium.launch(executable_path=program, args=flags)
        tab = browser.new_page()
        tab.goto(f"http://127.0.0.1:{running.server_port}/index.html")
        try:
            yield tab
        finally:
            browser.close()
            running.shutdown()


if __name__ == "__main__":
    print("A network of 64, 32 and 10 on 1,437 digits, batches of 32, Adam; on the wall clock")
    print("\n".join(aligned(main())))
