"""Libraries of machine code: made once, kept where nobody else writes, loaded and closed."""

import ctypes
import gc
import os
import shutil
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from tests.c_compiler import STRICT, needs_cc
from tests.models import GRAPHS, ROWS, network, results
from tinygrad_edu import Value, compile_graph
from tinygrad_edu.compiler import c_library
from tinygrad_edu.compiler.c_library import folder, library, made, tidy
from tinygrad_edu.engine.errors import MissingExtraError

pytestmark = [pytest.mark.slow, needs_cc]
SEVEN = "double seven(void) { return 7.0; }\n"


@pytest.fixture(autouse=True)
def cache_folder(tmp_path, monkeypatch):
    """A cache of its own for each test, with the kernels in it, which take a second."""
    kernels, found = c_library.kernels(), c_library.compiler
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    c_library.own_folder.cache_clear()
    room = folder()
    shutil.copy2(kernels, room)
    yield room
    found.cache_clear()
    c_library.own_folder.cache_clear()


@pytest.fixture
def calls(monkeypatch):
    """The commands that are run."""
    commands, run = [], subprocess.run

    def told(command, **settings):
        commands.append(command)
        return run(command, **settings)

    monkeypatch.setattr(c_library.subprocess, "run", told)
    return commands


def seven(loaded):
    """What the function of the library returns."""
    function = loaded.seven
    function.restype = ctypes.c_double
    return function()


def libraries(room):
    """The libraries in a folder."""
    return sorted(room.glob("*.so"))


def names_in(room):
    """All that is in a folder but the kernels."""
    return [path.name for path in room.iterdir() if path.suffix != ".o"]


def compiler_that(does, folder):
    """A script that stands in the place of a C compiler."""
    script = folder / "cc"
    script.write_text(f"#!{sys.executable}\nimport sys\n{does}\n")
    script.chmod(0o700)
    return script


@pytest.mark.parametrize("name", ["moons", "softmax cross entropy over a batch", "network"])
def test_the_compiler_warns_of_nothing(name, monkeypatch):
    """With the very flags that programs are compiled with; so for the kernels."""
    strict = ("-std=gnu11", "-Wall", "-Wextra", "-Werror")
    monkeypatch.setattr(c_library, "EXACT", (*c_library.EXACT, *strict))

    program = network(11, target="c") if name == "network" else None
    program = program or compile_graph(GRAPHS[name][0](), target="c")

    assert program.stats["target"] == "c"


def test_a_program_is_compiled_once(cache_folder, calls):
    """The second time it is found by its text; another text is another library."""
    assert seven(library(SEVEN)) == 7.0
    assert len(calls) == 1
    assert seven(library(SEVEN)) == 7.0
    assert len(calls) == 1

    library(SEVEN + "\n")

    assert len(calls) == 2
    assert len(libraries(cache_folder)) == len(names_in(cache_folder)) == 2


@pytest.mark.parametrize("what", ["flags", "compiler", "version", "machine"])
def test_what_could_change_the_code_is_another_library(what, cache_folder, monkeypatch, tmp_path):
    """Other flags, another compiler or a new version of it, and another processor."""
    made(SEVEN, ".o", ("-c",))
    if what == "compiler":
        other = tmp_path / "other"
        other.symlink_to(shutil.which("cc"))
        monkeypatch.setattr(c_library, "compiler", lambda: (str(other),))
    elif what != "flags":
        monkeypatch.setattr(c_library, what, lambda *_: "another")

    made(SEVEN, ".o", ("-c", *["-g"] * (what == "flags")))

    assert len([*cache_folder.glob("*.o")]) == 3  # the kernels are the third


SAY_SEVEN = """
import ctypes, subprocess
run, calls = subprocess.run, []
def told(command, **settings):
    calls.append(command)
    return run(command, **settings)
subprocess.run = told
from tests.models import ROWS, network
program = network(5, target="c")
loss = program.backward(ROWS)
print(loss.hex(), sum("-o" in command for command in calls))
"""


