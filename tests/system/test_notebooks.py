"""The notebooks: written as they should be, run as they are, and solved, rightly and wrongly."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from time import perf_counter

import nbformat
import pytest
from nbclient import NotebookClient

from tinygrad_edu.course import EXERCISES, FAULTS, check, fault
from tinygrad_edu.course.exercise import NOTEBOOKS as TITLES
from tinygrad_edu.course.solved import RECORD

FILES = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
EXERCISE = re.compile(r"^check\.(\w+)\((\w+)\)$", re.MULTILINE)
FIGURE = re.compile(r"\bdraw\(")
every_notebook = pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem[:2])


@pytest.fixture(autouse=True)
def _progress_elsewhere(tmp_path, monkeypatch):
    """No test touches a learner's file; none runs as in CI unless it says so."""
    monkeypatch.setenv("TINYGRAD_EDU_COURSE", str(tmp_path / "progress.json"))
    monkeypatch.delenv("CI", raising=False)
    RECORD.forget()
    yield
    RECORD.forget()


def read(file):
    """Read a notebook, and check it against the schema of the format."""
    notebook = nbformat.read(file, as_version=4)
    nbformat.validate(notebook)
    return notebook


def exercise_of(cell):
    """Return the id of the exercise that a cell asks for, or ""."""
    found = EXERCISE.search(cell.source) if cell.cell_type == "code" else None
    return found[1] if found else ""


def filled_in(notebook):
    """Fill in a right answer in every exercise of a notebook."""
    for cell in notebook.cells:
        if name := exercise_of(cell):
            cell.source = f"{EXERCISES[name].solution}\ncheck.{name}(answer)"
    return notebook


def sentences(text):
    """Count the sentences of a markdown cell, without formulas and headings."""
    text = re.sub(r"```.*?```|\$\$.*?\$\$|^#.*$", "", text, flags=re.DOTALL | re.MULTILINE)
    return len(re.findall(r"[.?!][*)\"]*(?=\s|$)", text))


def last_shown(tree):
    """Check that the last statement shows something, alone or at the end of a loop."""
    last = tree.body[-1]
    while isinstance(last, (ast.For, ast.With)):
        last = last.body[-1]
    return isinstance(last, ast.Expr)


def is_open(source):
    """Check that an exercise is left to the reader: dots stand for a value or for a body."""
    tree = ast.parse(source)
    assigned = [ast.unparse(n) for n in tree.body if isinstance(n, ast.Assign)]
    dots = [line == "answer = ..." for line in assigned if "answer" in line]
    bodies = [n.body for n in tree.body if isinstance(n, ast.FunctionDef)]
    return (
        all([ast.unparse(line) for line in body[1:]] == ["..."] for body in bodies)
        and all(dots)
        and len(dots) + len(bodies) == 1
    )


