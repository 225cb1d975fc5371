"""The course needs the standard library alone: so it runs in a browser."""

import subprocess
import sys

CODE = """
import sys
for name in ("numpy", "matplotlib", "sklearn", "tqdm", "mpmath", "IPython", "torch"):
    sys.modules[name] = None
from tinygrad_edu.course import EXERCISES, FAULTS, check, fault, grade, progress, worksheet
print(bool(grade(EXERCISES["remember_1"], -8)))
import tinygrad_edu.course.grading as grading
grading.apart = lambda work, seconds: work()  # as many processes would take long
for exercise in EXERCISES.values():
    names = {}
    exec(exercise.solution, names)
    if not grade(exercise, names["answer"]):
        print("not right:", exercise.id)
    for mistake in exercise.mistakes:
        for wrong in mistake.wrong:
            if grade(exercise, exercise.asks.plant(wrong)).mistake != mistake.words:
                print("not named:", exercise.id, mistake.words)
for name in FAULTS:
    with fault(name):
        pass
worksheet(7).page()
check.remember_1(-8)
print(progress().solved)
"""


def test_the_course_runs_on_the_standard_library():
    """Every exercise, every mistake, every fault, a worksheet, and progress."""
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", CODE], capture_output=True, text=True, check=False
    )

    assert run.stderr == ""
    assert run.stdout == "True\n✓ remember_1: right\n1\n"
