"""Commands of the course: ``course`` and ``worksheet``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tinygrad_edu.cli.paths import path
from tinygrad_edu.shared.files import writable_folder

EXAMPLES = {
    "course": """\
  tinygrad-edu course lessons               copy the notebooks to a folder of your own
""",
    "worksheet": """\
  tinygrad-edu worksheet --seed 7           a page to fill in by pencil, and its answers
  tinygrad-edu worksheet --class-list names.txt --level 3 --out sheets.html
""",
}


def add_commands(commands: Any) -> None:
    """Add ``course`` and ``worksheet`` to the commands of a parser."""
    course = commands.add_parser("course", help="copy the notebooks of the course to a folder")
    course.add_argument(
        "folder",
        type=path,
        nargs="?",
        default=Path("course"),
        help="made if it does not exist; changed notebooks in it are kept (default: course)",
    )
    course.set_defaults(run=_course)

    sheet = commands.add_parser(
        "worksheet", help="make a printable graph with blanks for every value and gradient"
    )
    sheet.add_argument("--seed", type=int, default=7, help="another seed gives another graph")
    sheet.add_argument("--level", type=int, default=2, help="1 easy, 2 (default), 3 hard")
    sheet.add_argument(
        "--class-list",
        type=path,
        metavar="FILE",
        help="one name per line; everyone gets a sheet of their own",
    )
    sheet.add_argument(
        "-o",
        "--out",
        type=path,
        default=Path("worksheet.html"),
        metavar="FILE",
        help="(default: worksheet.html; a PDF beside it if typst is installed)",
    )
    sheet.add_argument("--no-pdf", action="store_true", help="write the page alone")
    sheet.set_defaults(run=_worksheet)


def _course(options: argparse.Namespace) -> int:
    """Copy the notebooks, and say which were copied or kept."""
    from tinygrad_edu.course import copy_notebooks

    writable_folder(options.folder)
    options.started = True
    print(copy_notebooks(options.folder))
    return 0


def _worksheet(options: argparse.Namespace) -> int:
    """Write worksheets, and name the files."""
    from tinygrad_edu.course import read_names, write_worksheets

    names = read_names(options.class_list) if options.class_list is not None else ()
    page = options.out.suffix.lower() == ".html"
    writable_folder(options.out.parent if page else options.out)
    options.started = True
    written = write_worksheets(
        options.out, options.seed, names, level=options.level, pdf=not options.no_pdf
    )
    print(f"worksheet: {', '.join(map(str, written.files))}")
    if written.note:
        print(written.note)
    return 0
