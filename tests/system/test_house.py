"""The laws of the house: which way imports run, and what the core needs."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "tinygrad_edu"
FILES = sorted(PACKAGE.rglob("*.py"))
every_file = pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(PACKAGE)))


def source(file: Path) -> str:
    """The text of a file of the package."""
    return file.read_text(encoding="utf-8")


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
        ("engine/ieee.py", "from tinygrad_edu.engine import ops"),
        ("engine/hooks.py", "from tinygrad_edu.engine.value import Value"),
        ("engine/value.py", "from tinygrad_edu.engine import functions"),
        ("engine/value.py", "def late():\n    from tinygrad_edu.transforms import grad"),
        ("engine/value.py", "from tinygrad_edu import grad"),
        ("nn/layers.py", "import tinygrad_edu.train"),
        ("viz/figure.py", "import tinygrad_edu.nn.module"),
        ("engine/value.py", "import numpy"),
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
    assert " 0 broken" not in result.stdout
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
