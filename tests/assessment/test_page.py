"""The page of an assessment in a browser: whole without any other file or host, readable on a phone."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from cxr.assessment.command import main
from cxr.assessment.report import write_report

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("width", [390, 1280])
def test_plots_and_tables_are_in_it_and_nothing_is_fetched(browser: Browser, assessed: Path, width: int):
    page = browser.new_page(viewport={"width": width, "height": 800})
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((assessed / "assessment.html").as_uri())
    assert [url for url in asked if not url.startswith("data:")] == [(assessed / "assessment.html").as_uri()]
    sizes = page.eval_on_selector_all("figure img", "images => images.map(image => image.naturalWidth)")
    assert len(sizes) == 5
    assert min(sizes) > 300
    assert page.locator("table").count() > 2
    assert "AUROC" in page.locator("main").inner_text()
    assert page.locator(".disclaimer").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.close()


def test_two_models_fit_a_phone(browser: Browser, finished: Path, dataset: Path, with_other: Path, tmp_path: Path):
    models = ["--model", str(finished), "--model2", str(finished)]
    assert main([*models, "--dataset", str(dataset), f"clinic={with_other}", "--out", str(tmp_path), "--use_cpu"]) == 0
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.goto((tmp_path / "assessment.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert "Differences" in page.locator("main").inner_text()
    assert page.locator("figure img").count() == 11
    page.close()


def test_names_do_not_become_part_of_the_page(browser: Browser, assessed: Path, tmp_path: Path):
    """As those of a model, a source and a label may be anything."""
    name = '<img src="x" onerror="document.title = 1"><b>bold</b>'
    text = (assessed / "assessment.json").read_text(encoding="utf-8")
    assessment = json.loads(text)
    assessment["models"][0]["model_id"] = name
    assessment["datasets"] = {name: next(iter(assessment["datasets"].values()))}
    write_report(tmp_path, assessment)
    page = browser.new_page()
    page.goto((tmp_path / "assessment.html").as_uri())
    assert page.locator("h1").inner_text() == f"Assessment of {name}"
    assert page.locator("b").count() == 0
    assert "<b>" not in (tmp_path / "assessment.md").read_text(encoding="utf-8")
    page.close()
