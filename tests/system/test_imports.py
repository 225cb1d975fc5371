"""Imports run downwards and never in a circle; the engine's honest size is what it imports."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "tinygrad_edu"
READ = ("ops.py", "value.py", "walk.py")  # the three files in which the engine computes


def lint_imports(folder):
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


@pytest.fixture
def copy_of_package(tmp_path):
    """The package and its contracts, to plant a fault in."""
    shutil.copytree(PACKAGE, tmp_path / "tinygrad_edu")
    shutil.copy(ROOT / "setup.cfg", tmp_path)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("below", "line"),
    [
        ("engine/ieee.py", "from tinygrad_edu.engine import ops"),
        ("engine/context.py", "from tinygrad_edu.engine.value import Value"),
        ("engine/value.py", "from tinygrad_edu.engine import functions"),
        ("engine/value.py", "def late():\n    from tinygrad_edu.transforms import grad"),
        ("engine/value.py", "from tinygrad_edu import grad"),
        (
            "engine/value.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import tinygrad_edu.nn.init",
        ),
        ("nn/layers.py", "import tinygrad_edu.train"),
        ("viz/figure.py", "import tinygrad_edu.nn.module"),
        ("engine/value.py", "import numpy"),
        ("nn/layers.py", "def late():\n    import numpy"),
    ],
)
def test_an_import_that_runs_upwards_is_noticed(copy_of_package, below, line):
    """Planted in a copy of the package, each breaks a contract that names it."""
    with (copy_of_package / "tinygrad_edu" / below).open("a", encoding="utf-8") as file:
        file.write(f"\n\n{line}\n")

    result = lint_imports(copy_of_package)

    module = "tinygrad_edu." + below.removesuffix(".py").replace("/", ".")
    assert result.returncode == 1
    assert " 0 broken" not in result.stdout
    assert module in result.stdout


def test_a_module_without_a_place_is_noticed(copy_of_package):
    """The contract is exhaustive."""
    stray = copy_of_package / "tinygrad_edu" / "stray.py"
    stray.write_text('"""Stray."""\n', encoding="utf-8")

    result = lint_imports(copy_of_package)

    assert result.returncode == 1
    assert "stray" in result.stdout + result.stderr


@pytest.mark.parametrize(
    "module", ["tinygrad_edu", "tinygrad_edu.nn", "tinygrad_edu.train", "tinygrad_edu.cli"]
)
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


class Imports:
    """Which module of a package imports which: at the top, in functions, for type hints alone."""

    def __init__(self, package):
        self.files = {
            ".".join(f.relative_to(package.parent).with_suffix("").parts): f
            for f in sorted(package.rglob("*.py"))
        }
        self.files = {name.removesuffix(".__init__"): f for name, f in self.files.items()}
        self.nodes = {
            name: [
                node
                for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
                if isinstance(node, (ast.Import, ast.ImportFrom))
            ]
            for name, file in self.files.items()
        }
        self.arrows = {name: self.imported(name) for name in self.files}

    def imported(self, module):
        """Return the modules of the package that one of them imports."""
        found = set()
        for node in self.nodes[module]:
            for alias in node.names:
                if isinstance(node, ast.ImportFrom):
                    found.add(self.home(str(node.module), alias.name))
                else:
                    found.add(alias.name)
        return (found & set(self.files)) - {module}

    def home(self, module, name):
        """Return the module that a name comes from, where a package's ``__init__`` passes it on."""
        if f"{module}.{name}" in self.files:
            return f"{module}.{name}"
        if module in self.files and self.files[module].name == "__init__.py":
            for node in self.nodes[module]:
                for alias in node.names:
                    if isinstance(node, ast.ImportFrom) and name == (alias.asname or alias.name):
                        return self.home(str(node.module), alias.name)
        return module

    def below(self, module):
        """Return all that a module imports, and what that imports, and so on."""
        found, waiting = set(), [module]
        while waiting:
            new = self.arrows[waiting.pop()] - found
            found |= new
            waiting += new
        return found

    def in_circles(self):
        """Return the modules that import themselves by way of others."""
        return {module for module in self.files if module in self.below(module)}


def test_no_module_imports_itself_by_way_of_others():
    """Imports inside functions and for type hints count: a reader has to follow them, too."""
    assert Imports(PACKAGE).in_circles() == set()


@pytest.mark.parametrize(
    "back",
    [
        "from house.room.above import f",
        "import house.room.above",
        "def late():\n    from house.room.above import f",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from house.room import above",
        "def late():\n    from house.room import f",
        "def late():\n    from house import g",
    ],
)
def test_a_planted_circle_is_noticed(tmp_path, back):
    """Straight, late, for types alone, and by the names that a package passes on."""
    room = tmp_path / "house" / "room"
    room.mkdir(parents=True)
    (tmp_path / "house" / "__init__.py").write_text("from house.room import f as g")
    (room / "__init__.py").write_text("from house.room.above import f\nfrom math import pi")
    (room / "above.py").write_text("from house.room import below")
    (room / "below.py").write_text("from house.room import other, pi\nfrom math import sin")
    (room / "other.py").write_text("import math")
    assert Imports(tmp_path / "house").in_circles() == set()

    (room / "other.py").write_text(back)

    circle = {f"house.room.{name}" for name in ("above", "below", "other")}
    assert Imports(tmp_path / "house").in_circles() == circle


def test_the_honest_size_of_the_engine():
    """All that value.py imports counts, formatted as everything else; see it by ``pytest -rP``."""
    imports = Imports(PACKAGE)
    start = "tinygrad_edu.engine.value"
    files = [imports.files[name] for name in sorted({start} | imports.below(start))]
    texts = {file: file.read_text(encoding="utf-8") for file in files}
    sizes = {str(f.relative_to(PACKAGE)): text.count("\n") for f, text in texts.items()}

    print(*(f"{size:6,} {name}" for name, size in sizes.items()), sep="\n")
    print(f"{sum(sizes.values()):6,} lines in all that engine/value.py imports")

    engine = {file.name: file.read_text("utf-8") for file in (PACKAGE / "engine").glob("*.py")}
    assert set(READ) <= set(engine)
    assert [name for name, text in engine.items() if re.search("fmt: (off|skip)", text)] == []
