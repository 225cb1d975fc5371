"""The recipes tell the truth: their programs are run, and print what the pages show."""

import configparser
import re
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from docs.pages import PAGES

ROOT = Path(__file__).parents[2]
RECIPES = ROOT / "docs" / "recipes"
PATIENCE = 300  # seconds for one program, on a machine that does other things, too
AWAY = "tcp://10.0.0.1:8786"  # the scheduler's address on the page of Dask


def blocks(page: str, language: str) -> list[str]:
    """Return the code blocks of a page that are marked with a language."""
    text = (RECIPES / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def python(folder: Path, source: str, *arguments: str) -> subprocess.Popen[str]:
    """Start a program of a page, saved under the name that the page gives it."""
    (folder / "search.py").write_text(source, encoding="utf-8")
    command = [sys.executable, "search.py", *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=folder, stdout=pipe, stderr=pipe, text=True)


def printed(program: subprocess.Popen[str]) -> str:
    """Return what a program printed, once it has ended well."""
    out, errors = program.communicate(timeout=PATIENCE)
    assert program.returncode == 0, errors
    return out


def test_index_and_site_have_every_recipe():
    """One row in the table of the index; a page that docs/pages.py does not name is left out."""
    index = (RECIPES / "README.md").read_text(encoding="utf-8")
    recipes = {page.name for page in RECIPES.glob("*.md")}

    assert sorted(re.findall(r"\]\((\w+\.md)\)", index)) == sorted(recipes - {"README.md"})
    assert {Path(page).name for page in PAGES if page.startswith("docs/recipes/")} == recipes


@pytest.mark.parametrize(
    "page",
    [
        "train.md",
        "freeze.md",
        "weights.md",
        "diagnose.md",
        "programs.md",
        "grid_search.md",
        "dask.md",
        "optuna.md",
    ],
)
def test_what_a_page_installs_is_what_the_tests_install(page):
    """The versions that a page asks for are allowed by the extra ``test``."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    tested = setup["options.extras_require"]["test"].split()
    (command, *_) = [block for block in blocks(page, "sh") if block.startswith("pip install")]

    asked = [name.strip('"') for name in command.split()[2:]]

    assert asked.pop(0) == "tinygrad_edu[demo,sklearn]"
    assert all(any(known.startswith(name) for known in tested) for name in asked)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "programs", "runs", "plots"),
    [
        ("train.md", 2, 2, 0),  # started again, it goes on from its checkpoint, which is at its end
        ("freeze.md", 1, 1, 0),
        ("weights.md", 2, 1, 0),
        ("programs.md", 1, 1, 0),
        ("grid_search.md", 4, 1, 0),
        ("diagnose.md", 4, 1, 4),
    ],
)
def test_a_page_prints_what_it_shows(tmp_path, page, programs, runs, plots):
    """All its programs, one after the other as a reader pastes them; some leave plots."""
    sources, shown = blocks(page, "python"), blocks(page, "text")

    assert len(sources) == len(shown) == programs
    for _ in range(runs):
        assert printed(python(tmp_path, "\n".join(sources))) == "".join(shown)
    assert len(list(tmp_path.glob("*.png"))) == plots


@pytest.mark.slow
def test_a_search_with_dask_prints_what_its_page_shows(tmp_path):
    """On a cluster of two worker processes on this machine."""
    program, shown = blocks("dask.md", "python")[0], blocks("dask.md", "text")

    assert "LocalCluster(n_workers=2, threads_per_worker=1)" in program
    assert [printed(python(tmp_path, program))] == shown


@pytest.mark.slow
def test_a_search_runs_on_workers_that_were_started_by_hand(tmp_path):
    """The commands of the page, each in a process of its own; every worker trains networks."""
    distributed = pytest.importorskip("dask.distributed")
    program, with_address = blocks("dask.md", "python")
    scheduler, *workers = blocks("dask.md", "sh")[1].splitlines()
    told = tmp_path / "scheduler.json"
    scheduler = scheduler.replace("--port 8786", f"--port 0 --scheduler-file {told}")
    alone = " --no-dashboard"  # its port may be taken by another test

    with ExitStack() as running:
        start(running, scheduler + alone, tmp_path)
        for worker in workers:
            start(running, worker.replace(AWAY, f"--scheduler-file {told}") + alone, tmp_path)
        client = running.enter_context(distributed.Client(scheduler_file=told, timeout=PATIENCE))
        client.wait_for_workers(len(workers), timeout=PATIENCE)
        client.get_task_stream()  # from now on the scheduler notes who ran what
        address = with_address.replace(AWAY, client.scheduler.address)
        program = re.sub(r"^    with LocalCluster.*\n", address, program, flags=re.MULTILINE)
        out = printed(python(tmp_path, program))
        trained = {task["worker"] for task in client.get_task_stream(count=1000)}

    assert [out] == blocks("dask.md", "text")
    assert len(trained) == len(workers) == 2


def start(running: ExitStack, command: str, folder: Path) -> None:
    """Run a ``dask`` command of this environment until the end of a ``with`` block."""
    program, *arguments = command.split()
    process = subprocess.Popen(
        [sys.executable, "-m", program, *arguments], cwd=folder, stderr=subprocess.DEVNULL
    )
    running.callback(process.wait, PATIENCE)
    running.callback(process.terminate)


def trials(folder: Path) -> dict[int, tuple[str, float | None]]:
    """Return the state and the value of each trial in the store, by its number."""
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    store = f"sqlite:///{folder / 'search.db'}"
    study = optuna.load_study(study_name="breast cancer", storage=store)
    return {trial.number: (trial.state.name, trial.value) for trial in study.trials}


def ended(folder: Path) -> dict[int, tuple[str, float | None]]:
    """Return the trials in the store that are not running, or were not when they were killed."""
    return {n: trial for n, trial in trials(folder).items() if trial[0] != "RUNNING"}


@pytest.mark.slow
def test_a_search_with_a_store_prints_what_its_page_shows(tmp_path):
    """At first, when everything is done, and when the results are read."""
    program, read = blocks("optuna.md", "python")
    first, again, results = blocks("optuna.md", "text")

    assert printed(python(tmp_path, program)) == first
    assert printed(python(tmp_path, program)) == again
    assert printed(python(tmp_path, read)) == results
    assert {state for state, _ in trials(tmp_path).values()} == {"COMPLETE", "PRUNED"}


@pytest.mark.slow
def test_a_search_goes_on_after_a_kill(tmp_path):
    """No trial that ended is lost or run again; the one that was killed is replaced."""
    program = blocks("optuna.md", "python")[0]
    killed = python(tmp_path, program)
    lines = iter(killed.stderr.readline, "")  # Optuna says when a trial has ended
    for line in lines:
        if "Trial 2 " in line:
            break
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    before = ended(tmp_path)

    out = printed(python(tmp_path, program))

    shown = blocks("optuna.md", "console")[0].split("$ python search.py\n")[1]
    numbers = re.compile(r"^\d+ of|\d\.\d\d", re.MULTILINE)
    assert out.startswith(f"{len(before)} of 20 runs ended before\n")
    assert numbers.sub("#", out) == numbers.sub("#", shown)
    assert before.items() <= trials(tmp_path).items()
    assert 3 <= len(before) < len(ended(tmp_path)) == 20


@pytest.mark.slow
def test_two_processes_share_a_search(tmp_path):
    """The command of the page: both train, and both end when there are enough trials."""
    program, command = blocks("optuna.md", "python")[0], blocks("optuna.md", "sh")[1]
    workers = re.findall(r"python search\.py (\d)", command)
    first = python(tmp_path, program.replace("TRIALS = 20", "TRIALS = 1"))
    printed(first)
    program = program.replace("TRIALS = 20", "TRIALS = 12")

    both = [python(tmp_path, program, worker) for worker in workers]
    said = [process.communicate(timeout=PATIENCE)[1].count("Trial") for process in both]

    assert [process.returncode for process in both] == [0, 0]
    assert len(both) == 2
    assert all(said)
    assert 12 <= len(ended(tmp_path)) <= 13
    assert sum(said) + 1 == len(ended(tmp_path))
