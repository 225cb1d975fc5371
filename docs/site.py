"""All pages together, and the course in the browser beside them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from docs.browser import build_browser
from docs.figures import benchmark_page
from docs.lessons import NOTEBOOKS, Lesson, add_lesson, read_lessons, with_outputs
from docs.links import check_links
from docs.material import KATEX, add_assets, mkdocs
from docs.pages import BENCHMARKS, PAGES, add_page, benchmarks
from docs.reference import add_reference, tidied
from docs.teachers import course_page, teachers_page
from docs.tools import ROOT, SiteError, need, npm_package, say

BROWSER = "try"  # the folder of the course in the browser
NOTEBOOKS_THERE = "notebooks/index.html?path="
LAB_THERE = "lab/index.html?path="
# room for a wide table, and no list of pages where there is one page
HIDE = {"README.md": "navigation", "docs/promises.md": "toc"}
MARK = ".built-by-docs"  # a folder with this file may be replaced


def build(out: Path, *, run_notebooks: bool, browser: bool, notebooks: Path = NOTEBOOKS) -> None:
    """Build the site into a folder, which is replaced when everything has succeeded.

    Notebooks that are run have pages which show results; ``browser`` also builds the course in the
    browser. Raise SiteError if ``out`` is neither new nor that of an earlier build, a tool fails,
    a link leads nowhere or a notebook fails.
    """
    _refuse_foreign(out)
    need("material", "mkdocs-material")
    need("mkdocstrings_handlers.python", "mkdocstrings[python]")
    with TemporaryDirectory(prefix="tinygrad-edu-site-") as name:
        room = Path(name)
        katex = npm_package("katex", KATEX, room / "katex") / "dist"
        lessons = read_lessons(notebooks, room / "running", run=run_notebooks)
        outputs, nav = _stage(room / "pages", lessons, browser)
        add_assets(room / "pages", katex)
        say("the pages")
        built = room / "site"
        mkdocs(room, built, nav)
        _mend(built, lessons, outputs)
        if browser:
            files = [lesson.file for lesson in lessons]
            build_browser(files, built / BROWSER, room / "browser")
        check_links(built, BROWSER)
        (built / MARK).touch()
        if out.exists():
            shutil.rmtree(out)
        shutil.copytree(built, out)


def _mend(built: Path, lessons: Sequence[Lesson], outputs: Mapping[str, str]) -> None:
    """Change what MkDocs made: outputs put in, the reference tidied, an icon browsers ask for."""
    for lesson in lessons:
        page = (built / lesson.page).with_suffix(".html")
        page.write_text(with_outputs(page.read_text("utf-8"), outputs), encoding="utf-8")
        shutil.copy(lesson.file, built / "lessons")
    for page in (built / "reference").glob("*.html"):
        page.write_text(tidied(page.read_text("utf-8")), encoding="utf-8")
    shutil.copy(built / "assets" / "images" / "favicon.png", built / "favicon.ico")


def _refuse_foreign(out: Path) -> None:
    """Raise SiteError unless the folder is new, empty, or was built earlier."""
    ours = out.is_dir() and ((out / MARK).exists() or not any(out.iterdir()))
    if out.exists() and not ours:
        raise SiteError(
            f"{out} exists and was not built by this command.",
            expected="a new folder, an empty one, or that of an earlier build",
            fix="build into a new folder: python -m docs --out FOLDER",
        )


def _stage(
    staging: Path, lessons: Sequence[Lesson], browser: bool
) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """Write all Markdown; the outputs of notebooks by placeholder, and the table of contents."""
    (staging / "lessons").mkdir(parents=True)
    outputs: dict[str, str] = {}
    for lesson in lessons:
        outputs |= add_lesson(lesson, staging, _buttons(lesson, browser))
    links = {lesson.file: _links(lesson, browser) for lesson in lessons}
    (staging / "course.md").write_text(course_page(lessons, links), encoding="utf-8")
    (staging / BENCHMARKS).write_text(benchmark_page(benchmarks()), encoding="utf-8")
    titles = {page: _title(source, lessons, staging) for source, page in PAGES.items()}
    entries = {page: {title: page} for page, title in titles.items() if title}
    teachers = entries.pop("teachers.md")
    course = ["course.md", *({lesson.title: lesson.page} for lesson in lessons), teachers]
    recipes = [entries.pop(page) for page in titles if page.startswith("recipes/")]
    nav: list[dict[str, Any]] = [
        entries.pop("index.md"),
        {"Course": course},
        {"Recipes": recipes},
        {"Reference": add_reference(staging)},
        {"Project": [{"Benchmarks": BENCHMARKS}, *entries.values()]},
    ]
    return outputs, nav


def _title(source: str, lessons: Sequence[Lesson], staging: Path) -> str:
    """Put one of the project's own pages among the site's; its title, or "" if there is none."""
    file = ROOT / source
    if not file.exists():
        return ""
    text = file.read_text(encoding="utf-8")
    title = text.partition("\n")[0].removeprefix("# ")
    if source in HIDE:
        text = f"---\nhide: [{HIDE[source]}]\n---\n\n{text}"
    if source == "docs/teachers.md":
        text = teachers_page(text, lessons, staging)
        (staging / PAGES[source]).write_text(text, encoding="utf-8")
    else:
        add_page(source, text, staging)
    return title


def _buttons(lesson: Lesson, browser: bool) -> str:
    """Write the links below the title of a notebook's page."""
    style = 'class="md-button"'
    there = f"../{BROWSER}/{NOTEBOOKS_THERE}{lesson.file.name}"
    links = [f'<a {style} href="{there}">Work with it in the browser</a>'] if browser else []
    links.append(f'<a {style} href="{lesson.file.name}" download>Download it</a>')
    return f'<div class="lesson-links">{" ".join(links)}</div>'


def _links(lesson: Lesson, browser: bool) -> str:
    """Write the links of a notebook in the overview of the course."""
    there = [("notebook", NOTEBOOKS_THERE), ("lab", LAB_THERE)] if browser else []
    return ", ".join(
        f'<a href="{BROWSER}/{path}{lesson.file.name}">{words}</a>' for words, path in there
    )
