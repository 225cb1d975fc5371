"""Paths on the command line, checked before work starts."""

from __future__ import annotations

import argparse
from pathlib import Path

from tinygrad_edu.engine.errors import FileError
from tinygrad_edu.shared.files import replaceable, writable_folder


def path(text: str) -> Path:
    """Return a path; an empty word, which would be the working folder, is refused."""
    if not text.strip():
        raise argparse.ArgumentTypeError(
            "the path is empty; name a file or folder, or leave it out"
        )
    return Path(text)


def writable_file(file: Path) -> None:
    """Raise FileError if a file can't be written, before it is made."""
    folder = replaceable(file)[0].parent
    if not folder.is_dir():
        raise FileError(
            f"{file} can't be written: there is no folder {folder}.",
            fix=f"name a folder that exists, for example -o {file.name}",
        )
    writable_folder(folder)
