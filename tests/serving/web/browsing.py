"""What the browser tests share: a page at one size and mode, whose every request is watched."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Locator, Page, expect

SIZES = {"desktop": (1280, 800), "phone": (375, 740)}


@contextmanager
def visiting(browser: Browser, url: str, size: str = "desktop", scheme: str = "light") -> Iterator[Page]:
    """A page of this size and scheme: it contacts no other host, runs no injected script, stays within its policy and
    keeps nothing."""
    width, height = SIZES[size]
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
    requested, ran, forbidden = [], [], []
    page.on("console", lambda told: forbidden.append(told.text) if "Content Security Policy" in told.text else None)
    page.on("request", lambda sent: requested.append(sent.url))
    page.on("dialog", lambda dialog: (ran.append(dialog.message), dialog.dismiss()))
    try:
        page.goto(url)
        ready(page)
        yield page
        hosts = {urlsplit(address).netloc for address in requested if not address.startswith(("data:", "blob:"))}
        assert hosts == {urlsplit(url).netloc}
        assert ran == forbidden == []
        assert page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]
        assert page.evaluate("indexedDB.databases()") == []
    finally:
        page.close()


def ready(page: Page) -> None:
    """Wait for the page's script, which gives the answer its role."""
    expect(answer(page)).to_contain_text("The answer appears here", timeout=60_000)


def give(page: Page, *paths: Path) -> None:
    page.set_input_files("#upload input[type=file]", paths)


def answer(page: Page) -> Locator:
    return page.get_by_role("status", name="Answer")


def fits(page: Page) -> bool:
    """Whether nothing has to be scrolled sideways."""
    return page.evaluate("document.documentElement.scrollWidth <= innerWidth")
