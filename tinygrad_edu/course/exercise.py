"""One exercise is one entry: what is asked, what is true, which mistakes are known, what helps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from inspect import cleandoc
from typing import Any

from tinygrad_edu.course.kinds import Kind

# the notebooks, in order: the stem of their exercises, and their title
NOTEBOOKS = {
    "remember": "a number that remembers",
    "chain_rule": "the chain rule, wire by wire",
    "gates": "gradient-flow rules",
    "passes": "two passes instead of a million",
    "network": "a network by hand",
    "softmax": "softmax and cross entropy",
    "training": "the complete training algorithm",
    "scale": "scale matters",
    "depth": "vanishing and exploding",
    "honest": "keeping it honest",
    "matrix": "from numbers to matrices to machines",
    "gpt": "a small GPT from single numbers",
}


@dataclass(frozen=True, slots=True)
class Mistake:
    """A classical mistake: the words that name it, and what someone who makes it hands in."""

    words: str
    wrong: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Exercise:
    """An exercise, graded by :func:`tinygrad_edu.course.grading.grade`.

    Parameters
    ----------
    id : str, the stem of its notebook and a number, as "chain_rule_2"
    statement : str, what is asked
    asks : Kind, what is handed in, and at which points it is read
    truth : function of a point that gives what is right there; it knows nothing of ``solution``
    mistakes : known wrong answers; the first that agrees with the learner's at all points is named
    hints : str each, from a nudge to all but the answer, without its code
    solution : str, the source of a right answer, that leaves it in the name ``answer``
    relative, absolute : float, how far off a number may be
    """

    id: str
    statement: str
    asks: Kind
    truth: Callable[..., Any]
    mistakes: tuple[Mistake, ...]
    hints: tuple[str, ...]
    solution: str
    relative: float = 1e-6
    absolute: float = 1e-9

    def __post_init__(self) -> None:
        # both are written indented, in the middle of an entry
        object.__setattr__(self, "statement", " ".join(self.statement.split()))
        object.__setattr__(self, "solution", cleandoc(self.solution))

    @property
    def stem(self) -> str:
        """The notebook's part of the id."""
        return self.id.rpartition("_")[0]

    @property
    def notebook(self) -> int:
        """The number of the notebook, from 1."""
        return list(NOTEBOOKS).index(self.stem) + 1
