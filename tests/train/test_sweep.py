"""Sweeps: every trial once, whatever happens to the process, the file or the trial."""

import csv
import io
import json
import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing
from fractions import Fraction
from functools import partial
from math import inf, isnan, nan
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_edu
from tinygrad_edu import Value
from tinygrad_edu.engine.errors import FileError, MissingExtraError, SettingError
from tinygrad_edu.train.sweeps.run import sweep
from tinygrad_edu.train.sweeps.store import SHOWN, SweepFile, SweepResults, Trial, read_sweep

PACKAGE = str(Path(tinygrad_edu.__file__).parents[1])
THIRTY = {"x": list(range(30))}
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip


class AtOnce:
    """An executor that runs each call when it is submitted."""

    def submit(self, function, *arguments):
        """As a real one."""
        future = Future()
        future.set_running_or_notify_cancel()
        future.set_result(function(*arguments))
        return future


def run(trial, grid, **options):
    """A sweep in this thread, without a bar."""
    return sweep(trial, grid, **{"executor": AtOnce(), "progress": False} | options)


class Counted:
    """A trial that remembers its calls, and fails where it is told to."""

    __module__ = "tests"

    def __init__(self, fail=()):
        self.calls, self.fail, self.__qualname__ = [], fail, "counted"

    def __call__(self, **settings):
        """Fail or answer."""
        self.calls.append(settings)
        if settings.get("x") in self.fail:
            raise ValueError(f"x is {settings['x']}")
        return {"loss": float(settings.get("x", 0)) ** 2}


def square(x):
    """Found by processes under its name."""
    return x * x


def process(x):
    """Which process runs it."""
    return os.getpid()


def meet(folder, x, others):
    """Which process runs it, once as many as asked for run at the same time, or after a minute."""
    (Path(folder) / f"{x}.here").touch()
    end = time.monotonic() + 60
    while len(os.listdir(folder)) < others and time.monotonic() < end:
        time.sleep(0.001)
    return os.getpid()


def die_at_three(x):
    """A crash without an exception, while others run."""
    time.sleep({2: 0.3, 3: 0.1, 4: 0.3}.get(x, 0.0))
    if x == 3:
        os._exit(1)
    return x


def interrupted(x):
    """A trial that Ctrl-C reaches, too."""
    signal.raise_signal(signal.SIGINT)
    return x


def rows_in(path):
    """The rows of a file as SQLite has them, on a connection of our own."""
    with closing(sqlite3.connect(path)) as file:
        return file.execute("SELECT settings, results, error FROM trials").fetchall()


# --- the grid ---


def test_all_combinations_are_tried_the_last_name_fastest():
    """In the order of the grid, names in its order too."""
    results = run(lambda b, a: 10 * b + a, {"b": [2, 1], "a": [3, 4, 5]})

    assert [list(row.settings.items()) for row in results] == [
        [("b", b), ("a", a)] for b in (2, 1) for a in (3, 4, 5)
    ]
    assert [row.results for row in results] == [{"result": n} for n in (23, 24, 25, 13, 14, 15)]


def test_settings_may_be_listed_one_by_one():
    """Any iterable of dicts, with different names if the trial takes them."""
    results = run(lambda x, y=1: x * y, iter([{"x": 1}, {"x": 2, "y": 5}]))

    assert [row.results["result"] for row in results] == [1, 10]


def test_the_table_has_the_order_of_the_grid_not_of_the_clock():
    """Though the last trial ends first."""
    turns = [threading.Event() for _ in range(4)] + [threading.Event()]
    turns[4].set()

    def trial(x):
        turns[x + 1].wait(10)
        turns[x].set()
        return x

    with ThreadPoolExecutor(4) as threads:
        results = sweep(trial, {"x": [0, 1, 2, 3]}, executor=threads, progress=False)

    assert [row.results["result"] for row in results] == [0, 1, 2, 3]


