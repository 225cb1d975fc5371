"""The site: its pages hang together, load nothing from elsewhere, and the course runs in a browser.

Everything here builds with npm, MkDocs and JupyterLite; what is missing is named where it skips.
"""

import importlib.util
import json
import re
import shutil
import subprocess
import sys
import threading
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest

from docs import figures, lessons, links, pages, reference, server, tools
from docs.site import build

ROOT = Path(__file__).parents[2]
MODULES = ("mkdocs", "material", "mkdocstrings_handlers", "jupyterlite_core", "jupyter_server")
MODULES += ("jupyterlite_pyodide_kernel", "nbclient", "ipykernel")
LESSONS = ("01_a_number_that_remembers.ipynb", "03_gradient_flow_rules.ipynb")
FAILS = "99_fails_in_a_browser.ipynb"
PATIENCE = 240_000  # ms for a notebook in a browser, on a machine that does other things, too


def missing():
    """What building the site needs and is not here."""
    modules = [name for name in MODULES if importlib.util.find_spec(name) is None]
    return ", ".join(modules + ([] if shutil.which("npm") else ["npm"]))


site_tools = pytest.mark.skipif(bool(missing()), reason=f"the site needs {missing()}")


def notebook(folder, name, *sources):
    """Write a notebook of code cells."""
    cell = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    cells = [cell | {"id": f"cell-{i}", "source": source} for i, source in enumerate(sources)]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    facts = {"kernelspec": kernel, "language_info": {"name": "python"}}
    content = {"cells": cells, "metadata": facts, "nbformat": 4, "nbformat_minor": 5}
    (folder / name).write_text(json.dumps(content), encoding="utf-8")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site with two notebooks of the course, and one that fails in a browser alone."""
    course = tmp_path_factory.mktemp("notebooks")
    for name in LESSONS:
        shutil.copy(ROOT / "notebooks" / name, course)
    notebook(course, FAILS, "import sys\nassert sys.platform != 'emscripten'", "1 + 1")
    out = tmp_path_factory.mktemp("built") / "site"
    build(out, run_notebooks=True, browser=True, notebooks=course)
    return out


@site_tools
def test_links_resolve(site):
    """Every link from one page to another file leads somewhere; nothing is loaded from afar."""
    styles = "\n".join(file.read_text(encoding="utf-8") for file in site.rglob("*.css"))

    links.check_links(site, "try")

    assert re.findall(r"url\([\"']?(?:https?:)?//", styles) == []


def test_a_dead_link_is_noticed(tmp_path):
    """Planted: to a file, to a place on a page; a picture and a script from elsewhere."""
    good = '<p id="x"><a href="#x"></a><a href="https://x.org"></a><a href="try/y.html"></a>'
    bad = '<a href="gone.html"></a><a href="a.html#gone"></a><img src="//x.org/a.png">'
    (tmp_path / "try").mkdir()
    (tmp_path / "try" / "y.html").write_text('<script src="http://x.org/a.js"></script>')
    (tmp_path / "a.html").write_text(good)
    assert list(links.dead_links(tmp_path, "try")) == []

    (tmp_path / "b.html").write_text(bad)

    assert list(links.dead_links(tmp_path, "try")) == ["b.html: gone.html", "b.html: a.html#gone"]
    afar = {line.split()[1] for line in links.foreign(tmp_path)}
    assert afar == {"//x.org/a.png", "http://x.org/a.js"}
    with pytest.raises(tools.SiteError, match="4 links lead nowhere"):
        links.check_links(tmp_path, "try")


@site_tools
def test_every_page_of_the_project_is_there(site):
    """README, course, reference of every room, recipes, teachers, benchmarks, changelog."""
    front = (site / "index.html").read_text(encoding="utf-8")
    rooms = {page.stem for page in (site / "reference").glob("*.html")}

    assert 'src="pictures/neuron.svg"' in front
    assert rooms == {"tinygrad_edu", *reference.ROOMS}
    for name in ("course", "teachers", "benchmarks", "changelog", "contributing", "files"):
        assert (site / f"{name}.html").is_file()
    recipes = {page.stem for page in (site / "recipes").glob("*.html")} - {"index"}
    assert recipes == {page.stem for page in (ROOT / "docs" / "recipes").glob("[!R]*.md")} != set()
    assert (site / "promises.html").is_file() == (ROOT / "docs" / "promises.md").is_file()


@site_tools
@pytest.mark.parametrize("room", ["", "nn", "train", "viz", "explain", "compiler", "gradcheck"])
def test_the_reference_has_every_public_name(site, room):
    """What a room exports stands on its page."""
    module = importlib.import_module(f"tinygrad_edu.{room}".rstrip("."))
    page = (site / "reference" / f"{room or 'tinygrad_edu'}.html").read_text(encoding="utf-8")
    text = re.sub(r"<[^>]*>", " ", page.partition("<article")[2])

    lost = [name for name in module.__all__ if not re.search(rf"\b{name}\b", text)]

    assert lost == []
    assert ":class:" not in text


@site_tools
def test_a_notebook_is_shown_as_it_ran(site):
    """Figures that can be stepped, what was printed, and formulas; no mark is left behind."""
    page = (site / "lessons" / "03_gradient_flow_rules.html").read_text(encoding="utf-8")

    assert "data-tinygrad-edu-stepper" in page
    assert '<pre class="stdout">' in page
    assert 'class="placeholder"' not in page
    assert "arithmatex" in page


@site_tools
def test_a_notebook_that_fails_is_named(tmp_path):
    """Nothing is built from a course that does not run."""
    notebook(tmp_path, "01_x.ipynb", "1/0")

    with pytest.raises(tools.SiteError, match=r"01_x\.ipynb failed: ZeroDivisionError"):
        lessons.read_lessons(tmp_path, tmp_path / "room", run=True)


@site_tools
def test_a_folder_of_something_else_is_left_alone(tmp_path):
    """Only a new folder, or one built before, is written to."""
    (tmp_path / "thesis.txt").touch()

    with pytest.raises(tools.SiteError, match="was not built by this command"):
        build(tmp_path, run_notebooks=False, browser=False)

    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]


def test_without_npm_it_says_so(tmp_path, monkeypatch):
    """Three lines: what is missing, what is expected, what to do."""
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(tools.SiteError, match="npm is not on PATH, and katex") as caught:
        tools.npm_package("katex", "1", tmp_path)

    assert "Fix" in str(caught.value)


def test_a_link_to_nothing_is_refused(tmp_path):
    """A page of the project that links to a missing file can't be built; code is not a link."""
    text = (
        "[here](tinygrad_edu/engine/value.py#L1) [there](https://x.org)\n\n```\n[c](gone.py)\n```\n"
    )

    relinked = pages.relinked("README.md", text, tmp_path)

    assert relinked == text.replace(
        "tinygrad_edu/engine/value.py", "source/tinygrad_edu/engine/value.py.md"
    )
    with pytest.raises(tools.SiteError, match=r"README\.md links to gone\.py"):
        pages.relinked("README.md", "[c](gone.py)", tmp_path)


