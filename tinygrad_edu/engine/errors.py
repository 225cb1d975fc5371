"""Every exception raised on purpose: what happened, where, and how to fix it."""


class TinygradEduError(Exception):
    """What happened, with the numbers; then labelled lines, ``Fix`` last. Also a builtin error."""

    def __init__(self, what: str, *, fix: str = "", **facts: str) -> None:
        lines = [(name.capitalize(), text) for name, text in (facts | {"fix": fix}).items() if text]
        width = max((len(name) for name, _ in lines), default=0)
        super().__init__(
            "\n".join([what, *(f"  {name:<{width}} : {text}" for name, text in lines)])
        )


class OperandError(TinygradEduError, TypeError):
    """Not a real number where one is needed, or a Value where its graph would be lost."""


class StaleGraphError(TinygradEduError, RuntimeError):
    """A graph that was changed after it was built."""


class AnomalyError(TinygradEduError, ArithmeticError):
    """A value or gradient that became nan or inf inside ``detect_anomaly()``."""


class GradientMismatch(TinygradEduError, AssertionError):
    """A gradient that differs from an independent derivative."""


class LengthError(TinygradEduError, ValueError):
    """Too few or too many numbers: says expected and got."""


class SettingError(TinygradEduError, ValueError):
    """A setting, or a row of the table, outside what is allowed: says which, and what is."""


class ExpressionError(TinygradEduError, ValueError):
    """An expression on the command line that is not arithmetic on named numbers."""


class FileError(TinygradEduError, ValueError):
    """A file or folder that can't be read or written as it should."""


class MissingExtraError(TinygradEduError, ImportError):
    """An optional package is not installed: names the pip command."""


class TargetError(TinygradEduError, RuntimeError):
    """A program that could not be run where it was to run, outside of Python."""
