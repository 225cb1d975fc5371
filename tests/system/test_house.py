"""The house is in order: tests mirror the package, and no assert speaks to a user."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "tinygrad_edu"
CROSSING = ("system", "promises")  # tests that belong to no single room
SHARED = ("course/lessons",)  # rooms whose modules are alike, and share their tests


def holds_code(file):
    """Return whether a file defines a function or a class, or computes a constant."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return any(not isinstance(n, (ast.Import, ast.ImportFrom, ast.Expr)) for n in tree.body)


def is_test_of(file, name):
    """Return whether a test file is that of a module, or of one topic of it."""
    return file.stem == f"test_{name}" or file.stem.startswith(f"test_{name}_")


def subjects(room):
    """Return what a test file may be named after: modules, folders, a room with code of its own."""
    names = {path.stem for path in room.glob("*") if path.suffix == ".py" or path.is_dir()}
    init = room / "__init__.py"
    defined = ast.parse(init.read_text(encoding="utf-8")).body if init.exists() else []
    own = any(isinstance(n, (ast.FunctionDef, ast.ClassDef)) for n in defined)
    return names | {room.name} if own else names


def untested(package, tests):
    """Return the modules with code that have no test file in their place."""
    modules = [f for f in package.rglob("*.py") if not f.stem.startswith("__") and holds_code(f)]
    return {
        file.relative_to(package.parent).as_posix()
        for file in modules
        if (room := file.parent.relative_to(package)).as_posix() not in SHARED
        and not any(is_test_of(test, file.stem) for test in (tests / room).glob("test_*.py"))
    }


def homeless(package, tests):
    """Return the test files that are named after nothing in the room of their folder."""
    return {
        file.relative_to(tests.parent).as_posix()
        for file in tests.rglob("test_*.py")
        if file.relative_to(tests).parts[0] not in (*CROSSING, "docs", "benchmarks")
        and file.parent.relative_to(tests).as_posix() not in SHARED
        and not any(
            is_test_of(file, name) for name in subjects(package / file.parent.relative_to(tests))
        )
    }


def out_of_place():
    """Return all modules and test files that do not mirror each other."""
    found = untested(PACKAGE, ROOT / "tests") | homeless(PACKAGE, ROOT / "tests")
    for name in ("docs", "benchmarks"):
        tests = ROOT / "tests" / name
        found |= {f"tests/{file}" for file in homeless(ROOT / name, tests)}
    return found


def test_the_tests_mirror_the_package():
    """A module's test file is found without a search: tests/<room>/test_<module>.py."""
    assert out_of_place() == set()


@pytest.fixture
def small_house(tmp_path):
    """A package of two rooms with its tests, in order."""
    for path, text in {
        "house/__init__.py": "",
        "house/base.py": "x = 1",
        "house/nn/__init__.py": "def main(): pass",
        "house/nn/layers.py": "class Layer: pass",
        "house/nn/names.py": '"""Names alone."""\nfrom house.base import x',
        "tests/test_base.py": "",
        "tests/nn/test_nn.py": "",
        "tests/nn/test_layers_by_hand.py": "",
        "tests/system/test_all.py": "",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, encoding="utf-8")
    return tmp_path


def test_a_house_in_order_has_nothing_out_of_place(small_house):
    """A topic may follow the module's name; a file of imports alone needs no test."""
    assert untested(small_house / "house", small_house / "tests") == set()
    assert homeless(small_house / "house", small_house / "tests") == set()


@pytest.mark.parametrize("path", ["house/nn/losses.py", "house/nn/base.py", "house/layers.py"])
def test_a_module_without_a_test_file_is_noticed(small_house, path):
    """Also where a module of that name is tested in another room."""
    (small_house / path).write_text("y = 2", encoding="utf-8")

    assert untested(small_house / "house", small_house / "tests") == {path}


@pytest.mark.parametrize("path", ["tests/nn/test_base.py", "tests/test_layers.py"])
def test_a_test_file_without_a_module_is_noticed(small_house, path):
    """Also where another room has a module of that name."""
    (small_house / path).touch()

    assert homeless(small_house / "house", small_house / "tests") == {path}


def test_no_assert_speaks_to_a_user():
    """``python -O`` drops asserts, and their messages teach nothing: errors.py has the errors."""
    asserts = [
        f"{file.relative_to(PACKAGE)}:{node.lineno}"
        for file in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Assert)
    ]

    assert asserts == []