def test_figures_become_tables():
    """What is alike is one table, with all columns; a number stays with its unit."""
    tree = {"a": {"x": {"s": 0.123456, "n": 1000}, "y": {"s": 2.0}}, "seconds": 3}

    blocks = figures._blocks(tree)

    assert blocks[-1].splitlines()[-2:] == ["| x | 0.1235 | 1,000 |", "| y | 2 |  |"]
    assert "| seconds | 3 |" in blocks[0]
    assert "4\u00a0GiB" in figures.table(("",), [["4 GiB"]])


def test_figures_in_lists_are_told_by_number():
    """Whatever is in them: a table each, if they are not alike."""
    tree = {"batches": [{"names": 32, "rows": {"ours": {"us": 3}}}, {"names": 1, "rows": {}}]}

    blocks = figures._blocks(tree)

    assert "**batches: 1**" in blocks
    assert "| ours | 3 |" in blocks[blocks.index("**batches: 0: rows**") + 1]


@pytest.mark.parametrize("arguments", [["--help"], ["serve", "--out", "nowhere"], ["fly"]])
def test_the_command_line_explains_itself(arguments, tmp_path):
    """Examples in --help; an error has a fix, no traceback, and its own exit code."""
    command = [sys.executable, "-m", "docs", *arguments]

    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert run.returncode == {"--help": 0, "serve": 1, "fly": 2}[arguments[0]]
    assert "Traceback" not in run.stderr
    said = {"--help": "python -m docs serve", "serve": "Fix", "fly": "invalid choice"}
    assert said[arguments[0]] in run.stdout + run.stderr


@pytest.fixture
def address(site):
    """The address of the built site, served as ``python -m docs serve`` does."""
    with server.server(site) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


@site_tools
@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("try/static/pyodide/pyodide.asm.wasm", "application/wasm"),
        ("try/static/pyodide/pyodide.mjs", "text/javascript; charset=utf-8"),
        ("index.html", "text/html; charset=utf-8"),
    ],
)
def test_files_are_served_with_their_types(address, path, kind):
    """A browser refuses WebAssembly and modules of another type."""
    with urllib.request.urlopen(f"{address}/{path}") as answer:
        assert answer.headers["Content-Type"] == kind


