"""What a user installs: one pure-Python name, with its metadata, and every extra it asks for."""

import ast
import configparser
import csv
import io
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

from tinygrad_edu import __version__

ROOT = Path(__file__).parents[2]
SHIPPED = ("setup.cfg", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE")
IMPORTED_AS = {"scikit-learn": "sklearn", "pillow": "PIL", "resvg-py": "resvg_py"}
IMPORTED_AS |= {"import-linter": "importlinter"}


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    """The source distribution, built offline from a copy of the project with all beside it."""
    copy, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("sdist")
    for folder in ("tinygrad_edu", "tests", "benchmarks", "notebooks"):
        clean = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / folder, copy / folder, ignore=clean)
    for folder in ("docs", "build"):  # whatever may lie about
        (copy / folder).mkdir()
        (copy / folder / "__init__.py").touch()
    for name in SHIPPED:
        shutil.copy(ROOT / name, copy)
    build = f"import setuptools.build_meta as build; build.build_sdist({str(out)!r})"
    subprocess.run([sys.executable, "-c", build], cwd=copy, check=True, capture_output=True)
    (path,) = out.iterdir()
    return path


@pytest.fixture(scope="module")
def wheel(sdist, tmp_path_factory):
    """The wheel, built offline from the source distribution, as pip does it."""
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--quiet"]
    subprocess.run([*command, "--no-index", "-w", out, sdist], check=True, capture_output=True)
    (path,) = out.iterdir()
    with zipfile.ZipFile(path) as archive:
        yield archive


def metadata(wheel):
    """The METADATA of a wheel."""
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return Parser().parsestr(wheel.read(name).decode())


def recorded(wheel):
    """The paths in the RECORD of a wheel."""
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/RECORD"))
    return [row[0] for row in csv.reader(io.StringIO(wheel.read(name).decode()))]


def test_the_wheel_owns_one_top_level_name(wheel):
    """Beside its dist-info there is tinygrad_edu and nothing else: no tests, no benchmarks."""
    tops = {path.partition("/")[0] for path in recorded(wheel)}

    assert tops == {"tinygrad_edu", f"tinygrad_edu-{__version__}.dist-info"}


def test_the_wheel_has_every_file_of_the_package(wheel):
    """Each module of each room, scripts and C, the digits, the notebooks, and py.typed."""
    package = ROOT / "tinygrad_edu"
    expected = {p.relative_to(ROOT).as_posix() for p in package.rglob("*.py")}
    expected |= {"tinygrad_edu/py.typed", "tinygrad_edu/viz/stepper.js"}
    expected |= {"tinygrad_edu/train/digits.txt.gz"}
    expected |= {
        f"tinygrad_edu/compiler/{name}"
        for name in ("calls.js", "kernels.c", "kernels.h", "steps.c", "steps.js", "worker.js")
    }
    notebooks = (ROOT / "notebooks").glob("*.ipynb")
    expected |= {f"tinygrad_edu/course/notebooks/{file.name}" for file in notebooks}

    assert {path for path in recorded(wheel) if path.startswith("tinygrad_edu/")} == expected


def test_the_source_distribution_has_no_tests(sdist):
    """They need the whole project beside them; half of them would be worse than none."""
    with tarfile.open(sdist) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]

    tops = {name.partition("/")[0] for name in names} - {"", "PKG-INFO", "tinygrad_edu.egg-info"}
    assert tops == {"tinygrad_edu", "notebooks", *SHIPPED}
    assert not [name for name in names if "test" in name]


def test_the_wheel_is_pure_python(wheel):
    """One wheel for every Python 3 and every machine."""
    assert Path(wheel.filename).name == f"tinygrad_edu-{__version__}-py3-none-any.whl"


