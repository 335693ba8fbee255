"""The page as a visitor sees it, in a headless Chromium."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import SIZES, answer, fits, give, visiting
from playwright.sync_api import Browser, Page, expect
from sklearn.datasets import load_sample_image
from tiny import Published

from cxr.schema.verdicts import DISCLAIMER
from cxr.serving.heatmap import png

pytestmark = pytest.mark.browser


@pytest.fixture(params=SIZES)
def page(browser: Browser, app_url: str, request: pytest.FixtureRequest) -> Iterator[Page]:
    with visiting(browser, app_url, request.param) as page:
        yield page


@pytest.fixture(params=SIZES)
def gated_page(browser: Browser, page_url: str, request: pytest.FixtureRequest) -> Iterator[Page]:
    with visiting(browser, page_url, request.param) as page:
        yield page


def test_upload_to_verdict(page: Page, xray: Path, published: Published):
    give(page, xray)
    expect(answer(page).get_by_role("heading")).to_contain_text("COVID-19 pattern", timeout=30_000)
    expect(answer(page)).to_contain_text("(threshold 0.41)")
    expect(answer(page)).to_contain_text(DISCLAIMER)
    expect(answer(page)).to_contain_text(f"{published.repo_id} @ {published.revision[:7]}")
    expect(answer(page)).to_contain_text("synthetic images")
    assert fits(page)


def test_the_heatmap_lies_over_the_image_and_fades_by_keyboard(gated_page: Page, xray: Path):
    page = gated_page
    give(page, xray)
    slider = page.get_by_role("slider", name="Opacity of the heatmap")
    expect(slider).to_be_visible(timeout=30_000)
    heat, image = page.locator("#answer .heat"), page.locator("#answer .xray img").first
    assert heat.bounding_box() == pytest.approx(image.bounding_box(), abs=1)
    expect(heat).to_have_css("opacity", "0.5")
    slider.press("Home")
    expect(heat).to_have_css("opacity", "0")


def test_a_map_that_was_not_measured_waits_for_its_button_by_keyboard(page: Page, xray: Path):
    give(page, xray)
    button, heat = answer(page).get_by_role("button", name="Show the map anyway"), page.locator("#answer .heat")
    expect(button).to_be_visible(timeout=30_000)
    expect(answer(page)).to_contain_text("was not measured on patients")
    expect(heat).to_be_hidden()
    assert answer(page).get_by_role("slider").count() == 0
    button.press("Enter")
    expect(heat).to_be_visible()
    expect(answer(page).get_by_role("slider")).to_be_visible()
    assert fits(page)
    answer(page).get_by_role("button", name="Hide the map").press("Enter")
    expect(heat).to_be_hidden()


def test_text_file_then_synthetic_example_by_keyboard(page: Page, text: Path):
    give(page, text)
    expect(answer(page)).to_contain_text("The image is not an image we can read", timeout=30_000)
    page.get_by_role("button", name="Synthetic, no opacities").press("Enter")
    expect(answer(page)).to_contain_text("COVID-19 pattern", timeout=30_000)
    expect(answer(page).get_by_role("img", name="Synthetic, no opacities")).to_be_visible()


def test_a_photograph_is_refused_in_words(gated_page: Page, tmp_path: Path):
    photograph = tmp_path / "holiday.png"
    photograph.write_bytes(png(load_sample_image("china.jpg")))
    give(gated_page, photograph)
    said = answer(gated_page)
    expect(said.get_by_role("heading")).to_contain_text("Not an X-ray like those it learned from", timeout=30_000)
    expect(said).to_contain_text("its probability means nothing here")
    expect(said).to_contain_text(DISCLAIMER)
    assert said.get_by_role("slider").count() == 0
    assert fits(gated_page)


def test_what_is_known_of_the_model_stands_beside_the_answer(gated_page: Page, xray: Path):
    give(gated_page, xray)
    said = answer(gated_page)
    expect(said.get_by_role("heading")).to_contain_text("COVID-19 pattern", timeout=30_000)
    expect(said).to_contain_text("AUROC 0.97 inside, 0.65 outside (clinic): this model reads the source.")
    expect(said).to_contain_text("External data (clinic): AUROC 0.65 (95 % interval 0.55–0.73), 1,250 images.")


def test_a_model_without_results_from_elsewhere_says_so(page: Page):
    expect(answer(page)).to_contain_text("No result on images from another hospital is known.")
