"""The C compiler of the machine, and programs that it makes of a text."""

import shutil
import subprocess

import pytest

CC = shutil.which("cc")
needs_cc = pytest.mark.skipif(CC is None, reason="there is no C compiler")
STRICT = ("-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O2")
SANITIZED = (*STRICT, "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def built(text, folder, flags=STRICT, compiler=(CC,)):
    """The program that a text is compiled to, without a warning."""
    source = folder / "step.c"
    source.write_text(text, encoding="utf-8")
    command = [*compiler, *flags, source, "-o", folder / "step", "-lm"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return folder / "step"


def printed(program, *words):
    """What a program prints, line by line."""
    done = subprocess.run([program, *map(str, words)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()