def test_the_wheel_brings_the_command(wheel):
    """``tinygrad-edu`` runs ``tinygrad_edu.cli:main``."""
    (name,) = (name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    entries = configparser.ConfigParser()
    entries.read_string(wheel.read(name).decode())

    assert dict(entries["console_scripts"]) == {"tinygrad-edu": "tinygrad_edu.cli:main"}


def test_the_metadata_says_what_it_is(wheel):
    """Version, Python versions, license and the README."""
    facts = metadata(wheel)

    assert facts["Version"] == __version__
    assert facts["Requires-Python"] == ">=3.10"
    assert "MIT" in (facts["License-Expression"] or facts["License"])
    assert facts.get_payload() == (ROOT / "README.md").read_text(encoding="utf-8")
    assert any(name.endswith("LICENSE") for name in wheel.namelist())


def requirements(wheel, *extras):
    """The import names of what an installation with extras brings."""
    names = set()
    for requirement in metadata(wheel).get_all("Requires-Dist"):
        name = re.match(r"[\w.-]+", requirement).group().lower()
        extra = re.search(r'extra == "(\w+)"', requirement)
        if extra is None or extra.group(1) in extras:
            names.add(IMPORTED_AS.get(name, name.replace("-", "_")))
    return names


def imports(folder):
    """The top-level names that the Python files of a folder import, but for the standard ones."""
    found = set()
    for file in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add(str(node.module).partition(".")[0])
    own = {path.stem for path in (ROOT / folder).rglob("*.py")} | {
        "tinygrad_edu",
        "benchmarks",
        "docs",
        "tests",
    }
    pyodide = {"js", "pyodide"}  # it brings them, and they are imported there alone
    return found - set(sys.stdlib_module_names) - own - pyodide


@pytest.mark.parametrize(
    ("folder", "extras"),
    [
        ("tinygrad_edu", ("fast", "c", "demo", "sklearn", "dot", "pdf", "png", "notebook")),
        ("tests", ("test", "demo", "sklearn", "peers")),
        ("benchmarks", ("test", "demo", "sklearn", "peers")),
    ],
)
def test_whatever_is_imported_is_declared(wheel, folder, extras):
    """Every import is met by a requirement: nothing is there by luck."""
    assert imports(folder) - requirements(wheel, *extras) == set()


def test_an_extra_that_an_error_names_brings_what_is_missing(wheel):
    """The Fix line installs the very library that could not be imported."""
    asked = set()
    for file in (ROOT / "tinygrad_edu").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "extra":
                constants = [getattr(argument, "value", "") for argument in node.args]
                asked.add((constants[0].partition(".")[0], (constants[3:] or ["demo"])[0]))
    named = {(module, extra) for module, extra in asked if extra is not None}

    wrong = {(module, extra) for module, extra in named if module not in requirements(wheel, extra)}

    assert wrong == set() != named


def test_the_engine_alone_needs_graphviz_alone(wheel):
    """An installation without extras is small."""
    assert requirements(wheel) == {"graphviz"}


def test_extras_are_those_of_the_design(wheel):
    """Each for one purpose."""
    extras = set(metadata(wheel).get_all("Provides-Extra"))

    assert extras == {
        "fast", "c", "demo", "sklearn", "dot", "pdf", "png",
        "notebook", "test", "site", "lint", "peers",
    }  # fmt: skip


def test_the_changelog_knows_the_version():
    """Its first dated entry is the version of the package."""
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    latest = re.search(r"^## \[(\d[^]]*)\] - \d{4}-\d\d-\d\d$", changelog, re.MULTILINE)

    assert latest is not None
    assert latest.group(1) == __version__


def command_under(heading, page):
    """The first code block below a heading."""
    section = page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.search(r"^```\n(.*?)\n```$", section, re.MULTILINE | re.DOTALL).group(1)


def test_contributors_and_ci_run_the_same_commands():
    """CI takes its commands from the pages, and both pages test alike."""
    pages = {p: (ROOT / p).read_text(encoding="utf-8") for p in ("README.md", "CONTRIBUTING.md")}
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")

    taken = re.findall(r"command_under (\S+) '?([^')]+)'?\)", ci)

    assert set(taken) == {
        ("CONTRIBUTING.md", "Install"),
        ("CONTRIBUTING.md", "Lint"),
        ("README.md", "Test it"),
    }
    assert all(command_under(heading, pages[page]) for page, heading in taken)
    test, quick = (command_under(name, pages["CONTRIBUTING.md"]) for name in ("Test", "Quick test"))
    assert command_under("Test it", pages["README.md"]).endswith(f" && {test}")
    assert f"`{quick}`" in pages["README.md"]


@pytest.mark.parametrize("name", [".ci/run", "CONTRIBUTING.md", "README.md"])
def test_paths_of_tests_exist(name):
    """A command that names a moved file would test nothing."""
    paths = set(re.findall(r"\btests/[\w/]+(?:\.py)?", (ROOT / name).read_text(encoding="utf-8")))

    assert [path for path in paths if not (ROOT / path).exists()] == []
    assert paths or name == "README.md"


@pytest.mark.parametrize("name", ["setup.cfg", "pyproject.toml", ".ci/run", "CONTRIBUTING.md"])
def test_no_file_names_a_package_index(name):
    """Where packages come from is the installer's business."""
    text = (ROOT / name).read_text(encoding="utf-8")

    assert not re.search(r"index-url|find-links|https?://[^ )]*(pypi|simple|whl)", text)
