"""The command line in a process of its own."""

import subprocess
import sys


def start(*words, **settings):
    """Start ``tinygrad-edu`` with these words."""
    return subprocess.Popen(
        [sys.executable, "-m", "tinygrad_edu", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **settings,
    )
