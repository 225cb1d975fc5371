"""An exercise is one entry: the question, the truth, the known mistakes, the hints, a solution."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from inspect import cleandoc
from typing import Any

from tinygrad_edu.course.kinds import AnswerKind

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


@dataclass(frozen=True, slots=True, init=False)
class Mistake:
    """A classical mistake: the words that name it, and the answers of those who make it.

    Examples
    --------
    >>> Mistake("The order is reversed.", [2, 1], [1, 2, 0]).wrong
    ([2, 1], [1, 2, 0])
    """

    words: str
    wrong: tuple[Any, ...]

    def __init__(self, words: str, *wrong: Any) -> None:
        object.__setattr__(self, "words", words)
        object.__setattr__(self, "wrong", wrong)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exercise:
    """An exercise, graded by :func:`tinygrad_edu.course.grade`.

    Parameters
    ----------
    id : str, the stem of its notebook and a number, for example "chain_rule_2"
    statement : str, the question
    asks : AnswerKind, the kind of answer, and the points at which it is read
    truth : function that returns the right answer at a point, computed without ``solution``
    mistakes : known mistakes; the first that agrees with the answer at all points is named
    hints : str each, from a nudge to nearly the whole answer, without its code
    solution : str, source code that leaves a right answer in the name ``answer``
    relative, absolute : float, the largest difference that still counts as right
    """

    id: str
    statement: str
    asks: AnswerKind
    truth: Callable[..., Any]
    mistakes: tuple[Mistake, ...]
    hints: tuple[str, ...]
    solution: str
    relative: float = 1e-6
    absolute: float = 1e-9

    def __post_init__(self) -> None:
        # lessons write both of them indented, as part of an entry
        object.__setattr__(self, "statement", " ".join(self.statement.split()))
        object.__setattr__(self, "solution", cleandoc(self.solution))

    @property
    def stem(self) -> str:
        """Return the notebook's part of the id."""
        return self.id.rpartition("_")[0]

    @property
    def notebook(self) -> int:
        """Return the number of the notebook, counted from 1."""
        return list(NOTEBOOKS).index(self.stem) + 1