@settings(max_examples=50)
@given(JSON_VALUES)
def test_whatever_json_keeps_reaches_the_trial(value):
    """Equal, and of the same type, at every depth."""
    got = []

    run(lambda x: got.append(x) or 0, {"x": [value]})

    assert repr(got) == repr([value])


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ({}, "the grid is empty"),
        ([], "the grid is empty"),
        (None, "grid is None"),
        ("x", "grid is 'x'"),
        ({"x": []}, r"the values of x in the grid are \[\]"),
        ({"x": 0.1}, "the values of x in the grid are 0.1"),
        ({"x": "relu"}, "the values of x in the grid are 'relu'"),
        ({"x": {1, 2}}, "the values of x in the grid are {1, 2}"),
        ([{"x": 1}, 2], "the settings 1 of the grid are 2"),
        ({3: [1]}, "the settings 0 of the grid are {3: 1}"),
        ({"x": [1, 2, 1]}, "the settings 0 and 2 of the grid are the same"),
        ([{"x": 1, "y": 2}, {"y": 2, "x": 1}], "the settings 0 and 1 of the grid are the same"),
        ({"x": [nan]}, "the setting x = nan can't be kept as JSON"),
        ({"x": [1, inf]}, "the setting x = inf can't be kept as JSON"),
        ({"x": [(1, 2)]}, r"the setting x = \(1, 2\) can't be kept as JSON"),
        ({"x": [{1: 2}]}, "the setting x = {1: 2} can't be kept as JSON"),
        ({"x": [Value(1.0)]}, "the setting x = Value.* can't be kept as JSON"),
        ({"x": np.arange(2)}, "the setting x = .*0.* can't be kept as JSON"),
        ({"x": [square]}, "the setting x = <function square .* can't be kept as JSON"),
    ],
)
def test_a_grid_that_is_none_is_refused_before_work_starts(grid, message):
    """With the name and the value, and no trial run."""
    trial = Counted()

    with pytest.raises(SettingError, match=message):
        run(trial, grid)

    assert trial.calls == []


def test_one_and_one_point_nought_and_true_are_three_settings():
    """JSON tells them apart."""
    results = run(lambda x: 0, {"x": [1, 1.0, True]})

    assert [repr(row.settings["x"]) for row in results] == ["1", "1.0", "True"]


def test_settings_that_the_trial_does_not_take_are_refused_before_work_starts():
    """All of them are tried against its signature, not the first alone."""
    calls = []

    with pytest.raises(SettingError, match=r"can't be called with {'x': 1, 'typo': 2}"):
        run(lambda x, y=0: calls.append(x), [{"x": 1}, {"x": 1, "typo": 2}])

    assert calls == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trial": 3}, "trial is 3"),
        ({"executor": 4}, "executor is 4"),
        ({"trial": lambda x: x, "database": "never.db"}, "by the name None"),
        ({"trial": partial(square), "database": "never.db"}, "by the name None"),
        ({"name": "", "database": "never.db"}, "by the name ''"),
    ],
)
def test_other_settings_are_refused_before_work_starts(options, message, tmp_path, monkeypatch):
    """And no file is made."""
    monkeypatch.chdir(tmp_path)

    with pytest.raises(SettingError, match=message):
        run(**{"trial": square, "grid": {"x": [1]}} | options)

    assert os.listdir(tmp_path) == []


# --- what trials give ---


@pytest.mark.parametrize(
    ("returned", "kept"),
    [
        (2, {"result": 2}),
        (2.5, {"result": 2.5}),
        (True, {"result": 1.0}),
        (np.float32(0.5), {"result": 0.5}),
        (np.array(0.25), {"result": 0.25}),
        (np.int64(7), {"result": 7}),
        (Fraction(1, 4), {"result": 0.25}),
        (2**70, {"result": 2.0**70}),
        ({"loss": 1.5, "right": np.int64(3)}, {"loss": 1.5, "right": 3}),
        ({"loss": inf}, {"loss": inf}),
    ],
)
def test_numbers_of_any_make_are_kept_as_pythons_own(returned, kept, tmp_path):
    """In the table and in the file."""
    results = run(lambda x: returned, {"x": [1]}, database=tmp_path / "a.db", name="numbers")

    for row in (results[0], read_sweep(tmp_path / "a.db")[0]):
        assert row.results == kept
        assert {type(number) for number in row.results.values()} <= {int, float}
        assert row.error == ""


def test_nan_is_kept():
    """A training that diverged is no failed trial, and never the best."""
    results = run(lambda x: nan if x < 2 else x, {"x": [0, 1, 2, 3]})

    assert isnan(results[0].results["result"])
    assert results.best("result").settings == {"x": 2}


