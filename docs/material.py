"""The look of the pages: MkDocs with the Material theme, strict, and nothing from elsewhere."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from docs.tools import ROOT, run
from tinygrad_edu import __doc__ as PROMISE

KATEX = "0.19.1"
OURS = ROOT / "docs" / "theme"
THEME = {
    "name": "material",
    "font": False,  # the fonts would come from elsewhere
    "palette": {"scheme": "default", "primary": "teal", "accent": "teal"},
    "features": [
        "content.code.copy",
        "navigation.footer",
        "navigation.tabs",
        "navigation.top",
        "search.highlight",
        "toc.follow",
    ],
    "icon": {"logo": "material/graph-outline"},
}
DOCSTRINGS = {
    "docstring_style": "numpy",
    "docstring_section_style": "list",
    "show_root_heading": True,
    "show_root_full_path": False,
    "show_source": False,
    "show_bases": False,
    "heading_level": 2,
    "members_order": "source",
    "separate_signature": True,
    "merge_init_into_class": True,
    "show_symbol_type_heading": True,
    "filters": ["!^_"],
}
EXTENSIONS = [
    "admonition",
    "attr_list",
    "md_in_html",
    "tables",
    "pymdownx.details",
    "pymdownx.superfences",
    {"pymdownx.highlight": {"anchor_linenums": True}},
    {"pymdownx.arithmatex": {"generic": True}},
    {"toc": {"permalink": True}},
]


def add_assets(staging: Path, katex: Path) -> None:
    """Put KaTeX with its fonts, our style and our script among the pages."""
    (staging / "katex" / "fonts").mkdir(parents=True)
    for name in ("katex.min.css", "katex.min.js"):
        shutil.copy(katex / name, staging / "katex")
    for font in (katex / "fonts").glob("*.woff2"):
        shutil.copy(font, staging / "katex" / "fonts")
    shutil.copytree(OURS, staging / "theme")


def mkdocs(room: Path, built: Path, nav: list[dict[str, Any]]) -> None:
    """Run MkDocs on the pages of a room, where a warning is a failure."""
    config = room / "mkdocs.yml"  # JSON is YAML, too
    config.write_text(json.dumps(_config(room / "pages", built, nav)), encoding="utf-8")
    os.environ["NO_MKDOCS_2_WARNING"] = "1"
    run([sys.executable, "-m", "mkdocs", "build", "--strict", "-f", config], ROOT, "mkdocs build")


def _config(pages: Path, built: Path, nav: list[dict[str, Any]]) -> dict[str, Any]:
    python = {"paths": [str(ROOT)], "options": DOCSTRINGS}
    return {
        "site_name": "tinygrad_edu",
        "site_description": PROMISE,
        "docs_dir": str(pages),
        "site_dir": str(built),
        "use_directory_urls": False,  # so that the pages can be read from a folder, too
        "nav": nav,
        "theme": THEME,
        "plugins": ["search", {"mkdocstrings": {"handlers": {"python": python}}}],
        "extra_css": ["katex/katex.min.css", "theme/site.css"],
        "extra_javascript": ["katex/katex.min.js", "theme/math.js"],
        "validation": {"nav": {"omitted_files": "ignore"}, "links": {"anchors": "warn"}},
        "markdown_extensions": EXTENSIONS,
    }