@pytest.fixture(scope="module")
def chromium():
    """A browser; the tests skip where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no chromium on PATH")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


def elsewhere(asked, address):
    """Requests to any other address."""
    return [url for url in asked if not url.startswith((f"{address}/", "data:", "blob:"))]


@pytest.fixture
def tab(chromium, address):
    """A page of a fresh browser; at the end it has asked for nothing from elsewhere."""
    context = chromium.new_context(viewport={"width": 1200, "height": 900})
    asked = []
    context.on("request", lambda request: asked.append(request.url))
    yield context.new_page()
    context.close()
    assert len(asked) > 3
    assert elsewhere(asked, address) == []


@site_tools
def test_a_request_elsewhere_is_noticed(chromium, address):
    """Planted on a page: a picture from another address, and a request of a worker."""
    with chromium.new_context() as context:
        asked = []
        context.on("request", lambda request: asked.append(request.url))
        page = context.new_page()
        page.goto(f"{address}/404.html")
        worker = "new Worker(URL.createObjectURL(new Blob(['fetch(`http://127.0.0.1:9/w`)'])))"
        page.set_content(f"<img src='http://127.0.0.1:9/x.png'><script>{worker}</script>")
        page.wait_for_timeout(1000)

    assert sorted(elsewhere(asked, address)) == ["http://127.0.0.1:9/w", "http://127.0.0.1:9/x.png"]


@site_tools
@pytest.mark.parametrize(
    "path",
    [
        *("index", "course", "recipes/index", "recipes/dask", "teachers", "benchmarks"),
        *("reference/nn", f"lessons/{LESSONS[0][:-6]}"),
    ],
)
def test_a_page_runs_without_complaint(tab, address, path):
    """No error in the console, nothing missing, nothing wider than the window."""
    complaints = []
    tab.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    tab.on("pageerror", lambda error: complaints.append(str(error)))

    tab.goto(f"{address}/{path}.html", wait_until="networkidle")

    assert complaints == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= 1200
    assert tab.locator(".katex-error").count() == 0


@site_tools
def test_formulas_and_figures_work_on_a_lessons_page(tab, address):
    """KaTeX has set the formulas, and a figure steps back."""
    tab.goto(f"{address}/lessons/03_gradient_flow_rules.html", wait_until="networkidle")
    stepper = tab.locator("[data-tinygrad-edu-stepper]").first
    before = stepper.locator(".count").text_content()

    stepper.get_by_role("button").first.click()

    assert tab.locator(".arithmatex .katex").count() > 5
    assert stepper.locator(".count").text_content() != before


# tracebacks and warnings alike have this type
COMPLAINTS = """() => [...document.querySelectorAll(
  '.jp-OutputArea-output[data-mime-type="application/vnd.jupyter.stderr"]'
)].map((output) => output.textContent)"""
# prompts are empty for cells not drawn yet, [ ] before they ran, and [*] while they run
ENDED = rf"""() => {{
  const prompts = [...document.querySelectorAll(".jp-CodeCell .jp-InputPrompt")];
  const all = prompts.length && prompts.every((prompt) => /\[\d+\]/.test(prompt.textContent));
  return all || ({COMPLAINTS})().length;
}}"""

BEGUN = r"""() => [...document.querySelectorAll(".jp-CodeCell .jp-InputPrompt")].some(
  (prompt) => /\[(\*|\d+)\]/.test(prompt.textContent)
)"""


def run_all(tab, address, name):
    """Open a notebook in the browser's course and run its cells; what failed or complained."""
    tab.goto(f"{address}/try/notebooks/index.html?path={name}")
    tab.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=PATIENCE)
    for _ in range(5):  # what is asked before the kernel is there is forgotten
        tab.get_by_role("menuitem", name="Run", exact=True).click()
        tab.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        with suppress(pytest.importorskip("playwright.sync_api").TimeoutError):
            tab.wait_for_function(BEGUN, timeout=PATIENCE / 8)
            break
    tab.wait_for_function(ENDED, timeout=PATIENCE)
    return tab.evaluate(COMPLAINTS)


@site_tools
@pytest.mark.parametrize("name", LESSONS)
def test_a_notebook_runs_in_the_browser(tab, address, name):
    """All cells run by Pyodide, without an error, and the figures are steppers."""
    cells = json.loads((ROOT / "notebooks" / name).read_text(encoding="utf-8"))["cells"]

    complaints = run_all(tab, address, name)

    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert complaints == []
    assert tab.locator(".jp-CodeCell .jp-InputPrompt").count() == len(code)
    assert tab.locator("[data-tinygrad-edu-stepper] button").count() >= 3


@site_tools
def test_an_error_in_the_browser_is_noticed(tab, address):
    """A cell that fails there, and only there, is seen by the test above."""
    complaints = run_all(tab, address, FAILS)

    assert "AssertionError" in "".join(complaints)
