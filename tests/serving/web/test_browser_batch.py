"""Several files at once: a table that grows, a CSV to keep, no file that ends it."""

import csv
import io
import zipfile
from pathlib import Path

import pytest
from browsing import SIZES, answer, fits, give, ready, visiting
from dicom_files import dicom, exposure
from playwright.sync_api import Browser, Page, expect

from cxr import phantom
from cxr.serving.answer import COLUMNS
from cxr.serving.heatmap import png
from cxr.serving.web.protection.limits import MAX_IMAGES

pytestmark = pytest.mark.browser
EVIL = "<img src=x onerror=alert(1)>.png"
FORMULA = "=cmd.png"
BAD = "notes.png"


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Twenty files: phantoms, among them two with malicious names, and one that is not an image."""
    folder = tmp_path_factory.mktemp("ward")
    names = [f"{number:02}.png" for number in range(17)] + [EVIL, FORMULA]
    for seed, name in enumerate(names):
        (folder / name).write_bytes(png(phantom.draw_phantom(seed, seed % 2).image))
    (folder / BAD).write_text("not an image at all")
    return sorted(folder.iterdir())


def downloaded(page: Page) -> list[dict[str, str]]:
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the table as CSV").click()
    assert download.value.suggested_filename == "answers.csv"
    text = Path(download.value.path()).read_text(encoding="utf-8")
    rows = csv.DictReader(io.StringIO(text))
    assert tuple(rows.fieldnames) == COLUMNS
    return list(rows)


@pytest.mark.parametrize("size", SIZES)
def test_twenty_files_become_a_table_and_a_csv(browser: Browser, page_url: str, ward: list[Path], size: str):
    with visiting(browser, page_url, size) as page:
        give(page, *ward)
        expect(answer(page).get_by_role("heading")).to_have_text("20 images answered", timeout=120_000)
        expect(page.get_by_role("progressbar", name="Images answered: 20 of 20")).to_be_visible()
        expect(page.get_by_text("20 of 20", exact=True)).to_be_visible()
        rows = page.locator("#table tbody tr")
        expect(rows).to_have_count(20)
        expect(rows.filter(has_text=EVIL)).to_have_count(1)
        assert page.locator("#table img, #answer img").count() == 0
        expect(rows.filter(has_text=BAD)).to_contain_text("The file is not an image we can read")
        expect(rows.filter(has_text="00.png")).to_contain_text("COVID-19 pattern")
        expect(answer(page)).to_contain_text("1 × no answer")
        assert fits(page)
        table = {row["file"]: row for row in downloaded(page)}
    assert set(table) == {path.name for path in ward} - {FORMULA} | {f"'{FORMULA}"}
    assert table[BAD]["error"].startswith("the file is not an image")
    assert 0 < float(table["00.png"]["probability"]) < 1
    assert all(row["verdict"] or row["error"] for row in table.values())


HOSTILE = (
    "<script>alert(1)</script>",
    '"><svg onload=alert(1)>',
    "' autofocus onfocus=alert(1) x='",
    "javascript:alert(1)",
    "</th><iframe srcdoc='<script>parent.alert(1)<&#x2f;script>'>",
    "{{constructor.constructor('alert(1)')()}}",
    "${alert(1)}",
    "\u202egnp.exe",
)
TAGS = ("PatientName", "ViewPosition", "Modality", "PatientID", "SeriesDescription", "PhotometricInterpretation")


def test_neither_names_nor_dicom_tags_become_part_of_the_page(browser: Browser, page_url: str, tmp_path: Path):
    files = []
    for number, text in enumerate(HOSTILE):
        tagged = dicom(exposure(8), 8, **dict.fromkeys(TAGS[: number % len(TAGS) + 1], ascii(text)[1:-1]))
        for content, kind in ((tagged, "dcm"), (png(phantom.draw_phantom(number, 1).image), "png")):
            path = tmp_path / f"{text.replace('/', chr(0x2215))}.{kind}"
            path.write_bytes(content)
            files.append(path)
    with visiting(browser, page_url) as page:
        give(page, *files)
        expect(answer(page).get_by_role("heading")).to_have_text(f"{len(files)} images answered", timeout=120_000)
        names = page.locator("#table tbody th").all_inner_texts()
        assert sorted(names) == sorted(path.name for path in files)
        assert page.locator("#table :is(script, svg, iframe, img, [onload], [onfocus], [onerror])").count() == 0
        give(page, files[0])
        expect(answer(page)).not_to_contain_text("images answered", timeout=30_000)
        assert "alert" not in answer(page).inner_html()


def test_markup_that_got_into_the_page_would_run_nothing(browser: Browser, page_url: str):
    page, ran, forbidden = browser.new_page(), [], []
    page.on("dialog", lambda dialog: (ran.append(dialog.message), dialog.dismiss()))
    page.on("console", lambda told: forbidden.append(told.text) if "Content Security Policy" in told.text else None)
    page.goto(page_url)
    ready(page)
    for markup in ("<img src=x onerror=alert(1)>", "<iframe srcdoc='<script>alert(1)</script>'></iframe>"):
        page.evaluate("markup => document.getElementById('answer').innerHTML = markup", markup)
    page.evaluate("""() => {
        const script = document.createElement("script");
        script.textContent = "alert(1)";
        document.body.append(script);
        return fetch("http://127.0.0.1:9/").catch(() => 0);
    }""")
    page.wait_for_timeout(300)
    page.close()
    assert ran == []
    assert len(forbidden) >= 3


def test_the_answers_of_a_batch_are_those_of_one_by_one(browser: Browser, page_url: str, ward: list[Path]):
    with visiting(browser, page_url) as page:
        give(page, ward[0])
        expect(answer(page).get_by_role("img", name="Your image")).to_be_visible(timeout=30_000)
        alone = answer(page).locator(".sentence").inner_text()
        give(page, *ward[:2])
        expect(answer(page).get_by_role("heading")).to_have_text("2 images answered", timeout=30_000)
        probability = f"{float(downloaded(page)[0]['probability']):.2f}"
        assert f"robability {probability} " in alone
        give(page, ward[1])
        expect(answer(page).get_by_role("img", name="Your image")).to_be_visible(timeout=30_000)
        expect(page.locator("#table")).to_have_text("")


def test_a_zip_is_a_batch_too(browser: Browser, page_url: str, ward: list[Path], tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "ward.zip", "w") as archive:
        for path in ward[:3]:
            archive.write(path, f"monday/{path.name}")
    with visiting(browser, page_url) as page:
        give(page, tmp_path / "ward.zip")
        expect(answer(page).get_by_role("heading")).to_have_text("3 images answered", timeout=30_000)
        assert [row["file"] for row in downloaded(page)] == [f"ward.zip/monday/{path.name}" for path in ward[:3]]


def test_a_file_over_the_limit_is_a_sentence_and_in_a_batch_a_row(
    browser: Browser, page_url: str, ward: list[Path], tmp_path: Path
):
    large = tmp_path / "large.png"
    with large.open("wb") as stream:
        stream.truncate((50 << 20) + 1)
    with visiting(browser, page_url) as page:
        give(page, large)
        expect(answer(page)).to_contain_text("The image is larger than 50 MB.", timeout=30_000)
        give(page, large, ward[0])
        row = page.locator("#table tbody tr").filter(has_text="large.png")
        expect(row).to_contain_text("The file is larger than 50 MB.", timeout=30_000)


def test_more_files_than_the_page_answers_are_a_sentence(browser: Browser, page_url: str, tmp_path: Path):
    paths = [tmp_path / f"{number}.png" for number in range(MAX_IMAGES + 50)]
    for path in paths:
        path.write_bytes(b"x")
    with visiting(browser, page_url) as page:
        give(page, *paths)
        expect(answer(page)).to_contain_text(f"More than {MAX_IMAGES} images were given", timeout=30_000)
        expect(page.locator("#table")).to_have_text("")
