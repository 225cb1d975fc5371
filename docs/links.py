"""What the built pages point to: dead links, and whatever they would load from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from docs.tools import SiteError

# what a browser loads by itself, by element
_LOADED = {"img": "src", "script": "src", "link": "href", "iframe": "src", "source": "src"}
_KINDS = ("stylesheet", "icon", "preload", "manifest")  # of <link>; others are mere hints
_ABSOLUTE = "404.html"  # is shown at any address, so that its links start at the root


class Page(HTMLParser):
    """One page: ``links`` and ``loads`` are addresses, ``places`` the names of its elements."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.places: set[str] = set()
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect the places and links of an element."""
        facts = {name: value for name, value in attrs if value}
        self.places |= {facts[name] for name in ("id", "name") if name in facts}
        if tag == "a" and "href" in facts:
            self.links.append(facts["href"])
        if _LOADED.get(tag) in facts and (tag != "link" or facts.get("rel") in _KINDS):
            self.loads.append(facts[_LOADED[tag]])


def check_links(site: Path, apart: str) -> None:
    """Raise SiteError if a page links to nothing, or loads from elsewhere.

    ``apart`` is a folder of the site whose pages are made by others: links may point there.
    """
    wrong = [*dead_links(site, apart), *foreign(site)]
    if wrong:
        raise SiteError(
            f"{len(wrong)} links lead nowhere, or would load from elsewhere: "
            + ", ".join(wrong[:10]),
            where=str(site),
            fix="mend the links in the pages named.",
        )


def dead_links(site: Path, apart: str) -> Iterator[str]:
    """Find links to files that do not exist, or to places that a page does not have."""
    files = [file for file in site.rglob("*.html") if apart not in file.relative_to(site).parts]
    pages = {file.resolve(): Page(file) for file in files if file.name != _ABSOLUTE}
    for file, page in pages.items():
        for address in (*page.links, *page.loads):
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            place = unquote(parts.fragment)
            known = pages[target].places | {""} if target in pages else {place}
            if not target.is_file() or place not in known:
                yield f"{file.name}: {address}"


def foreign(site: Path) -> Iterator[str]:
    """Find what pages would load from another address."""
    for file in site.rglob("*.html"):
        for address in Page(file).loads:
            parts = urlsplit(address)
            if parts.netloc or parts.scheme not in ("", "data"):
                yield f"{file.name}: {address}"
