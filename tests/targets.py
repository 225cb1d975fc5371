"""The targets that programs are tested on: JavaScript is one where node is on the PATH."""

from shutil import which

import pytest

NODE = pytest.mark.skipif(which("node") is None, reason="node is not on the PATH")
TARGETS = ["numpy", "python", pytest.param("javascript", marks=NODE)]
HERE = ["numpy", "python", *["javascript"] * (which("node") is not None)]
on_every_target = pytest.mark.parametrize("target", TARGETS)