def code_problems(cell):
    """List what is wrong with a code cell."""
    source = cell.source
    if re.search(r"^\s*[%!]", source, re.MULTILINE):
        return ["a magic"]
    tree = ast.parse(source)
    lines = [line for line in source.splitlines() if line.strip()]
    imported = {n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    imported |= {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    allowed = {*sys.stdlib_module_names, "tinygrad_edu", "numpy", "matplotlib"}
    allowed -= {"urllib", "http", "socket", "subprocess", "ftplib", "ssl"}
    asserts = any(isinstance(n, ast.Assert) for n in ast.walk(tree))
    return [
        words
        for words, wrong in {
            f"{len(lines)} lines of code": len(lines) > 15,
            "the last line shows nothing": not last_shown(tree),
            "no assert": not asserts and not exercise_of(cell),
            "outputs": bool(cell.outputs) or cell.execution_count is not None,
            f"imports {sorted(imported)}": not {m.partition(".")[0] for m in imported} <= allowed,
        }.items()
        if wrong
    ]


def problems(notebook):
    """List what is wrong with a notebook, cell by cell."""
    cells, found = notebook.cells, []
    for cell in cells:
        if cell.cell_type == "code":
            found += [f"{cell.id}: {words}" for words in code_problems(cell)]
        elif sentences(cell.source) > 4:
            found.append(f"{cell.id}: {sentences(cell.source)} sentences")
        if re.search(r"https?:|www\.", cell.source):
            found.append(f"{cell.id}: an address")
    text = " ".join(cell.source for cell in cells if cell.cell_type == "markdown")
    ids = [f"{cells[0].id[:2]}-{i:02}" for i in range(1, len(cells) + 1)]
    rules = {
        "begins with no question": re.match(r"# \d\d .+\n\n\*\*[^*]+\?\*\*", cells[0].source),
        "says nowhere what it needs": cells[1].source.startswith("**You need**"),
        "does not end with what was found": cells[-1].source.startswith("**What was found.**"),
        "ids that change from build to build": [cell.id for cell in cells] == ids,
        "cites no text": re.search("Das and Varma|Billy|Grokking Deep Learning|Vaswani", text),
    }
    return found + [words for words, kept in rules.items() if not kept]


@every_notebook
def test_a_notebook_keeps_the_rules_of_its_form(file):
    """A question first, short cells that show and assert, no outputs, what was found last."""
    assert problems(read(file)) == []


def test_the_twelve_are_there_in_the_order_of_the_course():
    """Each file has the number and the title that the course gives it."""
    headings = [read(file).cells[0].source.partition("\n")[0] for file in FILES]

    expected = [f"# {number:02} {title}" for number, title in enumerate(TITLES.values(), 1)]
    assert [heading.lower() for heading in headings] == [title.lower() for title in expected]
    assert [file.stem for file in FILES] == [
        re.sub(r"\W+", "_", title[2:].lower()) for title in expected
    ]


@every_notebook
def test_each_exercise_of_the_course_stands_in_its_notebook(file):
    """3 to 5, each once, stated in the cell before it, and not answered."""
    cells = read(file).cells
    asked = [(i, exercise_of(cell)) for i, cell in enumerate(cells) if exercise_of(cell)]
    stem = list(TITLES)[int(file.stem[:2]) - 1]

    assert [name for _, name in asked] == [name for name, e in EXERCISES.items() if e.stem == stem]
    assert 3 <= len(asked) <= 5
    for i, name in asked:
        assert cells[i - 1].source.startswith(f"**Exercise {name}.**")
        assert is_open(cells[i].source)


@pytest.mark.parametrize(
    "source", ["answer = 42", "def answer(x):\n    return x", "answer = ...\nanswer = 42"]
)
def test_an_answered_exercise_would_be_noticed(source):
    """A number, a written function, a second line below the dots."""
    assert not is_open(source)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"source": "x = 1\n" * 15 + "assert x\nx"}, "17 lines of code"),
        ({"source": "assert True\nx = 1"}, "the last line shows nothing"),
        ({"source": "print(1)"}, "no assert"),
        ({"source": "%matplotlib inline"}, "a magic"),
        ({"source": "import urllib.request\nassert 1\n1"}, "imports ['urllib.request']"),
        ({"source": "assert 1\nprint('http://example.org')"}, "an address"),
        ({"execution_count": 3}, "outputs"),
        ({"id": "1"}, "ids that change"),
        ({"cell_type": "markdown", "source": "One. Two. Three. Four. Five."}, "5 sentences"),
    ],
)
def test_a_broken_rule_is_noticed(change, complaint):
    """The rules above can fail: each is broken once in an otherwise good notebook."""
    notebook = read(FILES[0])
    cell = next(c for c in notebook.cells if c.cell_type == "code")
    cell.update(change)

    assert [words for words in problems(notebook) if complaint in words]


@pytest.mark.parametrize("place", [0, 1, -1])
def test_a_missing_beginning_or_end_is_noticed(place):
    """The question, what is needed, what was found."""
    notebook = read(FILES[1])
    notebook.cells[place].source = "Something else."

    assert len(problems(notebook)) == 1


def run(notebook, folder, **environment):
    """Run a notebook in a kernel of its own, and return the seconds it took."""
    start = perf_counter()
    client = NotebookClient(notebook, timeout=60, resources={"metadata": {"path": str(folder)}})
    client.execute(env={**os.environ, **environment})
    return perf_counter() - start


def first_quick(items, name):
    """Return parameters of which all but the first are slow."""
    slow = pytest.mark.slow
    return [pytest.param(x, marks=[slow] * (i > 0), id=name(x)) for i, x in enumerate(items)]


@pytest.mark.parametrize("file", first_quick(FILES, lambda f: f.stem[:2]))
def test_a_notebook_runs_as_it_is(file, tmp_path):
    """From top to bottom, under 60 s; the exercises are open, not errors; figures are drawn."""
    notebook = read(file)

    seconds = run(notebook, tmp_path, CI="true")

    assert seconds < 60
    asked = [cell for cell in notebook.cells if exercise_of(cell)]
    assert all("open" in json.dumps(cell.outputs) for cell in asked)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    figures = [cell for cell in code if FIGURE.search(cell.source)]
    assert all("data:image/svg+xml" in json.dumps(cell.outputs) for cell in figures)


WITH_FIGURES = [f for f in FILES if any(FIGURE.search(c.source) for c in read(f).cells)]


