"""A browser, and a folder of pages behind a server of this machine, as a reader meets them."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.browser.window import find_chromium, open_browser
from tools import pyodide


class Quiet(SimpleHTTPRequestHandler):
    """`python -m http.server`, which is what the pages tell the reader to start, without its log."""

    def log_message(self, format: str, *args) -> None:
        pass


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The address of a server of the folder."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def browser():
    if find_chromium() is None:
        pytest.skip("no Chromium: `make tools` installs it")
    with open_browser() as one:
        yield one


@pytest.fixture(scope="session")
def pyodide_here():
    """Pyodide's files, which `make site` puts beside the pages."""
    if not pyodide.FOLDER.is_dir():
        pytest.skip("no Pyodide: `make tools` fetches it")
