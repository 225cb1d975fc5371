"""The time limit ends a block, and leaves other alarms alone."""

import signal
import subprocess
import sys
import time

import pytest

from tinygrad_edu.course.clock import TimeUp, can_limit, time_limit


def test_an_alarm_that_was_set_before_is_kept():
    """Whoever uses the timer gets it back, with the time that was left."""
    rung = []
    before = signal.signal(signal.SIGALRM, lambda *_: rung.append(True))
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        with time_limit(10.0):
            time.sleep(0.001)
        time.sleep(0.2)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)

    assert rung == [True]


def test_the_time_limit_ends_a_block():
    """And only the block."""
    assert can_limit()
    with pytest.raises(TimeUp), time_limit(0.05):
        time.sleep(2.0)

    time.sleep(0.06)


def test_where_no_signal_can_be_set_checks_still_run():
    """As in a browser: there is no time limit then."""
    code = (
        "import sys, signal; del signal.setitimer\n"
        "from tinygrad_edu.course import EXERCISES, grade\n"
        "print(grade(EXERCISES['chain_rule_2'], lambda x, y: [y + 3, x]).status)"
    )

    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert run.stdout == "right\n", run.stderr
