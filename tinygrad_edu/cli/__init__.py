"""The command line: ``tinygrad-edu COMMAND``, one file per group of commands."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence

from tinygrad_edu import __version__
from tinygrad_edu.cli import course, expressions, training
from tinygrad_edu.engine.errors import ExpressionError, FileError, SettingError, TinygradEduError

_GROUPS = (training, expressions, course)
_EXIT_CODES = "exit codes: 0 done, 1 failed, 2 refused before work started, 130 stopped by Ctrl-C"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="replace")  # a terminal without ∇ shows a question mark
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
        if error.filename is not None:  # the output has no name: this is another file's error
            raise
        _drop_output()
        print(
            f"tinygrad-edu: the output can't be written: {error.strerror}.\n"
            "  Fix : write it to a disk with free space, for example > /tmp/output.txt",
            file=sys.stderr,
        )
        return 1


def _run(words: Sequence[str]) -> int:
    """Carry out the command, and flush what it printed, so that an error is noticed here."""
    try:
        options = _parser().parse_args(words)
        return int(options.run(options))
    finally:
        if sys.stdout is not None:
            sys.stdout.flush()


def _drop_output() -> None:
    """Discard pending output, or the interpreter would try to flush it again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser() -> argparse.ArgumentParser:
    """Build the parser; the help of a command ends with its own examples."""
    parser = argparse.ArgumentParser(
        prog="tinygrad-edu",
        description="Backpropagation on single numbers.",
        epilog=_epilog("".join(text for group in _GROUPS for text in group.EXAMPLES.values())),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for group in _GROUPS:
        group.add_commands(commands)
        for name, examples in group.EXAMPLES.items():
            command = commands.choices[name]
            command.formatter_class = argparse.RawDescriptionHelpFormatter
            command.epilog = _epilog(examples)
    return parser


def _epilog(examples: str) -> str:
    return f"examples:\n{examples}\n{_EXIT_CODES}"
