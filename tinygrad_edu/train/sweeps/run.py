"""Search over hyper-parameters: one function, many settings, as many at once as there are cores."""

from __future__ import annotations

import os
import signal
import traceback
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from importlib.util import find_spec
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from operator import index
from queue import SimpleQueue
from threading import Thread
from time import perf_counter
from typing import Any, TypeAlias

from tinygrad_edu.engine.errors import OperandError, SettingError
from tinygrad_edu.shared.arguments import extra
from tinygrad_edu.train.sweeps.grid import (
    Grid,
    check_trial,
    combinations,
    name_of,
    no_process,
    plain_settings,
)
from tinygrad_edu.train.sweeps.store import Settings, SweepFile, SweepResults, Trial, plain

Job: TypeAlias = "tuple[int, Settings]"  # the place in the grid, and what stands there
Keep: TypeAlias = Callable[[int, Trial], None]
FRAMES = 3  # of a traceback are kept
LONGEST = 2000  # characters of a message are kept


def sweep(
    trial: Callable[..., Any],
    grid: Grid,
    *,
    executor: Executor | None = None,
    database: str | os.PathLike[str] | None = None,
    name: str | None = None,
    retry_failed: bool = False,
    progress: bool | None = None,
    results: SweepResults | None = None,
) -> SweepResults:
    """Call ``trial(**settings)`` for each settings of a grid, several at once; collect what comes.

    A trial that fails is kept with its error and does not stop the others. With a database each
    trial that ends is on the disk at once: run the same call again, after Ctrl-C or a power cut,
    and only what is missing is run.

    Parameters
    ----------
    trial : function that returns a number (kept as ``result``) or a dict of numbers, for example
        ``{"validation_loss": ..., "accuracy": ...}``
    grid : a list of values for each name, of which all combinations are tried, the last name
        varying fastest; or an iterable of dicts. JSON must keep each value: None, bool, int,
        finite float, str, or lists and dicts of these. Trials get what JSON gives back
    executor : any ``concurrent.futures.Executor``; it is used, not shut down. By default a
        ``ProcessPoolExecutor`` on the cores this process may use. ``ThreadPoolExecutor`` takes
        lambdas; ``client.get_executor()`` of Dask runs on a cluster whose workers have this package
    database : path of a SQLite file, made if it is not there
    name : str, by which the file knows the trial; by default its module and qualified name
    retry_failed : bool, whether trials that failed, according to the file, are run again
    progress : True for a tqdm bar, False for none, None for one where tqdm is installed
    results : table to fill anew; what has ended is in it even after Ctrl-C

    Returns
    -------
    SweepResults
        The trials in the order of the grid.

    Raises
    ------
    SettingError
        Before anything runs: if the grid is empty, has settings twice, or some that JSON can't
        keep or ``trial`` does not take; if processes can't be started or ``trial`` not be sent to
        them. Later: if the executor breaks down.
    FileError
        If the database can't be written, is damaged, or has the results of another trial.
    KeyboardInterrupt
        After Ctrl-C: trials that have not started are cancelled, those that run in the default
        executor are ended, those that have ended are kept.

    Notes
    -----
    A file belongs to one trial, known by ``name`` alone: after changing what the function computes,
    start a new file. It has a row for each settings, names and values together. Another grid
    extends it: what the file has is taken from there, the rest is run; rows that the grid does not
    name stay in the file, not in the table (``read_sweep`` shows all). Two sweeps may write to one
    file at once; what both have in hand runs twice.

    A trial that kills its process (out of memory, a crash) is found by running those that were
    running then once more, each alone: it is kept as failed, the others as they end. That is done
    in the default executor.

    References
    ----------
    Bergstra and Bengio 2012, "Random Search for Hyper-Parameter Optimization": why an iterable of
    settings drawn at random often finds more than a grid.

    Examples
    --------
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> from tinygrad_edu.train.sweeps.run import sweep
    >>> def trial(learning_rate, steps):
    ...     x = 1.0
    ...     for _ in range(steps):
    ...         x -= learning_rate * 2.0 * x  # minimise x ** 2
    ...     return {"loss": x * x}
    >>> grid = {"learning_rate": [0.1, 0.4, 1.5], "steps": [5]}
    >>> with ThreadPoolExecutor() as threads:
    ...     results = sweep(trial, grid, executor=threads, progress=False)
    >>> [f"{row.results['loss']:.2g}" for row in results]
    ['0.11', '1e-07', '1e+03']
    >>> results.best("loss").settings
    {'learning_rate': 0.4, 'steps': 5}
    """
    asked = plain_settings(combinations(grid))
    check_trial(trial, executor, asked.values())
    file = None if database is None else SweepFile(database, name_of(trial, name))
    earlier = _earlier(file, retry_failed)
    results = SweepResults() if results is None else results
    results._clear()
    jobs: deque[Job] = deque()
    for place, (text, settings) in enumerate(asked.items()):
        if text in earlier:
            results._add(place, replace(earlier[text], settings=settings))
        else:
            jobs.append((place, settings))
    if not jobs:
        return results
    workers = min(_cores(), len(jobs))
    with _bar(len(asked), len(results), progress) as advance:

        def keep(place: int, ended: Trial) -> None:
            results._add(place, ended)
            if file is not None:
                file.add(plain(ended.settings), ended)
            advance(len(results), len(results.failed) if ended.error else None)

        if executor is None:
            _run_here(trial, jobs, keep, workers)
        elif lost := _run(executor, trial, jobs, keep):
            raise _broken(len(results), len(asked), len(lost))
    return results


