"""The page as a visitor sees it, in a headless Chromium."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect
from tiny import Published

from cxr.labels import DISCLAIMER

pytestmark = pytest.mark.browser


@pytest.fixture(params=[(1280, 800), (375, 740)], ids=["desktop", "phone"])
def page(browser: Browser, app_url: str, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The app at one screen size; the fixture fails the test if anything asks another host."""
    width, height = request.param
    page = browser.new_page(viewport={"width": width, "height": height})
    asked = []
    page.on("request", lambda sent: asked.append(sent.url))
    page.goto(app_url)
    expect(page.get_by_text("The answer appears here")).to_be_visible(timeout=30_000)
    yield page
    page.close()
    hosts = {urlsplit(url).netloc for url in asked if not url.startswith(("data:", "blob:"))}
    assert hosts == {urlsplit(app_url).netloc}


def give(page: Page, path: Path) -> None:
    page.set_input_files("#upload input[type=file]", path)


def test_upload_to_verdict(page: Page, xray: Path, published: Published):
    give(page, xray)
    answer = page.get_by_role("status", name="Answer")
    expect(answer.get_by_role("heading")).to_contain_text("COVID-19 pattern", timeout=30_000)
    expect(answer).to_contain_text("(threshold 0.41)")
    expect(answer).to_contain_text(DISCLAIMER)
    expect(answer).to_contain_text(f"{published.repo_id} @ {published.revision[:7]}")
    expect(answer).to_contain_text("synthetic pictures")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_heatmap_lies_over_the_picture_and_fades_by_keyboard(page: Page, xray: Path):
    give(page, xray)
    slider = page.get_by_role("slider", name="Opacity of the heatmap")
    expect(slider).to_be_visible(timeout=30_000)
    heat, picture = page.locator("#answer .heat"), page.locator("#answer .xray img").first
    assert heat.bounding_box() == pytest.approx(picture.bounding_box(), abs=1)
    expect(heat).to_have_css("opacity", "0.5")
    slider.press("Home")
    expect(heat).to_have_css("opacity", "0")


def test_text_file_then_synthetic_example_by_keyboard(page: Page, text: Path):
    give(page, text)
    answer = page.get_by_role("status", name="Answer")
    expect(answer).to_contain_text("The picture is no image we can read", timeout=30_000)
    page.get_by_role("button", name="Synthetic, no opacities").press("Enter")
    expect(answer).to_contain_text("COVID-19 pattern", timeout=30_000)
    expect(answer.get_by_role("img", name="Synthetic, no opacities")).to_be_visible()
