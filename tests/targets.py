"""The targets that programs are tested on: C and JavaScript where a compiler and node are there."""

from shutil import which

import pytest

from tinygrad_edu.compiler.c_library import NAMES as COMPILERS

NODE = pytest.mark.skipif(which("node") is None, reason="node is not on the PATH")
CC = pytest.mark.skipif(not any(map(which, COMPILERS)), reason="no C compiler is on the PATH")
TARGETS = [
    "numpy",
    "python",
    pytest.param("c", marks=[CC, pytest.mark.slow]),  # a compiler is started
    pytest.param("javascript", marks=NODE),
]
NEEDED = {"numpy": [], "python": [], "c": COMPILERS, "javascript": ["node"]}
HERE = [name for name, tools in NEEDED.items() if not tools or any(map(which, tools))]
on_every_target = pytest.mark.parametrize("target", TARGETS)
