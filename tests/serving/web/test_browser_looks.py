"""Accessible: contrast in both modes, the keyboard alone, a first look without scrolling, paste and drop."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import answer, fits, give, ready, visiting
from playwright.sync_api import Browser, Locator, Page, expect

from cxr.schema.verdicts import DISCLAIMER

pytestmark = pytest.mark.browser
CONTRAST = Path(__file__).with_name("contrast.js").read_text(encoding="utf-8")


@pytest.fixture
def page(browser: Browser, page_url: str) -> Iterator[Page]:
    with visiting(browser, page_url) as page:
        yield page


def answered(page: Page) -> None:
    expect(answer(page).get_by_role("img", name="Your image")).to_be_visible(timeout=30_000)


def legible(page: Page) -> None:
    measured = page.evaluate(CONTRAST)
    assert measured["seen"] > 10
    assert measured["found"] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_the_contrast_that_wcag_asks(
    browser: Browser, page_url: str, scheme: str, xray: Path, text: Path, tmp_path: Path
):
    blank = tmp_path / "blank.bmp"
    blank.write_bytes(b"BM")
    with visiting(browser, page_url, scheme=scheme) as page:
        assert page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") == (scheme == "dark")
        page.mouse.move(640, 799)
        legible(page)
        give(page, xray)
        answered(page)
        legible(page)
        give(page, text)
        expect(answer(page)).to_contain_text("not an image we can read", timeout=30_000)
        legible(page)
        give(page, xray, text, blank)
        expect(answer(page)).to_contain_text("3 images answered", timeout=30_000)
        legible(page)


def test_the_first_look_shows_verdict_number_image_and_disclaimer(page: Page, xray: Path):
    give(page, xray)
    answered(page)
    card = answer(page)
    parts = [
        card.get_by_role("heading"),
        card.get_by_text("(threshold 0.41)"),
        card.locator(".scale"),
        card.get_by_role("img", name="Your image"),
        card.locator(".heat"),
        card.get_by_role("slider"),
        card.get_by_text(DISCLAIMER),
        card.get_by_text("External data (clinic)"),
    ]
    for part in parts:
        box = part.bounding_box()
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= 800, part
    assert page.evaluate("scrollY") == 0


def test_on_a_phone_the_verdict_is_in_view_at_once(browser: Browser, page_url: str, xray: Path):
    with visiting(browser, page_url, "phone") as page:
        give(page, xray)
        answered(page)
        box = answer(page).get_by_text("(threshold 0.41)").bounding_box()
        assert box["y"] + box["height"] <= 740
        assert fits(page)


def focus(page: Page, wanted: Locator) -> None:
    """Tab forward until it has the focus, which must be visible."""
    for _ in range(12):
        page.keyboard.press("Tab")
        if wanted.evaluate("element => element === document.activeElement"):
            break
    else:
        pytest.fail("the keyboard does not get there")
    drawn = "element => [getComputedStyle(element).outlineStyle, getComputedStyle(element).outlineWidth]"
    style, width = wanted.evaluate(drawn)
    assert style == "solid"
    assert float(width.removesuffix("px")) >= 2


def choose(page: Page, *paths: Path) -> None:
    """Open the file dialog by keyboard."""
    focus(page, page.locator("#upload button"))
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(paths)


def test_the_keyboard_alone_is_enough(page: Page, xray: Path, text: Path):
    page.on("filechooser", lambda _: None)  # Chromium is told in time that its dialogs will be answered
    choose(page, xray)
    answered(page)
    heat, slider = page.locator("#answer .heat"), answer(page).get_by_role("slider")
    focus(page, slider)
    page.keyboard.press("End")
    expect(heat).to_have_css("opacity", "1")
    page.locator("body").evaluate("() => document.activeElement.blur()")
    focus(page, page.get_by_role("button", name="Synthetic, no opacities"))
    page.keyboard.press("Enter")
    expect(answer(page).get_by_role("img", name="Synthetic, no opacities")).to_be_visible(timeout=30_000)
    page.reload()
    ready(page)
    choose(page, xray, text)
    expect(answer(page)).to_contain_text("2 images answered", timeout=30_000)
    focus(page, page.get_by_role("link", name="Download the table as CSV"))
    with page.expect_download():
        page.keyboard.press("Enter")


HEARD = """() => {
    const answer = document.getElementById("answer");
    let last = null;
    window.heard = [];
    const listen = () => {
        const heading = answer.querySelector("h2"), said = heading.textContent.trim();
        if (heading !== last || said !== window.heard.at(-1)) window.heard.push(said);
        last = heading;
    };
    listen();
    new MutationObserver(listen).observe(answer, {childList: true, characterData: true, subtree: true});
}"""


def test_a_screen_reader_hears_the_verdict_once_and_not_every_row(page: Page, xray: Path, text: Path):
    live = page.locator("#answer")
    assert live.get_attribute("aria-live") == "polite"
    page.evaluate(HEARD)
    give(page, xray, text, xray, text)
    expect(live).to_contain_text("4 images answered", timeout=30_000)
    assert page.evaluate("window.heard")[1:] == ["Answering 4 images", "4 images answered"]
    give(page, xray)
    answered(page)
    verdicts = ["COVID-19 pattern", "no COVID-19 pattern"]
    assert sum(live.get_by_role("heading", name=verdict, exact=True).count() for verdict in verdicts) == 1


FILE = """([event, target, kind, name, content]) => {
    const given = new DataTransfer();
    given.items.add(new File([Uint8Array.from(atob(content), letter => letter.charCodeAt(0))], name));
    const options = {bubbles: true, cancelable: true, [event === "paste" ? "clipboardData" : "dataTransfer"]: given};
    document.querySelector(target).dispatchEvent(new window[kind](event, options));
}"""


@pytest.mark.parametrize(
    ("event", "target", "kind"), [("paste", "body", "ClipboardEvent"), ("drop", "#upload button", "DragEvent")]
)
def test_images_can_be_pasted_and_dropped(page: Page, xray: Path, event: str, target: str, kind: str):
    page.evaluate(FILE, [event, target, kind, "scan.png", base64.b64encode(xray.read_bytes()).decode()])
    answered(page)
    page.evaluate(FILE, [event, target, kind, "notes.txt", base64.b64encode(b"not an image").decode()])
    expect(answer(page)).to_contain_text("not an image we can read", timeout=30_000)


def test_no_camera_is_offered(page: Page):
    assert page.locator("video, [aria-label*=webcam i], [aria-label*=camera i]").count() == 0