@pytest.mark.parametrize(
    "returned", [None, "1", b"1", {}, {3: 1.0}, {"a": "b"}, [1.0], 1j, Value(1.0), 10**400]
)
def test_a_trial_that_returns_no_number_has_failed(returned):
    """Its error says what it returned."""
    results = run(lambda x: returned if x else 1.0, {"x": [1, 0]})

    assert results[0].results == {}
    assert "Error: " in results[0].error.splitlines()[0]
    assert results[1].results == {"result": 1.0}


def test_a_failed_trial_is_kept_with_its_error_and_stops_no_other():
    """Type, message, and the line it was raised on."""
    results = run(Counted(fail=(1,)), {"x": [0, 1, 2]})

    assert [row.results for row in results] == [{"loss": 0.0}, {}, {"loss": 4.0}]
    (failed,) = results.failed
    assert failed.settings == {"x": 1}
    assert failed.error.startswith("ValueError: x is 1\n")
    assert failed.error.endswith("""raise ValueError(f"x is {settings['x']}")""")
    assert f"sweeps{os.sep}run.py" not in failed.error


def test_an_error_is_kept_whatever_it_says(tmp_path):
    """Line breaks, lone surrogates, markup, and a str() that fails itself."""

    class Mute(Exception):
        def __str__(self):
            raise RuntimeError

    errors = [ValueError("a\nb"), ValueError("\ud800"), ValueError("<b>"), Mute(), SystemExit(3)]
    errors += [SettingError("of ours"), ValueError("long" * 10**6)]

    def trial(x):
        raise errors[x]

    results = run(trial, {"x": list(range(7))}, database=tmp_path / "a.db")

    assert [row.error for row in read_sweep(tmp_path / "a.db")] == [row.error for row in results]
    first = [row.error.splitlines()[0] for row in results]
    assert first[:3] == ["ValueError: a", "ValueError: \\ud800", "ValueError: <b>"]
    assert first[4] == "SystemExit: 3"
    assert "Mute" in first[3]
    assert first[5] == "SettingError: of ours"
    assert 1000 < len(results[6].error) < 5000


# --- where trials run ---


@pytest.fixture
def one_core():
    """A process that may use one core, whatever the machine has."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    yield
    os.sched_setaffinity(0, allowed)


def test_by_default_trials_run_in_processes(tmp_path):
    """Not in this one, at the same time on as many as there are cores; none is left over."""
    cores = len(os.sched_getaffinity(0))
    grid = {"folder": [str(tmp_path)], "x": list(range(cores)), "others": [cores]}

    results = sweep(meet, grid, progress=False)

    pids = {row.results["result"] for row in results}
    assert os.getpid() not in pids
    assert len(pids) == cores
    assert multiprocessing.active_children() == []


@pytest.mark.usefixtures("one_core")
def test_no_more_processes_than_cores_may_be_used():
    """By the affinity of this process, not by the number of cores in the machine."""
    results = sweep(process, {"x": list(range(4))}, progress=False)

    assert len({row.results["result"] for row in results}) == 1


def test_processes_start_beside_threads_without_a_warning():
    """Where processes are forked, Python 3.12 warns; warnings are errors in these tests."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(square, 1).result()

        results = sweep(square, {"x": [2]}, progress=False)

    assert results[0].results == {"result": 4}


@pytest.mark.parametrize("executor", [None, ProcessPoolExecutor])
def test_a_trial_that_no_process_can_import_is_refused(executor):
    """With the two ways out; pickle's own words are in the first line."""
    with pytest.raises(SettingError, match=r"(?s)can't be run in another process.*ThreadPool"):
        sweep(lambda x: x, {"x": [1]}, executor=executor and executor(1), progress=False)


def test_a_trial_that_kills_its_process_is_found_and_stops_no_other():
    """Those that ran beside it are run again."""
    results = sweep(die_at_three, {"x": list(range(8))}, progress=False)

    assert [row.settings["x"] for row in results.failed] == [3]
    assert "died" in results[3].error
    assert [row.results.get("result") for row in results] == [0, 1, 2, None, 4, 5, 6, 7]


def test_ctrl_c_is_the_business_of_the_parent():
    """A trial does not notice it, and so can't end early with half a result."""
    results = sweep(interrupted, {"x": [1, 2]}, progress=False)

    assert [row.results for row in results] == [{"result": 1}, {"result": 2}]


