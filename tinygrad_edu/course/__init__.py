"""The course: exercises that name the mistake, faults to watch, worksheets to print."""

from tinygrad_edu.course.checker import Checks
from tinygrad_edu.course.copies import Copied, copy_notebooks
from tinygrad_edu.course.exercise import Exercise, Mistake
from tinygrad_edu.course.faults import FAULTS, fault
from tinygrad_edu.course.grading import grade
from tinygrad_edu.course.lessons import EXERCISES
from tinygrad_edu.course.plotting import plot
from tinygrad_edu.course.solved import Progress, progress_of
from tinygrad_edu.course.verdict import Verdict, WrongAnswer
from tinygrad_edu.course.worksheets.printing import Written, read_names, write_worksheets
from tinygrad_edu.course.worksheets.sheets import Worksheet, worksheet

check = Checks(EXERCISES)


def progress() -> Progress:
    """Show what is solved so far, notebook by notebook, as a table.

    It is kept in ``.tinygrad_edu_course.json`` in the working folder, or in the file that the
    environment variable TINYGRAD_EDU_COURSE names.
    """
    return progress_of(EXERCISES.values())


__all__ = [
    "EXERCISES",
    "FAULTS",
    "Copied",
    "Exercise",
    "Mistake",
    "Progress",
    "Verdict",
    "Worksheet",
    "Written",
    "WrongAnswer",
    "check",
    "copy_notebooks",
    "fault",
    "grade",
    "plot",
    "progress",
    "read_names",
    "worksheet",
    "write_worksheets",
]