@pytest.mark.slow
@pytest.mark.parametrize("file", first_quick(WITH_FIGURES, lambda f: f.stem[:2]))
def test_a_notebook_with_figures_runs_without_dot_and_solved(file, tmp_path):
    """No program on PATH, every exercise filled in rightly, and CI=true, where wrong ones raise."""
    empty = tmp_path / "bin"
    empty.mkdir()
    assert shutil.which("dot", path=str(empty)) is None
    notebook = filled_in(read(file))

    run(notebook, tmp_path, PATH=str(empty), CI="true")

    asked = [cell for cell in notebook.cells if exercise_of(cell)]
    assert all("right" in json.dumps(cell.outputs) for cell in asked)
    assert any("data:image/svg+xml" in json.dumps(c.get("outputs")) for c in notebook.cells)


BARE = """
import ast, json, pathlib, sys
for name in ("numpy", "matplotlib", "sklearn", "tqdm", "mpmath"):
    sys.modules[name] = None
names = {}
for cell in json.loads(pathlib.Path(sys.argv[1]).read_text("utf-8"))["cells"]:
    if cell["cell_type"] == "code":
        body = ast.parse("".join(cell["source"])).body
        exec(compile(ast.Module(body[:-1], []), cell["id"], "exec"), names)
        mode = ast.Interactive(body[-1:])  # which prints what it is, as a cell does
        exec(compile(mode, cell["id"], "single"), names)
"""


def run_bare(number):
    """Run a notebook where only the standard library and this package can be imported."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", BARE, str(FILES[number - 1])],
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": ""},
        check=False,
    )


@pytest.mark.parametrize("number", first_quick([1, 2, 3, 4, 5, 6, 8], str))
def test_a_notebook_that_needs_no_package_runs_without_any(number):
    """As in a browser without a network; where a plot would be, a line says why there is none."""
    done = run_bare(number)

    assert done.stderr == ""
    plots = re.search("course import .*plot", FILES[number - 1].read_text("utf-8"))
    assert ("No plot: matplotlib is not installed." in done.stdout) == bool(plots)


def test_a_notebook_that_needs_a_package_says_which():
    """The command that installs it stands in the error, and in the second cell."""
    done = run_bare(11)

    command = 'pip install "tinygrad_edu[fast]"'
    assert "MissingExtraError" in done.stderr
    assert command in done.stderr
    assert command in read(FILES[10]).cells[1].source


def execute(source, names):
    """Run a cell here, and return the value of its last expression."""
    tree = ast.parse(source)
    *first, last = tree.body
    exec(compile(ast.Module(first, []), "cell", "exec"), names)
    return eval(compile(ast.Expression(last.value), "cell", "eval"), names)


def execute_all(sources):
    """Run cells here, one after another."""
    names = {}
    for source in sources:
        exec(compile(source, "cell", "exec"), names)


ASKED = [(f, exercise_of(c)) for f in FILES for c in read(f).cells if exercise_of(c)]


@pytest.mark.parametrize(("file", "name"), ASKED, ids=[name for _, name in ASKED])
def test_a_right_answer_passes_in_its_cell(file, name, monkeypatch):
    """With CI=true, where a wrong one would raise."""
    monkeypatch.setenv("CI", "true")
    (cell,) = (c for c in filled_in(read(file)).cells if exercise_of(c) == name)

    verdict = execute(cell.source, {"check": check})

    assert verdict.status == "right"


@pytest.mark.parametrize(("file", "name"), ASKED, ids=[name for _, name in ASKED])
def test_each_classical_mistake_is_named_in_its_cell(file, name):
    """The check's words are those of the mistake that was planted, and nothing raises."""
    (cell,) = (c for c in read(file).cells if exercise_of(c) == name)
    exercise = EXERCISES[name]
    call = EXERCISE.search(cell.source)

    for mistake, wrong in [(m, wrong) for m in exercise.mistakes for wrong in m.wrong]:
        planted = exercise.asks.plant(wrong)
        verdict = execute(call[0], {"check": check, call[2]: planted})
        assert verdict.status == "wrong"
        assert verdict.mistake == mistake.words
    assert exercise.mistakes


@pytest.mark.parametrize(
    ("number", "bug"),
    [
        (2, "assign instead of accumulate"),
        (3, "swapped factors in multiplication"),
        (3, "wrong sign in subtraction"),
        (5, "swapped factors in multiplication"),
        (6, "unstable softmax"),
    ],
)
def test_a_claim_that_stops_being_true_stops_its_notebook(number, bug):
    """With a bug put into the engine, an assert fails: the claims are checked, not only told."""
    assert bug in FAULTS
    cells = [c.source for c in read(FILES[number - 1]).cells if c.cell_type == "code"]

    with fault(bug), pytest.raises(AssertionError):
        execute_all(cells)