def test_an_executor_that_breaks_down_is_said_to(tmp_path):
    """What has ended is kept; a trial is not called failed for having been near."""
    filled = SweepResults()

    with (
        ProcessPoolExecutor(1) as processes,
        pytest.raises(SettingError, match="the executor broke down with"),
    ):
        sweep(
            die_at_three, {"x": list(range(8))}, executor=processes, database=tmp_path / "a.db",
            progress=False, results=filled,
        )  # fmt: skip

    assert {row.settings["x"] for row in filled} <= {0, 1, 2}
    assert len(read_sweep(tmp_path / "a.db")) == len(filled)
    assert len(filled.failed) == 0


def test_a_sweep_leaves_a_given_executor_running():
    """It is the caller's to shut down."""
    with ThreadPoolExecutor(2) as threads:
        sweep(square, {"x": [1, 2]}, executor=threads, progress=False)

        assert threads.submit(square, 3).result() == 9


def test_dask_runs_a_sweep():
    """On the real scheduler, with a worker process; failures come home as from anywhere."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        distributed = pytest.importorskip("distributed", reason="needs dask[distributed]")
        cluster = distributed.LocalCluster(
            n_workers=1, threads_per_worker=2, processes=True, dashboard_address=None,
            silence_logs=50,
        )  # fmt: skip
        with cluster, distributed.Client(cluster) as client, client.get_executor() as executor:

            def trial(x):
                if x == 2:
                    raise ValueError(f"x is {x}")
                return {"pid": os.getpid(), "loss": x * x}

            results = sweep(trial, {"x": [1, 2, 3]}, executor=executor, progress=False)

    assert [row.results.get("loss") for row in results] == [1, None, 9]
    assert results[1].error.startswith("ValueError: x is 2\n")
    assert results[0].results["pid"] != os.getpid()


# --- the file ---


def test_what_has_ended_is_not_run_again(tmp_path):
    """Neither what went well nor what failed: the table is the same."""
    first, again = Counted(fail=(1,)), Counted()

    before = run(first, {"x": [0, 1, 2]}, database=tmp_path / "a.db")
    after = run(again, {"x": [0, 1, 2]}, database=tmp_path / "a.db")

    assert len(first.calls) == 3
    assert again.calls == []
    assert list(after) == list(before)


def test_failed_trials_are_run_again_if_asked_for(tmp_path):
    """And these alone; the file then has the new outcome."""
    run(Counted(fail=(1, 2)), {"x": [0, 1, 2]}, database=tmp_path / "a.db")
    again = Counted(fail=(2,))

    results = run(again, {"x": [0, 1, 2]}, database=tmp_path / "a.db", retry_failed=True)

    assert again.calls == [{"x": 1}, {"x": 2}]
    assert [row.settings["x"] for row in results.failed] == [2]
    assert sorted(read_sweep(tmp_path / "a.db"), key=lambda row: row.settings["x"]) == list(results)


def test_another_grid_extends_the_file(tmp_path):
    """What both have is not run again; what only the first had stays in the file."""
    run(Counted(), {"x": [0, 1], "y": [1]}, database=tmp_path / "a.db")
    second = Counted()

    results = run(second, {"y": [1], "x": [1, 2]}, database=tmp_path / "a.db")

    assert second.calls == [{"x": 2, "y": 1}]
    assert [list(row.settings.items()) for row in results] == [
        [("y", 1), ("x", 1)],
        [("y", 1), ("x", 2)],
    ]
    assert [row.settings["x"] for row in read_sweep(tmp_path / "a.db")] == [0, 1, 2]


def test_the_file_of_another_trial_is_refused(tmp_path):
    """By both names, before anything runs; ``name`` says that it is the same after all."""
    run(Counted(), {"x": [0]}, database=tmp_path / "a.db")

    with pytest.raises(
        FileError, match=r"has the results of tests\.counted, not of tests\.train\.test_sweep\."
    ):
        run(square, {"x": [1]}, database=tmp_path / "a.db")

    results = run(square, {"x": [0, 1]}, database=tmp_path / "a.db", name="tests.counted")
    assert [row.results for row in results] == [{"loss": 0.0}, {"result": 1}]


def test_the_file_is_json(tmp_path):
    """Settings, results and errors, in SQLite; nan too; nothing is pickled."""
    run(
        lambda x: {"a": nan, "b": inf, "c": -inf, "d": 1e-300} if x else 1 / 0,
        {"x": [1, 0]}, database=tmp_path / "a.db", name="json",
    )  # fmt: skip

    (settings, results, error), (_, _, failure) = rows_in(tmp_path / "a.db")
    assert json.loads(settings) == {"x": 1}
    assert json.loads(results) == {"a": "nan", "b": "inf", "c": "-inf", "d": 1e-300}
    assert json.loads(error) == ""
    assert json.loads(failure).startswith("ZeroDivisionError")
    read = read_sweep(tmp_path / "a.db")[0].results
    assert repr(read) == "{'a': nan, 'b': inf, 'c': -inf, 'd': 1e-300}"


def test_each_trial_is_on_the_disk_before_the_next_starts(tmp_path):
    """Seen by another connection from inside the trials."""

    def trial(x):
        return len(rows_in(tmp_path / "a.db"))

    results = run(trial, {"x": list(range(5))}, database=tmp_path / "a.db")

    assert [row.results["result"] for row in results] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("content", [b"no database at all", b"SQLite format 3\x00" + bytes(500)])
def test_a_file_that_is_no_database_is_refused(content, tmp_path):
    """In words, by both functions, and left as it is."""
    (tmp_path / "a.db").write_bytes(content)

    with pytest.raises(FileError, match=r"a\.db can't be used as the file of a sweep"):
        run(square, {"x": [1]}, database=tmp_path / "a.db")
    with pytest.raises(FileError, match=r"a\.db can't be used as the file of a sweep"):
        read_sweep(tmp_path / "a.db")

    assert (tmp_path / "a.db").read_bytes() == content


def test_a_database_of_something_else_is_refused(tmp_path):
    """Also if it has a table of the same name."""
    with closing(sqlite3.connect(tmp_path / "a.db")) as file:
        file.execute("CREATE TABLE trials (settings, trial, results, error, seconds, digest)")
        file.commit()

    with pytest.raises(FileError, match="it was not written by a sweep"):
        run(square, {"x": [1]}, database=tmp_path / "a.db")


def test_a_file_that_cannot_be_made_is_refused_before_work_starts(tmp_path):
    """A folder that is not there, or a folder in its place."""
    trial = Counted()

    for path in (tmp_path / "missing" / "a.db", tmp_path):
        with pytest.raises(FileError, match="unable to open database file"):
            run(trial, {"x": [1]}, database=path)
    with pytest.raises(FileError, match="unable to open database file"):
        read_sweep(tmp_path / "missing.db")

    assert trial.calls == []
    assert os.listdir(tmp_path) == []


def test_no_damage_to_the_file_goes_unnoticed(tmp_path):
    """A byte changed or the end cut off: an error in words, or the same rows, or some of them."""
    path = tmp_path / "a.db"
    before = run(Counted(fail=(2,)), {"x": list(range(6))}, database=path)
    whole = path.read_bytes()
    damaged = [whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :]
               for at in range(0, len(whole), 31)]  # fmt: skip
    refused = 0

    for content in [*damaged, *(whole[:at] for at in range(0, len(whole), 1023))]:
        path.write_bytes(content)
        try:
            rows = list(read_sweep(path))
        except FileError:
            refused += 1
        else:
            assert all(row in list(before) for row in rows)

    assert refused > 50


def test_a_number_changed_by_hand_is_noticed(tmp_path):
    """Sound SQLite and sound JSON are not enough."""
    run(Counted(), {"x": [3]}, database=tmp_path / "a.db")
    with closing(sqlite3.connect(tmp_path / "a.db")) as file:
        file.execute("UPDATE trials SET results = '{\"loss\": 0.1}'")
        file.commit()

    with pytest.raises(FileError, match=r"a row is not as it was written: '{\"x\": 3}'"):
        read_sweep(tmp_path / "a.db")


# --- interruptions ---

SCRIPT = """
import pathlib, sys, time
from tinygrad_edu.train.sweeps.run import sweep

