"""Copy the notebooks to a folder of the learner's choice; what the learner has changed stays."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from tinygrad_edu.engine.errors import FileError
from tinygrad_edu.shared.files import as_path, writable_folder, write_atomically

KINDS = (".ipynb", ".svg", ".png", ".csv", ".txt", ".md")  # of files that belong to the course
INSTALLED = "notebooks"  # beside this file, in an installed package
CHECKOUT = Path(__file__).parents[2] / "notebooks"  # in a checkout of the project


@dataclass(frozen=True)
class Copied:
    """The result of ``copy_notebooks``; ``str()`` tells it, and how to start."""

    folder: Path
    copied: tuple[str, ...]
    kept: tuple[str, ...]  # changed by the learner
    unchanged: tuple[str, ...]

    def __str__(self) -> str:
        lines = [f"{len(self.copied)} files copied to {self.folder}"]
        if self.unchanged:
            lines.append(f"{len(self.unchanged)} were there already")
        if self.kept:
            lines += [
                "not overwritten, as they were changed:",
                *(f"  {name}" for name in self.kept),
            ]
        files = sorted((*self.copied, *self.kept, *self.unchanged))
        first = next((file for file in files if file.endswith(".ipynb")), "the first notebook")
        return "\n".join([*lines, "", f"start:  jupyter lab {self.folder}", f"begin with {first}"])


def copy_notebooks(folder: str | Path) -> Copied:
    """Copy the notebooks, and what they need, into a folder; changed files are not overwritten.

    Parameters
    ----------
    folder : str or Path, created if it does not exist

    Returns
    -------
    Copied
        The names of what was copied, kept and unchanged.

    Raises
    ------
    SettingError
        If ``folder`` is not a path.
    FileError
        If the folder can't be written to, or the notebooks were not installed.
    """
    sources, target = _sources(), writable_folder(as_path(folder))
    copied, kept, unchanged = list[str](), list[str](), list[str]()
    for name, content in sources.items():
        place = target / name
        if not place.exists():
            writable_folder(place.parent)
            write_atomically(place, content)
            copied.append(name)
        elif _holds(place, content):
            unchanged.append(name)
        else:
            kept.append(name)
    return Copied(target, tuple(copied), tuple(kept), tuple(unchanged))


def _holds(place: Path, content: bytes) -> bool:
    """Check that a file has this content; one that can't be read is the learner's own."""
    try:
        return place.is_file() and place.read_bytes() == content
    except OSError:
        return False


def _sources() -> dict[str, bytes]:
    """Read every file of the course, by its path below the folder of notebooks."""
    installed = Path(str(resources.files("tinygrad_edu.course"))) / INSTALLED
    found = next((f for f in (installed, CHECKOUT) if any(f.glob("*.ipynb"))), None)
    if found is None:
        raise FileError(
            "the notebooks are not in this installation.",
            where=str(installed),
            fix="pip install --force-reinstall tinygrad_edu",
        )
    files = sorted(file for file in found.rglob("*") if file.is_file() and file.suffix in KINDS)
    return {
        file.relative_to(found).as_posix(): file.read_bytes()
        for file in files
        if not any(part.startswith((".", "_")) for part in file.relative_to(found).parts)
    }
