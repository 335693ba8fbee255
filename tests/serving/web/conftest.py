"""A running app, the page, and a browser."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright
from support import serving

from cxr.serving.predictor import Predictor
from cxr.serving.web import interface, server

Serve = Callable[..., AbstractContextManager[str]]


@pytest.fixture(scope="session")
def serve() -> Serve:
    return serving


@pytest.fixture(scope="session")
def page_url(gated: Path) -> Iterator[str]:
    """The page for that model, served by this process."""
    blocks = interface.build(Predictor.load(str(gated)))
    yield server.launch(blocks, "127.0.0.1", None)
    blocks.close(verbose=False)


_DISABLED = ("gpu", "quic", "background-networking", "component-update", "sync")
_ARGUMENTS = ["--headless", "--no-sandbox", "--no-first-run", *(f"--disable-{name}" for name in _DISABLED)]


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=_ARGUMENTS)
        yield browser
        browser.close()