folder = pathlib.Path(sys.argv[1])
pause = float(sys.argv[2])

def trial(x):
    with (folder / f"{x}.started").open("a") as file:
        file.write("s")
    time.sleep(pause)
    return {"loss": x * x}

if __name__ == "__main__":
    try:
        sweep(trial, {"x": list(range(30))}, database=folder / "a.db", progress=False)
    except KeyboardInterrupt:
        print("interrupted")
"""


def start(folder, pause):
    """The script, in a process group of its own."""
    (folder / "script.py").write_text(SCRIPT)
    return subprocess.Popen(
        [sys.executable, folder / "script.py", folder, str(pause)],
        env=os.environ | {"PYTHONPATH": PACKAGE}, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def wait_for(condition):
    """Until it is so, a minute at most."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def ended_in(folder):
    """How many trials the file has."""
    try:
        return len(rows_in(folder / "a.db"))
    except sqlite3.Error:
        return 0


def nobody_left(group):
    """Whether no process of the group runs."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


def starts(folder):
    """How often each trial was started."""
    return {int(f.stem): len(f.read_text()) for f in folder.glob("*.started")}


def test_kill_9_loses_the_running_trials_alone(tmp_path):
    """What had ended is in the file and is not run again; no worker outlives its parent."""
    job = start(tmp_path, 0.2)
    wait_for(lambda: ended_in(tmp_path) >= 5)
    job.kill()
    job.communicate()
    wait_for(lambda: nobody_left(job.pid))

    kept = {row.settings["x"] for row in read_sweep(tmp_path / "a.db")}
    lost = set(starts(tmp_path)) - kept
    assert 5 <= len(kept) < 30
    assert len(lost) <= len(os.sched_getaffinity(0))

    out, err = start(tmp_path, 0.0).communicate(timeout=60)

    assert (out, err) == ("", "")
    assert len(read_sweep(tmp_path / "a.db")) == 30
    assert starts(tmp_path) == {x: 1 + (x in lost) for x in range(30)}


def test_two_sweeps_may_share_a_file(tmp_path):
    """Started at once, both make it, write to it, and end well."""
    jobs = [start(tmp_path, 0.005) for _ in range(2)]

    outputs = [job.communicate(timeout=60) for job in jobs]

    assert outputs == [("", "")] * 2
    assert len(read_sweep(tmp_path / "a.db")) == 30


def test_a_file_that_another_sweep_is_just_making_is_waited_for(tmp_path):
    """Not made a second time."""
    made, late = SweepFile(tmp_path / "made.db", "t"), SweepFile(tmp_path / "late.db", "t")
    made.open()
    with closing(sqlite3.connect(made.path)) as file:
        (table,) = file.execute("SELECT sql FROM sqlite_master WHERE sql NOT NULL").fetchone()
    with (
        closing(sqlite3.connect(late.path, isolation_level=None)) as other,
        ThreadPoolExecutor(1) as thread,
    ):
        other.execute("BEGIN IMMEDIATE")
        opened = thread.submit(late.open)
        time.sleep(0.2)
        other.execute(table)
        other.execute("COMMIT")

        assert opened.result() is None


@pytest.mark.parametrize("whole_group", [True, False], ids=["terminal", "parent-only"])
def test_ctrl_c_ends_a_sweep_in_processes(whole_group, tmp_path):
    """At once and quietly, whoever gets the signal; what has ended is in the file."""
    job = start(tmp_path, 0.4)
    wait_for(lambda: ended_in(tmp_path) >= 3)
    (os.killpg if whole_group else os.kill)(job.pid, signal.SIGINT)
    begin = time.monotonic()
    out, err = job.communicate(timeout=60)

    assert (out, err) == ("interrupted\n", "")
    assert time.monotonic() - begin < 5
    assert 3 <= len(read_sweep(tmp_path / "a.db")) < 30
    wait_for(lambda: nobody_left(job.pid))


def test_ctrl_c_does_not_wait_for_long_trials(tmp_path):
    """Those that run in the default executor are ended."""
    job = start(tmp_path, 600)
    wait_for(lambda: list(tmp_path.glob("*.started")))
    job.send_signal(signal.SIGINT)

    out, err = job.communicate(timeout=30)

    assert (out, err) == ("interrupted\n", "")
    wait_for(lambda: nobody_left(job.pid))


def test_ctrl_c_cancels_what_has_not_started_and_keeps_what_has_ended(tmp_path):
    """With an executor of the caller's own: in the table, in the file, and raised on."""
    filled, calls, gate = SweepResults(), [], threading.Event()

    def trial(x):
        calls.append(x)
        if x == 3:
            signal.raise_signal(signal.SIGINT)
            gate.wait(10)
        return x

    with ThreadPoolExecutor(1) as thread:
        with pytest.raises(KeyboardInterrupt):
            sweep(
                trial, THIRTY, executor=thread, database=tmp_path / "a.db", progress=False,
                results=filled,
            )  # fmt: skip
        gate.set()

    assert [row.settings["x"] for row in filled] == [0, 1, 2]
    assert list(read_sweep(tmp_path / "a.db")) == list(filled)
    assert calls == [0, 1, 2, 3]


