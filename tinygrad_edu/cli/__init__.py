"""The command line: ``tinygrad-edu COMMAND``, one file a group of commands."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence

from tinygrad_edu import __version__
from tinygrad_edu.cli import course, expressions, training
from tinygrad_edu.engine.errors import ExpressionError, FileError, SettingError, TinygradEduError

_EXAMPLES = f"""examples:
{expressions.EXAMPLES}{training.EXAMPLES}{course.EXAMPLES}
exit codes: 0 done, 1 failed, 2 refused before work started, 130 stopped by Ctrl-C
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="replace")  # where it has no ∇: a question mark
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] in (["gradients"], ["draw"]) and words[1:] and words[1][:2] not in ("-h", "--"):
        words[1] = " " + words[1]  # "-x" is an expression, not an option
    try:
        return _run(words)
    except (ExpressionError, FileError, SettingError) as error:
        print(f"tinygrad-edu: {error}", file=sys.stderr)
        return 2
    except TinygradEduError as error:
        print(f"tinygrad-edu: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("tinygrad-edu: stopped by Ctrl-C.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader, such as head, has seen enough
        _drop_output()
        return 0
    except OSError as error:
        if error.filename is not None:  # not the output's: it was opened by its name
            raise
        _drop_output()
        print(
            f"tinygrad-edu: the output can't be written: {error.strerror}.\n"
            "  Fix : send it to a place that has room.",
            file=sys.stderr,
        )
        return 1


def _run(words: Sequence[str]) -> int:
    """Carry out the command; what it printed is written when this returns."""
    try:
        options = _parser().parse_args(words)
        return int(options.run(options))
    finally:
        if sys.stdout is not None:
            sys.stdout.flush()


def _drop_output() -> None:
    """What is still to be printed goes nowhere, else the end of the process would try again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tinygrad-edu",
        description="Backpropagation on single numbers.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    groups = (training, expressions, course)
    for command in [command for group in groups for command in group.add_commands(commands)]:
        command.formatter_class = argparse.RawDescriptionHelpFormatter
        command.epilog = _EXAMPLES
    return parser
