"""The laws of the house: how long files are, and which way imports run."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "tinygrad_edu"
FILES = sorted(PACKAGE.rglob("*.py"))
every_file = pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(PACKAGE)))


def source(file: Path) -> str:
    """The text of a file of the package."""
    return file.read_text(encoding="utf-8")


def test_the_engine_is_read_in_one_sitting():
    """errors.py, ops.py and engine.py together have at most 400 lines."""
    lines = sum(
        len(source(PACKAGE / name).splitlines()) for name in ("errors.py", "ops.py", "engine.py")
    )

    assert lines <= 400


@every_file
def test_no_file_is_long(file):
    """A file that outgrows 350 lines is split by idea."""
    assert len(source(file).splitlines()) <= 350


def code_lines(function: ast.FunctionDef) -> int:
    """Lines of a function's body without its docstring."""
    body = function.body
    if ast.get_docstring(function) is not None:
        body = body[1:]
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


@every_file
def test_no_function_is_long(file):
    """A function does one thing, in at most 30 lines of code."""
    functions = [n for n in ast.walk(ast.parse(source(file))) if isinstance(n, ast.FunctionDef)]

    long = {f.name: code_lines(f) for f in functions if code_lines(f) > 30}

    assert long == {}


@every_file
def test_no_assert_speaks_to_a_user(file):
    """``python -O`` drops asserts, and their messages teach nothing: errors.py has the errors."""
    asserts = [n.lineno for n in ast.walk(ast.parse(source(file))) if isinstance(n, ast.Assert)]

    assert asserts == []


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the contracts of setup.cfg on the package in a folder."""
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"]
    return subprocess.run(
        [*command, "--no-cache"], cwd=folder, capture_output=True, text=True, check=False
    )


def test_imports_run_downwards():
    """The contracts of setup.cfg hold."""
    result = lint_imports(ROOT)

    assert result.returncode == 0, result.stdout
    assert "0 broken" in result.stdout


@pytest.mark.parametrize(
    ("below", "line"),
    [
        ("ieee.py", "from tinygrad_edu import ops"),
        ("hooks.py", "from tinygrad_edu.engine import Value"),
        ("engine.py", "from tinygrad_edu import functions"),
        ("engine.py", "def late():\n    from tinygrad_edu.transforms import grad"),
        ("engine.py", "from tinygrad_edu import grad"),
        ("nn/layers.py", "import tinygrad_edu.train"),
        ("viz/figure.py", "import tinygrad_edu.nn.module"),
        ("engine.py", "import numpy"),
        ("nn/layers.py", "def late():\n    import numpy"),
    ],
)
def test_an_import_that_runs_upwards_is_noticed(tmp_path, below, line):
    """Planted in a copy of the package, each breaks a contract that names it."""
    shutil.copytree(PACKAGE, tmp_path / "tinygrad_edu")
    shutil.copy(ROOT / "setup.cfg", tmp_path)
    with (tmp_path / "tinygrad_edu" / below).open("a", encoding="utf-8") as file:
        file.write(f"\n\n{line}\n")

    result = lint_imports(tmp_path)

    module = "tinygrad_edu." + below.removesuffix(".py").replace("/", ".")
    assert result.returncode == 1
    reaches_numpy_too = ("from tinygrad_edu import grad", "import tinygrad_edu.train")
    broken = 2 if line in reaches_numpy_too else 1
    assert f" {broken} broken" in result.stdout
    assert module in result.stdout


def test_a_module_without_a_place_is_noticed(tmp_path):
    """The contract is exhaustive."""
    shutil.copytree(PACKAGE, tmp_path / "tinygrad_edu")
    shutil.copy(ROOT / "setup.cfg", tmp_path)
    (tmp_path / "tinygrad_edu" / "stray.py").write_text('"""Stray."""\n', encoding="utf-8")

    result = lint_imports(tmp_path)

    assert result.returncode == 1
    assert "stray" in result.stdout + result.stderr


@pytest.mark.parametrize("module", ["tinygrad_edu", "tinygrad_edu.nn", "tinygrad_edu.cli"])
def test_importing_brings_in_the_standard_library_alone(module):
    """Not numpy, not even graphviz: the engine starts at once, and runs where they are not."""
    program = (
        "import sys; before = set(sys.modules)\n"
        f"import {module}\n"
        "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before}))"
    )

    run = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert set(run.stdout.split()) - sys.stdlib_module_names == {"tinygrad_edu"}
