"""One JupyterLab for all browser tests of a run, one Chromium for each module."""

import pytest

from tests.browser.lab import Lab
from tests.browser.page import find_chromium, open_browser


@pytest.fixture(scope="session")
def lab():
    """JupyterLab on a copy of the lessons, under the reference profile."""
    if find_chromium() is None:
        pytest.skip("no Chromium: `make tools` installs it")
    with Lab() as running:
        yield running


@pytest.fixture(scope="module")
def chromium():
    """The browser. It ends with the module: while it is open, Playwright keeps an event loop that others dislike."""
    if find_chromium() is None:
        pytest.skip("no Chromium: `make tools` installs it")
    with open_browser() as browser:
        yield browser
