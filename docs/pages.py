"""The project's own pages, with their links led to the site's."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path, PurePosixPath

from docs.tools import ROOT, SiteError

# files of the project, and the page on which each is read
PAGES = {
    "README.md": "index.md",
    "docs/promises.md": "promises.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "docs/teachers.md": "teachers.md",
    "docs/files.md": "files.md",
    "docs/recipes/README.md": "recipes/index.md",
    "docs/recipes/train.md": "recipes/train.md",
    "docs/recipes/freeze.md": "recipes/freeze.md",
    "docs/recipes/weights.md": "recipes/weights.md",
    "docs/recipes/grid_search.md": "recipes/grid_search.md",
    "docs/recipes/dask.md": "recipes/dask.md",
    "docs/recipes/optuna.md": "recipes/optuna.md",
    "docs/recipes/diagnose.md": "recipes/diagnose.md",
    "docs/recipes/programs.md": "recipes/programs.md",
    "docs/recipes/targets.md": "recipes/targets.md",
}
BENCHMARKS = "benchmarks.md"
PICTURES = (".svg", ".png", ".gif", ".jpg")
LANGUAGES = {".py": "python", ".json": "json", ".js": "javascript", ".cfg": "ini"}
_FENCE = re.compile(r"^(```+|~~~+).*?^\1\s*$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<=\]\()([^)\s#]*)(#[^)\s]*)?(?=[)\s])")
_ELSEWHERE = re.compile(r"[a-z][a-z+.-]*:|//", re.IGNORECASE)


def benchmarks() -> list[Path]:
    """Return the files of figures on the page of benchmarks; the promises have their own page."""
    results = (ROOT / "benchmarks" / "results").glob("*.json")
    return sorted(file for file in results if file.stem != "promises")


def add_page(source: str, text: str, staging: Path) -> None:
    """Put a page of PAGES among the site's Markdown, with the files it links to.

    Raise SiteError if it links to a file that does not exist.
    """
    page = staging / PAGES[source]
    page.parent.mkdir(exist_ok=True)
    page.write_text(relinked(source, text, staging), encoding="utf-8")


def relinked(source: str, text: str, staging: Path) -> str:
    """Change the links in the text of a file of the project to pages of the site."""
    kept: list[str] = []

    def keep(match: re.Match[str]) -> str:
        kept.append(match.group())
        return f"\0{len(kept) - 1}\0"

    def lead(match: re.Match[str]) -> str:
        target, place = match.group(1), match.group(2) or ""
        if not target or _ELSEWHERE.match(target):
            return match.group()
        return _page_of(source, target, staging) + place

    outside = _LINK.sub(lead, _FENCE.sub(keep, text))
    return re.sub("\0(\\d+)\0", lambda match: kept[int(match.group(1))], outside)


def _page_of(source: str, target: str, staging: Path) -> str:
    """Return the page that shows the file a link points to, seen from the page of ``source``."""
    path = os.path.normpath(PurePosixPath(source).parent / target).replace(os.sep, "/")
    file = ROOT / path
    if path.startswith("../") or not file.is_file():
        raise SiteError(
            f"{source} links to {target}, which does not exist.",
            where=str(file),
            fix=f"mend the link in {source}.",
        )
    if path in PAGES:
        page = PAGES[path]
    elif file in benchmarks():
        page = BENCHMARKS
    elif file.suffix == ".ipynb":
        page = f"lessons/{file.stem}.md"
    elif file.suffix in PICTURES:
        page = f"pictures/{file.name}"
        (staging / "pictures").mkdir(exist_ok=True)
        shutil.copy(file, staging / page)
    else:
        page = _source_page(path, staging)
    here = PurePosixPath(PAGES.get(source, "lessons/a_lesson.md")).parent
    return os.path.relpath(page, here).replace(os.sep, "/")


def _source_page(path: str, staging: Path) -> str:
    """Write a page that shows a file of the project as it is; return its path."""
    file, page = ROOT / path, f"source/{path}.md"
    (staging / page).parent.mkdir(parents=True, exist_ok=True)
    text = file.read_text(encoding="utf-8")
    title, language = f"# {path}", LANGUAGES.get(file.suffix, "text")
    fenced = fence(text, f'{language} linenums="1"')
    (staging / page).write_text(f"{title}\n\n{fenced}\n", encoding="utf-8")
    return page


def fence(text: str, language: str = "") -> str:
    """Write a code block around any text, also around one with code blocks in it."""
    longest = max((len(run) for run in re.findall("`{3,}", text)), default=2)
    ticks = "`" * (longest + 1)
    return f"{ticks} {language}".rstrip() + f"\n{text.rstrip()}\n{ticks}"
