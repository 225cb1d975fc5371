"""What a thread, a task or a generator switches on is on for nobody else."""

import gc
from random import Random

import pytest

from tests.promises.interleaving import STORIES, WAYS, alone, left_on, probe
from tinygrad_edu.course.faults import _BUGS, _held

pytestmark = [
    pytest.mark.promise(name="contexts"),
    pytest.mark.usefixtures("switching_often"),
]
TELLERS, KINDS = 4, 6  # stories at once, and how many of each kind there are


@pytest.mark.parametrize("tell", WAYS)
def test_stories_at_once_are_those_of_each_alone(tell, cases, measured):
    """Step by step they see the same numbers; in the end nothing is on, and no bug is left."""
    count = -(-cases // len(WAYS))
    for case in range(count):
        rng = Random(case)
        chosen = [(rng.randrange(len(STORIES)), rng.randrange(KINDS)) for _ in range(TELLERS)]
        right = [alone(number, seed) for number, seed in chosen]

        seen = tell(chosen, rng)

        assert seen == right, f"case {case}"
        assert not any(left_on()), f"case {case}"
        probe([])
    patched = [_held(target, name) for bug in _BUGS.values() for target, name, _ in bug.patches]
    assert not any(hasattr(function, "__wrapped__") for function in patched)
    assert gc.isenabled()
    measured(f"{count} interleavings of {TELLERS} stories {tell.__name__.replace('_', ' ')}")