def started(**environment):
    """Another process that compiles a program."""
    where = {"PYTHONPATH": str(Path(__file__).parents[2]), **environment}
    return subprocess.Popen(
        [sys.executable, "-c", SAY_SEVEN],
        env={**os.environ, **where},
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_another_process_finds_what_one_has_made(cache_folder):
    """It starts no compiler."""
    loss, compiled = started().communicate()[0].split()
    found = started().communicate()[0].split()

    assert compiled == "1"
    assert found == [loss, "0"]


@pytest.mark.slow
def test_processes_at_once_do_not_see_half_a_library(cache_folder):
    """Each that finds none makes one in a folder of its own; the last one stays."""
    both = [started() for _ in range(3)]

    said = [process.communicate()[0].split()[0] for process in both]

    assert len(set(said)) == 1
    assert len(libraries(cache_folder)) == len(names_in(cache_folder)) == 1


def test_threads_at_once_do_not_see_half_a_library(cache_folder):
    """As processes do."""
    with ThreadPoolExecutor(4) as threads:
        found = [*threads.map(lambda _: seven(library(SEVEN)), range(8))]

    assert found == [7.0] * 8
    assert len(names_in(cache_folder)) == 1


def test_what_others_may_have_written_is_compiled_anew(cache_folder, calls):
    """A library that its group or everybody can write to is not loaded."""
    library(SEVEN)
    (path,) = libraries(cache_folder)
    for mode in (0o770, 0o702):
        path.write_bytes(b"spoilt")
        path.chmod(mode)

        assert seven(library(SEVEN)) == 7.0
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert len(calls) == 3


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize("at", ["c", "."])
def test_a_folder_of_somebody_else_is_not_used(cache_folder, at):
    """Nor one that stands in a folder of somebody else."""
    os.chown(cache_folder.parent / at, 12345, 12345)

    assert folder() not in (cache_folder, cache_folder.parent)
    assert seven(library(SEVEN)) == 7.0
    assert libraries(cache_folder) == []


@pytest.mark.parametrize("mode", [0o770, 0o777, 0o702])
def test_a_folder_that_others_can_write_to_is_not_used(cache_folder, mode):
    """A folder of this process takes its place, which nobody else can open."""
    cache_folder.chmod(mode)

    assert seven(library(SEVEN)) == 7.0
    assert libraries(cache_folder) == []
    assert stat.S_IMODE(folder().stat().st_mode) == 0o700
    assert folder() == folder() != cache_folder
    shutil.rmtree(folder())
    assert seven(library(SEVEN + "\n")) == 7.0


@pytest.mark.parametrize("home", ["file", "missing", "relative"])
def test_without_a_cache_folder_there_is_one_for_the_process(home, tmp_path, monkeypatch):
    """Where the home is a file, or can not be written to; a relative name is not one."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    monkeypatch.delenv("XDG_CACHE_HOME")
    if home == "relative":
        monkeypatch.setenv("XDG_CACHE_HOME", "cache")
        monkeypatch.chdir(tmp_path)
    if home == "missing":
        monkeypatch.setenv("HOME", "/proc/nobody")

    assert seven(library(SEVEN)) == 7.0
    assert folder().name.startswith("tinygrad_edu-")


def test_a_folder_that_can_not_be_written_to_is_not_used(cache_folder, monkeypatch):
    """A cache on a disk that is read-only, for example."""
    monkeypatch.setattr(c_library.os, "access", lambda path, mode: False)

    assert folder().name.startswith("tinygrad_edu-")


def test_the_cache_is_in_the_home_or_where_the_user_puts_it(tmp_path, monkeypatch):
    """Below .cache, or XDG_CACHE_HOME; nobody else can open it."""
    assert folder() == tmp_path / "cache" / "tinygrad_edu" / "c"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))

    assert folder() == tmp_path / ".cache" / "tinygrad_edu" / "c"
    assert stat.S_IMODE(folder().stat().st_mode) == 0o700


def test_a_cache_that_was_deleted_is_made_anew(cache_folder):
    """Also while a process uses it."""
    library(SEVEN)
    shutil.rmtree(cache_folder.parent)

    assert seven(library(SEVEN)) == 7.0
    assert len(libraries(cache_folder)) == 1


def test_old_libraries_go_where_there_are_many(cache_folder, monkeypatch):
    """Those that nobody has used for an hour; the others stay."""
    monkeypatch.setattr(c_library, "KEPT", 3)
    for n in range(5):
        library(SEVEN + "\n" * n)
    old = libraries(cache_folder)[:3]
    for path in old:
        os.utime(path, (0, 0))

    tidy(cache_folder)

    assert len(libraries(cache_folder)) == 2
    assert not any(path.exists() for path in old)


def test_a_library_that_is_used_is_young(cache_folder):
    """So that it stays."""
    library(SEVEN)
    (path,) = libraries(cache_folder)
    os.utime(path, (0, 0))

    library(SEVEN)

    assert path.stat().st_mtime > 0


def test_without_a_compiler_the_extra_is_named(tmp_path, monkeypatch):
    """Nothing on PATH, and no ziglang."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(c_library.importlib.util, "find_spec", lambda name: None)
    c_library.compiler.cache_clear()

    with pytest.raises(MissingExtraError, match="none of cc, gcc, clang is on PATH") as caught:
        library(SEVEN)

    assert 'pip install "tinygrad_edu[c]"' in str(caught.value)


@pytest.mark.skipif(find_spec("ziglang") is None, reason="ziglang is not installed")
def test_ziglang_is_a_compiler_where_there_is_no_other(tmp_path, monkeypatch):
    """Also where there is no home, in which zig wants to keep files; the numbers are the same."""
    right = network(6, target="numpy")
    (tmp_path / "file").write_text("")
    for name, value in {"HOME": "file/home", "XDG_CACHE_HOME": "file/cache", "PATH": "bin"}.items():
        monkeypatch.setenv(name, str(tmp_path / value))
    c_library.compiler.cache_clear()

    program = network(6, target="c")
    program.vector = right.vector

    for mine, other in zip(results(program, ROWS), results(right, ROWS), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-12, atol=1e-15)
    assert c_library.compiler()[1:] == ("-m", "ziglang", "cc")


@pytest.mark.parametrize(
    ("does", "said"),
    [
        ("print('warning: x\\nstep.c:1: error: no\\nerror: more', file=sys.stderr)\n", "step.c:1"),
        ("print('what is that?', file=sys.stderr)", "what is that"),
        ("sys.stderr.buffer.write(b'\\xff\\xfe error')", "error"),
        ("", "it ended with 3"),
    ],
)
def test_a_compiler_that_fails_is_told(does, said, cache_folder, tmp_path, monkeypatch):
    """With the first line that has an error, and another target as a way out."""
    monkeypatch.setenv("PATH", str(compiler_that(f"{does}\nsys.exit(3)", tmp_path).parent))
    c_library.compiler.cache_clear()

    with pytest.raises(MissingExtraError, match=f"the C compiler .*cc failed: .*{said}") as caught:
        compile_graph(Value(2.0) * 3.0, target="c")

    assert 'target="numpy"' in str(caught.value)
    assert names_in(cache_folder) == []


def test_a_compiler_that_can_not_be_started_is_told(tmp_path, monkeypatch):
    """For example one for another processor."""
    (tmp_path / "cc").write_bytes(b"\x7fELF spoilt")
    (tmp_path / "cc").chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    c_library.compiler.cache_clear()

    with pytest.raises(MissingExtraError, match=r"failed: .*Exec format error"):
        library(SEVEN)


def test_what_can_not_be_loaded_is_told(tmp_path, monkeypatch):
    """A compiler that makes something else, or a disk that programs may not run from."""
    does = "open(sys.argv[sys.argv.index('-o') + 1], 'w').write('text' * 99)"
    monkeypatch.setenv("PATH", str(compiler_that(does, tmp_path).parent))
    c_library.compiler.cache_clear()

    with pytest.raises(MissingExtraError, match=r"can not be loaded: .*invalid ELF header"):
        library(SEVEN)


def loaded_libraries():
    """How many parts of libraries of ours are in the memory of this process."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    return len([line for line in lines if "tinygrad_edu" in line and line.endswith(".so")])


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="nothing tells what is loaded")
def test_a_library_is_closed_when_its_program_dies(cache_folder):
    """Without the collector: neither program nor library is in a circle."""
    before = loaded_libraries()
    gc.disable()
    try:
        program = network(7, target="c")
        program.backward(ROWS)
        assert loaded_libraries() > before
        run = program.backend.passes

        del program
        assert loaded_libraries() > before  # a function holds it
        del run
        assert loaded_libraries() == before
    finally:
        gc.enable()


def test_a_text_that_is_long_is_optimized_less(calls, monkeypatch):
    """Since that would take minutes."""
    library(SEVEN)
    monkeypatch.setattr(c_library, "LONG", 10)

    assert seven(library(SEVEN)) == 7.0
    assert ["-O2" in call for call in calls] == [True, False]


def test_the_flags_are_told_to_keep_what_ieee_754_says():
    """None of those that take nan, infinities, zeros or the order of a sum for something else."""
    flags = {*c_library.EXACT, *c_library.FAST, *c_library.QUICK, *STRICT}

    loose = ("fast-math", "finite-math", "associative", "reciprocal", "signed-zeros", "unsafe")
    assert not [flag for flag in flags if any(word in flag for word in loose) or "Ofast" in flag]
