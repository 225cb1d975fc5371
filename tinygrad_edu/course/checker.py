"""``check``: grade an exercise by its id, with hints in stages and the solution last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from html import escape
from typing import Any, NoReturn

from tinygrad_edu.course.exercise import Exercise
from tinygrad_edu.course.grading import grade
from tinygrad_edu.course.solved import RECORD, State
from tinygrad_edu.course.verdict import Verdict, show
from tinygrad_edu.engine.errors import SettingError
from tinygrad_edu.shared.arguments import whole

NOTHING = object()  # None and ... are what a learner hands in too early


@dataclass(frozen=True)
class Check:
    """The check of one exercise: call it with your answer."""

    exercise: Exercise

    def __call__(self, answer: Any = NOTHING, *more: Any) -> Verdict:
        """Grade the answer, show what was found, and keep it if it is right.

        Without an answer it shows what is asked.

        Raises
        ------
        WrongAnswer
            If it is wrong and the environment has CI=true; elsewhere it is only shown.
        """
        if answer is NOTHING:
            verdict = Verdict(self.exercise.id, "open", self.exercise.statement)
        elif more:
            words = (
                f"Hand in one answer, and these are {1 + len(more)}: if they belong together, put "
                "them in a list, with brackets around them."
            )
            verdict = Verdict(self.exercise.id, "wrong", words)
        else:
            verdict = grade(self.exercise, answer)
        if verdict.status != "open":
            RECORD.add(self.exercise.id, State(solved=bool(verdict), tries=1))
        if verdict.status == "wrong":
            verdict = replace(verdict, words=f"{verdict.words}\n{self._offer()}".strip())
        return show(verdict)

    def hint(self, stage: int | None = None) -> Verdict:
        """Show a hint, by default the next one; hints are shown in their order.

        Parameters
        ----------
        stage : int from 1

        Raises
        ------
        SettingError
            If stage is not a whole number of at least 1.
        """
        state, hints = RECORD.state(self.exercise.id), self.exercise.hints
        wanted = state.hints + 1 if stage is None else whole("stage", stage)
        shown = min(wanted, state.hints + 1, len(hints))
        if shown > state.hints:
            RECORD.add(self.exercise.id, State(hints=shown))
        words = hints[shown - 1]
        if wanted > shown and shown < len(hints):
            words += f"\nThis is hint {shown}; hint {shown + 1} comes after it."
        if shown == len(hints):
            words += f"\nThis is the last hint; then there is check.{self.exercise.id}.solution()."
        return show(Verdict(self.exercise.id, "hint", words, word=f"hint {shown} of {len(hints)}"))

    def solution(self) -> Verdict:
        """Show a right answer, once the learner has seen all hints or solved the exercise."""
        state, all_hints = RECORD.state(self.exercise.id), len(self.exercise.hints)
        if not state.solved and state.hints < all_hints:
            words = (
                f"The solution comes after the hints: you have seen {state.hints} of {all_hints}. "
                f"The next is check.{self.exercise.id}.hint({state.hints + 1})."
            )
            return show(Verdict(self.exercise.id, "open", words))
        return show(
            Verdict(self.exercise.id, "hint", "", code=self.exercise.solution, word="a solution")
        )

    def _offer(self) -> str:
        """Tell the learner how to get help."""
        seen, name = RECORD.state(self.exercise.id).hints, f"check.{self.exercise.id}"
        if seen < len(self.exercise.hints):
            return f"A hint: {name}.hint({seen + 1})"
        return f"The solution: {name}.solution()"

    def __repr__(self) -> str:
        return f"{self.exercise.id}: {self.exercise.statement}"

    def _repr_html_(self) -> str:
        return f"<b>{self.exercise.id}</b>: {escape(self.exercise.statement)}"


class Checks:
    """The checks of all exercises, by their ids: ``check.chain_rule_2(answer)``.

    An unknown name raises AttributeError, which suggests names that are similar.
    """

    def __init__(self, exercises: Mapping[str, Exercise]) -> None:
        self._checks = {id: Check(exercise) for id, exercise in exercises.items()}

    def __getattr__(self, name: str) -> Check:
        checks: dict[str, Check] = self.__dict__.get("_checks", {})
        if name in checks:
            return checks[name]
        like = get_close_matches(name, checks, n=3, cutoff=0.5)
        rest = f"; there is {', '.join(like)}" if like else ""
        raise AttributeError(f"no exercise is called {name!r:.60}{rest}.")

    def __call__(self, *answers: Any) -> NoReturn:
        """Refuse an answer without its exercise."""
        raise SettingError(
            "check does not know which exercise this answers.",
            expected=f"one of the exercises {', '.join(list(self._checks)[:3])}, ...",
            fix="write its name after a dot, for example check.remember_1(-8).",
        )

    def __dir__(self) -> list[str]:
        return [*self._checks]

    def __repr__(self) -> str:
        return f"{len(self._checks)} exercises: {', '.join(self._checks)}"
