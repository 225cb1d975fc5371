"""The command line in a process of its own."""

import subprocess
import sys
from subprocess import PIPE


def start(*words, stdout=PIPE, **settings):
    """Start ``tinygrad-edu`` with these words."""
    command = [sys.executable, "-m", "tinygrad_edu", *map(str, words)]
    return subprocess.Popen(command, stdout=stdout, stderr=PIPE, text=True, **settings)