def test_a_disk_that_is_full_stops_the_sweep_and_says_so(tmp_path, monkeypatch):
    """The table has what ended; the file is as it was."""
    filled = SweepResults()
    run(Counted(), {"x": [0]}, database=tmp_path / "a.db")
    real = sqlite3.connect

    def connect(*arguments, **named):
        connection = real(*arguments, **named)
        connection.execute(f"PRAGMA max_page_count = {pages}")
        return connection

    pages = (tmp_path / "a.db").stat().st_size // 4096
    monkeypatch.setattr(sqlite3, "connect", connect)
    with pytest.raises(FileError, match="database or disk is full"):
        run(Counted(), {"x": list(range(200))}, database=tmp_path / "a.db", results=filled)

    assert 1 < len(filled) < 200
    assert len(read_sweep(tmp_path / "a.db")) == len(filled) - 1


def test_processes_that_are_spawned_run_a_script_under_its_guard(tmp_path):
    """Where forking is not the default, as on Windows and macOS."""
    spawn = "    import multiprocessing\n    multiprocessing.set_start_method('spawn')\n"
    code = SCRIPT.replace("    try:", spawn + "    try:")
    (tmp_path / "script.py").write_text(code)

    job = subprocess.run(
        [sys.executable, tmp_path / "script.py", tmp_path, "0"],
        env=os.environ | {"PYTHONPATH": PACKAGE}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (job.stdout, job.stderr, job.returncode) == ("", "", 0)
    assert len(read_sweep(tmp_path / "a.db")) == 30


def test_a_script_without_the_guard_is_told_so(tmp_path):
    """Where processes are spawned the first of them dies; no trial is called failed for it."""
    (tmp_path / "script.py").write_text(
        "import multiprocessing as m\n"
        "from tinygrad_edu.train.sweeps.run import sweep\n"
        "m.set_start_method('spawn', force=True)\n"
        "def trial(x): return x\n"
        "sweep(trial, {'x': [1, 2, 3]}, progress=False)\n"
    )

    job = subprocess.run(
        [sys.executable, tmp_path / "script.py"],
        env=os.environ | {"PYTHONPATH": PACKAGE}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert job.returncode == 1
    last = job.stderr[job.stderr.rindex("SettingError") :]
    assert "can't be run in another process: the first one that was started died" in last
    assert '`if __name__ == "__main__":`' in last


# --- the table ---

TABLE = SweepResults(
    [
        Trial({"lr": 0.1, "act": "relu"}, {"loss": 0.523456789, "epochs": 12}, seconds=1.5),
        Trial({"lr": 1.0, "act": "tanh"}, {"loss": 0.25, "epochs": 5}, seconds=0.25),
        Trial({"lr": 100.0, "act": "<b>"}, error="ValueError: a < b\n  File ..."),
        Trial({"lr": 10.0, "act": "sin"}, {"loss": nan, "epochs": 5}, seconds=0.25),
    ]
)


def test_the_table_is_aligned():
    """Numbers to the right, text to the left, the first line of an error."""
    assert repr(TABLE).splitlines() == [
        " lr  act     loss  epochs  seconds  error",
        "0.1  relu  0.5235      12      1.5",
        "  1  tanh    0.25       5     0.25",
        "100  <b>                         0  ValueError: a < b",
        " 10  sin      nan       5     0.25",
    ]


def test_the_table_of_a_notebook_has_text_never_markup():
    """The same cells, escaped."""
    page = TABLE._repr_html_()

    assert "<b>" not in page
    assert "&lt;b&gt;" in page
    assert "ValueError: a &lt; b" in page
    assert "4 trials, 1 failed" in page


def test_a_cell_is_one_printable_line():
    """Whatever a setting or an error is: no control characters, no end of its own."""
    table = SweepResults([Trial({"x": "\x1b[31m\trm\nsecond"}, error="E: " + 200 * "long ")])

    _, line = repr(table).splitlines()

    assert line.isprintable()
    assert len(line) < 100


def test_a_long_table_is_cut_in_the_middle():
    """And says how much is missing."""
    table = SweepResults([Trial({"x": x}, {"loss": 1.0}) for x in range(1000)])

    lines = repr(table).splitlines()

    assert len(lines) == SHOWN + 2
    assert f"… {1000 - SHOWN} more …" in repr(table)
    assert lines[-1].split()[0] == "999"


def test_an_empty_table_says_so():
    """And shows itself all the same."""
    assert repr(SweepResults()) == "SweepResults: no trial has ended"
    assert "0 trials" in SweepResults()._repr_html_()


def test_csv_keeps_all_digits(tmp_path):
    """Read back it is the rows, with each column named."""
    text = TABLE.to_csv(tmp_path / "a.csv")

    rows = list(csv.DictReader(io.StringIO(text)))
    assert (tmp_path / "a.csv").read_text() == text
    assert list(rows[0]) == ["lr", "act", "loss", "epochs", "seconds", "error"]
    assert float(rows[0]["loss"]) == 0.523456789
    assert rows[2] == {
        "lr": "100.0", "act": "<b>", "loss": "", "epochs": "", "seconds": "0.0",
        "error": "ValueError: a < b\n  File ...",
    }  # fmt: skip


def test_rows_as_dicts_tell_equal_names_apart():
    """A setting, a result and the sweep's own column may share a name."""
    table = SweepResults([Trial({"seconds": 3, "epochs": 9}, {"epochs": 7, "seconds": 2.0})])

    assert table.as_dicts() == [
        {
            "seconds": 3,
            "epochs": 9,
            "epochs (result)": 7,
            "seconds (result)": 2.0,
            "seconds (sweep)": 0.0,
        }
    ]


def test_best_is_the_smallest_or_the_largest():
    """The first of equals; failed trials and nan are passed over."""
    assert TABLE.best("loss").settings["act"] == "tanh"
    assert TABLE.best("loss", largest=True).settings["act"] == "relu"
    assert TABLE.best("epochs").settings["act"] == "tanh"


@pytest.mark.parametrize("table", [TABLE, SweepResults(), TABLE.failed])
def test_best_by_what_no_trial_has_is_refused(table):
    """With the names there are."""
    with pytest.raises(SettingError, match="no trial has a number as the result 'accuracy'"):
        table.best("accuracy")


def test_the_table_is_a_sequence():
    """Length, places from either end, slices, membership."""
    assert len(TABLE) == 4
    assert TABLE[-1].settings["act"] == "sin"
    assert isinstance(TABLE[1:3], SweepResults)
    assert [row.settings["act"] for row in TABLE[1:3]] == ["tanh", "<b>"]
    assert TABLE[0] in TABLE


# --- the bar ---


def test_the_bar_counts_trials_and_failures(capsys):
    """Where one is wanted."""
    run(Counted(fail=(1,)), {"x": [0, 1, 2]}, progress=True)

    assert "3/3" in (shown := capsys.readouterr().err)
    assert "1 failed" in shown


def test_a_bar_that_cannot_be_shown_is_refused(monkeypatch):
    """Where tqdm is missing, by the pip command; unasked there is none."""
    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)

    with pytest.raises(MissingExtraError, match="the progress bar needs tqdm"):
        run(square, {"x": [1]}, progress=True)


@pytest.mark.parametrize(
    ("database", "said"),
    [
        ("a\0b", "can't be the name of a file"),
        ("a\ud800b", "can't be the name of a file"),
        (3, "the path is 3"),
        (b"a", "the path is b'a'"),
    ],
)
def test_a_database_without_a_name_is_refused(database, said, tmp_path, monkeypatch):
    """Before anything runs; no file is made under a part of the name."""
    monkeypatch.chdir(tmp_path)
    trial = Counted()

    with pytest.raises((FileError, SettingError), match=said):
        run(trial, {"x": [1]}, database=database)
    with pytest.raises((FileError, SettingError), match=said):
        read_sweep(database)
    with pytest.raises((FileError, SettingError), match=said):
        run(trial, {"x": [1]}).to_csv(database)

    assert os.listdir(tmp_path) == []