def _run_trial(
    trial: Callable[..., Any], settings: Settings
) -> tuple[dict[str, float], str, float]:
    """What one trial gives, in the process it runs in: results, error and seconds, plain."""
    start = perf_counter()
    results: dict[str, float] = {}
    words = ""
    try:
        results = _numbers(trial(**settings))
    except (Exception, SystemExit) as error:
        words = _words(error)
    return results, words, perf_counter() - start


def _run(
    executor: Executor, trial: Callable[..., Any], jobs: deque[Job], keep: Keep, at_once: int = 0
) -> list[Job]:
    """Run the jobs, all at once or so many; those in hand if the executor breaks, else none.

    What has not started is cancelled where all were handed over at once. Not in a pool of our
    own: those are about to be ended, and one that breaks trips over a cancelled job.
    """
    ended: SimpleQueue[Future[Any]] = SimpleQueue()
    running: dict[Future[Any], Job] = {}
    try:
        while jobs or running:
            if jobs and ended.empty() and (not at_once or len(running) < at_once):
                future = executor.submit(_run_trial, trial, jobs[0][1])
                running[future] = jobs.popleft()
                future.add_done_callback(ended.put)
            else:
                future = ended.get()
                _keep(future, *running[future], keep)
                del running[future]
    except BrokenExecutor:
        return _settle(running, keep) or [jobs.popleft()]
    except BaseException:
        for future in running if not at_once else ():
            future.cancel()
        _settle(running, keep)
        raise
    return []


def _settle(running: dict[Future[Any], Job], keep: Keep) -> list[Job]:
    """Keep what has ended; the jobs that have not."""
    lost = []
    for future, job in running.items():
        if future.done() and not future.cancelled() and future.exception() is None:
            _keep(future, *job, keep)
        else:
            lost.append(job)
    return lost


def _keep(future: Future[Any], place: int, settings: Settings, keep: Keep) -> None:
    """What came of a trial; errors here are the executor's, as when a cluster loses a worker."""
    try:
        results, words, seconds = future.result()
    except BrokenExecutor:
        raise
    except Exception as error:
        results, words, seconds = {}, _words(error), 0.0
    keep(place, Trial(settings, results, words, seconds))


def _run_here(trial: Callable[..., Any], jobs: deque[Job], keep: Keep, workers: int) -> None:
    """Run the jobs in processes of this machine, one process a core."""
    while jobs:
        with _pool(workers, trial) as executor:
            suspects = _run(executor, trial, jobs, keep, workers)
        for suspect in suspects:
            with _pool(1, trial) as executor:
                killer = _run(executor, trial, deque([suspect]), keep, 1)
            for place, settings in killer:
                error = "BrokenProcessPool: the process that ran this trial alone died."
                keep(place, Trial(settings, error=error))


