"""The built site on this machine: WebAssembly and modules with the types browsers insist on."""

from __future__ import annotations

import errno
import os
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from docs.tools import SiteError
from tinygrad_edu.shared.arguments import whole

HOST = "127.0.0.1"
TYPES = {
    ".css": "text/css",
    ".html": "text/html; charset=utf-8",
    ".ipynb": "application/json",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
    ".whl": "application/zip",
}


class Files(SimpleHTTPRequestHandler):
    """Files of a folder, with TYPES, whatever this machine's own table of types says."""

    extensions_map = SimpleHTTPRequestHandler.extensions_map | TYPES

    def end_headers(self) -> None:
        """Say that a page may have changed, so that a new build is seen at once."""
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: a page of the course asks for some two hundred files."""


class Server(ThreadingHTTPServer):
    """A server that thinks nothing of a browser that goes away in the middle of a file."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report what went wrong, unless it is that."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def server(folder: Path, port: int = 0) -> Server:
    """Make a server of a built site, on 127.0.0.1 alone, not yet running; port 0 is any free one.

    Raise SiteError if there is no built site in the folder, or the port is taken.
    """
    port = whole("port", port, least=0)
    if not (folder / "index.html").is_file():
        raise SiteError(
            f"there is no site in {folder}.",
            expected="a folder with index.html",
            fix="python -m docs",
        )
    try:
        return Server((HOST, port), partial(Files, directory=os.fspath(folder)))
    except (OSError, OverflowError) as error:
        taken = getattr(error, "errno", None) == errno.EADDRINUSE
        why = "is in use" if taken else f"can't be opened: {error}"
        raise SiteError(
            f"port {port} {why}.",
            expected="a free port, at most 65535",
            fix="python -m docs serve --port 0",
        ) from None


def serve(folder: Path, port: int) -> None:
    """Serve until Ctrl-C."""
    with server(folder, port) as running:
        address = f"http://{HOST}:{running.server_port}/"
        print(f"{folder} on {address}   (Ctrl-C ends it)", flush=True)
        running.serve_forever()
