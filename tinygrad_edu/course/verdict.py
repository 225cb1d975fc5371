"""The verdict of a check: text for a terminal, HTML for a notebook."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from html import escape
from re import sub
from textwrap import wrap
from typing import Any

from tinygrad_edu.engine.errors import TinygradEduError

# the sign, the word and the color of each status, so that color is never the only difference;
# each color has a contrast of at least 4.2 to white and to #111111: notebooks have both themes
LOOKS = {
    "right": ("✓", "right", "#1f8a42"),
    "wrong": ("✗", "not yet", "#d9473f"),
    "open": ("○", "open", "#777777"),
    "hint": ("→", "hint", "#8f63dd"),
}


class WrongAnswer(TinygradEduError, AssertionError):
    """A wrong answer where CI=true; elsewhere a wrong answer is only printed."""


@dataclass(frozen=True)
class Verdict:
    """The verdict on an answer; also a hint or a solution.

    Attributes
    ----------
    id : str, the id of the exercise
    status : "right", "wrong", "open" or "hint"
    words : str, what was found
    mistake : str, the words of the classical mistake that was made; "" if it is not a known one
    code : str, Python source to show below the words
    word : str, the word in the heading; by default that of the status
    """

    id: str
    status: str
    words: str
    mistake: str = ""
    code: str = ""
    word: str = ""

    @property
    def heading(self) -> str:
        """Return the heading, for example "✓ gates_1: right"."""
        sign, word, _ = LOOKS[self.status]
        return f"{sign} {self.id}: {self.word or word}"

    @property
    def text(self) -> str:
        """Return heading, words and code as text, in lines that fit a terminal."""
        lines = [self.heading]
        for line in self.words.splitlines():
            lines += wrap(line, 94, initial_indent="  ", subsequent_indent="  ")
        return "\n".join([*lines, *(f"    {line}" for line in self.code.splitlines())])

    def _repr_html_(self) -> str:
        color = LOOKS[self.status][2]
        words = sub(r"(?<= )\*(\w+)\*(?= )", r"<em>\1</em>", escape(self.words))
        words = words.replace("\n", "<br>")
        code = f'<pre style="margin:.5em 0 0">{escape(self.code)}</pre>' if self.code else ""
        return (
            f'<div style="border-left:4px solid {color};padding:.3em .8em;margin:.3em 0">'
            f'<b style="color:{color}">{escape(self.heading)}</b><br>{words}{code}</div>'
        )

    def _ipython_display_(self) -> None:
        """Show nothing in a cell that has shown it already: Jupyter shows its last line again."""
        shell = _notebook()
        if _last.verdict is not self or _last.cell != getattr(shell, "execution_count", None):
            _display(self)

    def __bool__(self) -> bool:
        return self.status == "right"

    def __repr__(self) -> str:
        return f"<{self.heading}>"


@dataclass
class _Shown:
    """The verdict that was shown last, and its cell."""

    verdict: Verdict | None = None
    cell: Any = None


_last = _Shown()


def show(verdict: Verdict) -> Verdict:
    """Show a verdict at once; then raise WrongAnswer if it is wrong and CI=true."""
    _display(verdict)
    _last.verdict, _last.cell = verdict, getattr(_notebook(), "execution_count", None)
    if verdict.status == "wrong" and os.environ.get("CI") == "true":
        raise WrongAnswer(
            f"{verdict.id}: {verdict.words}",
            fix=f"correct the cell that calls check.{verdict.id}, and run it again.",
        )
    return verdict


def _display(verdict: Verdict) -> None:
    if _notebook() is None:
        try:
            print(verdict.text)
        except UnicodeEncodeError:  # a terminal that does not know the signs
            print(verdict.text.encode("ascii", "replace").decode())
        return
    show_in_notebook: Any = sys.modules["IPython"].display.display
    show_in_notebook({"text/html": verdict._repr_html_(), "text/plain": verdict.text}, raw=True)


def _notebook() -> Any:
    """Return the shell of a notebook, or None in a terminal or a script."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return None if type(shell).__name__ in ("NoneType", "TerminalInteractiveShell") else shell