@contextmanager
def _pool(workers: int, trial: Callable[..., Any]) -> Iterator[Executor]:
    """Worker processes that end with this one, however it ends, and with the block.

    They are started as the system does by default. Where that is by forking, Python 3.12 warns
    if there are threads, as in every notebook; but only so do notebooks' own functions run.
    """
    lifeline, ours = Pipe(duplex=False)
    executor = ProcessPoolExecutor(workers, initializer=_start_worker, initargs=(lifeline, ours))
    try:
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "This process .* is multi-threaded")
                executor.submit(callable, trial).result()
        except BrokenExecutor:
            raise no_process(trial, "the first one that was started died at once") from None
        yield executor
        executor.shutdown()
    finally:
        ours.close()
        executor.shutdown()
        lifeline.close()


def _start_worker(lifeline: Connection, parents_end: Connection) -> None:
    """In a new process: Ctrl-C is the parent's business; when the parent lets go, it is over."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parents_end.close()
    Thread(target=_end_with_parent, args=(lifeline,), daemon=True).start()


def _end_with_parent(lifeline: Connection) -> None:
    with suppress(EOFError, OSError):
        lifeline.recv_bytes()
    os._exit(1)


def _numbers(returned: Any) -> dict[str, float]:
    """What a trial returned as a dict of plain numbers."""
    given = returned if isinstance(returned, Mapping) else {"result": returned}
    wrong = [key for key in given if not isinstance(key, str)]
    if wrong or not given or returned is None:
        raise OperandError(
            f"the trial returned {returned!r:.60}.",
            expected='a number, or a dict of numbers such as {"loss": 0.25}',
            fix="return one of these.",
        )
    return {key: _number(key, x) for key, x in given.items()}


def _number(key: str, x: Any) -> float:
    """A real number of any make as an int or a float of Python."""
    with suppress(TypeError):
        if not isinstance(x, bool) and abs(index(x)) < 2**63:
            return index(x)
    if isinstance(x, str | bytes) or not hasattr(x, "__float__"):
        raise OperandError(
            f"the result {key} is {x!r:.60}.", expected="a real number", fix="return one."
        )
    return float(x)


def _words(error: BaseException) -> str:
    """Type and message, then the last lines of the traceback, in text that any file takes."""
    frames = error.__traceback__.tb_next if error.__traceback__ is not None else None
    message = "".join(traceback.format_exception_only(type(error), error))
    message = message.removeprefix(f"{type(error).__module__}.").rstrip()[:LONGEST]
    lines = traceback.format_tb(frames, limit=-FRAMES)
    text = "\n".join([message, *(line.rstrip() for line in lines)])
    return text.encode("utf-8", "backslashreplace").decode()


def _broken(done: int, total: int, lost: int) -> SettingError:
    return SettingError(
        f"the executor broke down with {lost} trials in it; {done} of {total} have ended.",
        expected="one that outlives its trials",
        fix="run again with a new one (with database=... what has ended is not run again), or "
        "leave executor out: then a trial that kills its process is found.",
    )


def _earlier(file: SweepFile | None, retry_failed: bool) -> dict[str, Trial]:
    """The trials that need not run again, by their settings as text."""
    if file is None:
        return {}
    file.open()
    return {
        text: trial for text, trial in file.load().items() if not (retry_failed and trial.error)
    }


def _cores() -> int:
    """How many cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        return os.cpu_count() or 1


@contextmanager
def _bar(total: int, done: int, wanted: bool | None) -> Iterator[Callable[[int, int | None], None]]:
    """A bar over the trials; ``wanted`` None means: where tqdm is installed."""
    if wanted is False or (wanted is None and find_spec("tqdm") is None):
        yield lambda ended, failed: None
        return
    tqdm = extra("tqdm.auto", "tqdm", "the progress bar").tqdm
    with tqdm(total=total, initial=done, unit="trial", dynamic_ncols=True) as bar:

        def advance(ended: int, failed: int | None) -> None:
            if failed is not None:
                bar.set_postfix_str(f"{failed} failed", refresh=False)
            bar.update(ended - bar.n)

        yield advance
