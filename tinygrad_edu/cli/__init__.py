"""The command line: ``tinygrad-edu COMMAND``, one file per group of commands."""

from __future__ import annotations

import argparse
import io
import os
import re
import shlex
import sys
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from tinygrad_edu import __version__
from tinygrad_edu.cli import course, expressions, training
from tinygrad_edu.engine.errors import ExpressionError, FileError, SettingError, TinygradEduError

_GROUPS = (training, expressions, course)
# name='text' or name=5 in a sentence, which may end with a point
ASSIGNED = (
    r"\b(?P<name>[a-z]\w*)=(?:'(?P<quoted>[^']*)'|(?P<plain>[^\s']+?))(?P<end>[.,;]?)(?=\s|$)"
)
_EXIT_CODES = "exit codes: 0 done, 1 failed, 2 refused before work started, 130 stopped by Ctrl-C"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="replace")  # a terminal without ∇ shows a question mark
    if arguments is None:  # a process of our own: no window opens, a user's settings don't count
        os.environ |= {"MPLBACKEND": "agg", "MATPLOTLIBRC": os.devnull}
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] in (["gradients"], ["draw"]) and words[1:] and words[1][:2] not in ("-h", "--"):
        words[1] = " " + words[1]  # "-x" is an expression, not an option
    options = argparse.Namespace(started=False)
    try:
        return _run(words, options)
    except (ExpressionError, FileError, SettingError) as error:
        print(f"tinygrad-edu: {_spoken(error, options)}", file=sys.stderr)
        return 1 if isinstance(error, FileError) and options.started else 2
    except TinygradEduError as error:
        print(f"tinygrad-edu: {_spoken(error, options)}", file=sys.stderr)
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


def _run(words: Sequence[str], options: argparse.Namespace) -> int:
    """Carry out the command, and flush what it printed, so that an error is noticed here."""
    parser, commands = _parser()
    try:
        if not words:
            parser.print_help()
            return 0
        if not words[0].startswith("-") and words[0] not in commands:
            parser.error(f"there is no command {words[0]!r}.{_nearest(words[0], commands)}")
        _, unknown = parser.parse_known_args(words, options)
        if unknown:
            known = [name for action in options.parser._actions for name in action.option_strings]
            options.parser.error(f"what is {unknown[0]!r}?{_nearest(unknown[0], known)}")
        return int(options.run(options))
    finally:
        if sys.stdout is not None:
            sys.stdout.flush()


def _nearest(word: str, known: Iterable[str]) -> str:
    """Return a question for the known word that is nearest to one, if there is one."""
    near = get_close_matches(word.partition("=")[0], list(known), n=1)
    return f" Did you mean {near[0]}?" if near else " See --help."


def _spoken(error: TinygradEduError, options: argparse.Namespace) -> str:
    """Return the text of an error with its settings as options: ``--data moons``, not ``data=``."""
    parser = getattr(options, "parser", None)
    names = {action.dest for action in parser._actions if action.option_strings} if parser else ()

    def option(found: re.Match[str]) -> str:
        quoted, plain, end = found["quoted"], found["plain"], found["end"]
        if found["name"] not in names:
            return found[0]
        value = plain if quoted is None else shlex.quote(quoted)
        return f"--{found['name'].replace('_', '-')} {value}{end}"

    first, *rest = str(error).replace("Expected : None, ", "Expected : ").splitlines()
    word = re.match(r"\w*", first)[0]  # type: ignore[index]
    if word in names:
        first = f"--{word.replace('_', '-')}{first[len(word) :]}"
    text = "\n".join([first, *(re.sub(ASSIGNED, option, line) for line in rest)])
    for name in names:  # in the middle of a sentence
        text = (
            re.sub(rf"(?<!-){name}\b", f"--{name.replace('_', '-')}", text) if "_" in name else text
        )
    return re.sub(r"figure\.save\('([^']*)'\)", r"-o \1", text)


def _drop_output() -> None:
    """Discard pending output, or the interpreter would try to flush it again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser() -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    """Build the parser and those of the commands; each help ends with its own examples."""
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
            command.set_defaults(parser=command)
    return parser, commands.choices


def _epilog(examples: str) -> str:
    return f"examples:\n{examples}\n{_EXIT_CODES}"
