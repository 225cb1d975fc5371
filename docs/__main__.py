"""The command line of the site."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from docs.files import PAGE, files_page
from docs.server import serve
from docs.tools import ROOT
from tinygrad_edu.engine.errors import TinygradEduError

SITE = ROOT / "site"

_EXAMPLES = """examples:
  python -m docs                    build everything into site/
  python -m docs --out ../pages    ... somewhere else
  python -m docs --no-run           notebooks shown as they are, without being run: much faster
  python -m docs --no-browser       documentation alone, without the course in the browser
  python -m docs serve              show site/ on http://127.0.0.1:8000/
  python -m docs serve --port 8080
  python -m docs files              write docs/files.md, the list of modules

needs npm, which brings KaTeX and Pyodide, and: pip install -e ".[site]"
what was built loads nothing from anywhere else
exit codes: 0 done, 1 could not be built, 2 was not understood, 130 stopped by Ctrl-C
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Build or serve; return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "serve":
            serve(options.out, options.port)
        elif options.command == "files":
            PAGE.write_text(files_page(), encoding="utf-8")
        else:
            _build(options)
    except TinygradEduError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m docs",
        description="The site: documentation, and the course in the browser.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = ("build", "serve", "files")
    parser.add_argument(
        "command", nargs="?", choices=commands, default="build", help="default: build"
    )
    parser.add_argument("--out", type=Path, default=SITE, help="folder of the site (site/)")
    parser.add_argument("--no-run", action="store_true", help="do not run the notebooks")
    parser.add_argument("--no-browser", action="store_true", help="no course in the browser")
    parser.add_argument("--port", type=int, default=8000, help="for serve (8000; 0: any free one)")
    return parser


def _build(options: argparse.Namespace) -> None:
    from docs.site import build

    start = time.monotonic()
    build(options.out, run_notebooks=not options.no_run, browser=not options.no_browser)
    seconds = time.monotonic() - start
    print(f"built {options.out} in {seconds:.0f} s; see it with: python -m docs serve")


if __name__ == "__main__":
    sys.exit(main())
