"""The table of several images, its CSV, and what file names and contents must not do to them."""

import base64
import csv
import io
import re
import threading
import zipfile
from pathlib import Path

import pytest
from PIL import Image, ImageOps

from cxr import phantom
from cxr.errors import UserError
from cxr.imaging import reader
from cxr.schema.verdicts import OF_CLASS
from cxr.serving.answer import COLUMNS, FileAnswer
from cxr.serving.heatmap import png
from cxr.serving.model_info import ModelInfo
from cxr.serving.predictor import Predictor
from cxr.serving.web import table
from cxr.serving.web.handlers import Handlers
from cxr.serving.web.protection.limits import MAX_IMAGES, TimeLimit, Turns
from cxr.serving.web.protection.uploads import Upload, images_in

EVIL = "<b onclick=alert(1)>"


def image(folder: Path, name: str, seed: int = 5) -> Upload:
    path = folder / f"{abs(hash(name))}"
    path.write_bytes(png(phantom.draw_phantom(seed, 1).image))
    return Upload(path, name)


def written(html: str) -> list[list[str]]:
    (encoded,) = re.findall(r'href="data:text/csv;charset=utf-8;base64,([^"]+)"', html)
    return list(csv.reader(io.StringIO(base64.b64decode(encoded).decode())))


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_a_file_name_is_never_a_formula(predictor: Predictor, start: str):
    name = f'{start}HYPERLINK("http://x")'
    shown = table.summary([FileAnswer(name, error="the file is empty")], ModelInfo.of(predictor))
    header, row = written(shown)
    assert header == list(COLUMNS)
    assert row[0] == f"'{name}"


def test_names_and_reasons_are_text_and_not_markup():
    html = table.rows([FileAnswer(f"{EVIL}/{EVIL}", error=EVIL)], 1)
    assert "<b" not in html
    assert html.count("&lt;b onclick=alert(1)&gt;") == 3


def test_a_name_with_broken_characters_can_be_kept(predictor: Predictor):
    shown = table.summary([FileAnswer("\ud800.png", error="the file is empty")], ModelInfo.of(predictor))
    assert written(shown)[1][0] == "?.png"


def test_a_bad_file_is_a_row_and_every_file_is_deleted(predictor: Predictor, tmp_path: Path):
    good, gone, bad = (image(tmp_path, name) for name in ("good.png", "gone.png", "bad.png"))
    gone.path.unlink()
    bad.path.write_bytes(b"not an image")
    *_, (card, rows, box) = Handlers(predictor, Turns(predictor.read, TimeLimit())).answer_uploads([good, gone, bad])
    assert box is None
    assert "3 images answered" in card
    told = dict(zip([row[0] for row in written(card)], [row[-1] for row in written(card)], strict=True))
    assert told["good.png"] == ""
    assert told["gone.png"].startswith("the file cannot be opened")
    assert told["bad.png"].startswith("the file is not an image we can read")
    assert "The file cannot be opened" in rows
    assert not any(upload.path.exists() for upload in (good, gone, bad))


def test_the_table_grows_row_by_row(predictor: Predictor, tmp_path: Path):
    shown = [
        rows
        for _, rows, _ in Handlers(predictor, Turns(predictor.read, TimeLimit())).answer_uploads(
            [image(tmp_path, f"{n}.png") for n in range(3)]
        )
    ]
    assert [rows.count("<tr class") for rows in shown] == [0, 1, 2, 3, 3]
    assert [re.search(r"(\d) of 3</span>", rows)[1] for rows in shown] == ["0", "1", "2", "3", "3"]
    assert ["growing" in rows for rows in shown] == [True, True, True, False, False]


def test_a_visitor_who_leaves_ends_the_batch_and_leaves_no_file(predictor: Predictor, tmp_path: Path):
    uploads = [image(tmp_path, f"{n}.png") for n in range(3)]
    answering = Handlers(predictor, Turns(predictor.read, TimeLimit())).answer_uploads(uploads)
    next(answering)
    answering.close()
    assert not any(upload.path.exists() for upload in uploads)


def zipped(folder: Path, **entries: bytes) -> Upload:
    path = folder / "given.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return Upload(path, "ward.zip")


def test_a_zip_is_its_images_under_the_visitors_name_for_it(tmp_path: Path):
    found = images_in([zipped(tmp_path, **{"a/b.png": b"x", "a/.hidden.png": b"x", "readme.md": b"x"})])
    assert [str(upload) for upload in found] == ["ward.zip/a/b.png"]
    with pytest.raises(UserError, match="not an image"):
        reader.read_radiograph(found[0].read())


def test_a_zip_without_an_image_is_one_bad_file(tmp_path: Path):
    (found,) = images_in([zipped(tmp_path, **{"readme.md": b"x"})])
    with pytest.raises(UserError, match="is not an image"):
        reader.read_radiograph(found.read())


def test_a_zip_of_very_many_files_is_refused(tmp_path: Path):
    with pytest.raises(UserError, match=r"ward\.zip is a zip of more than 2,000 files"):
        images_in([zipped(tmp_path, **{f"{number}.txt": b"" for number in range(2001)})])


def test_more_images_than_the_page_answers_are_refused_in_a_sentence(tmp_path: Path):
    with pytest.raises(UserError, match=f"more than {MAX_IMAGES} images"):
        images_in([Upload(tmp_path, f"{number}.png") for number in range(MAX_IMAGES + 1)])


def test_very_long_names_are_shortened_in_their_middle():
    name = str(Upload(Path("x"), "a" * 5000 + ".png"))
    assert len(name) < 250
    assert name.endswith(".png")


def test_an_answer_that_takes_too_long_is_a_sentence(
    predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    may_answer = threading.Event()
    monkeypatch.setattr(predictor, "explain", lambda xray: may_answer.wait(30))
    slow = Handlers(predictor, Turns(predictor.read, TimeLimit(0.2)))
    shown = [next(slow.answer_uploads([image(tmp_path, f"{n}.png")]))[0] for n in range(3)]
    may_answer.set()
    assert "The answer took longer than 0.2 seconds: use a smaller image." in shown[0]
    assert "The app is busy with other requests: try again in a minute." in shown[2]


def test_other_visitors_are_answered_between_the_images_of_a_batch(predictor: Predictor, tmp_path: Path):
    handlers = Handlers(predictor, Turns(predictor.read, TimeLimit()))
    batch = handlers.answer_uploads([image(tmp_path, f"{n}.png") for n in range(4)])
    next(batch)
    next(batch)
    ((card, *_),) = handlers.answer_uploads([image(tmp_path, "other.png")])
    assert any(verdict in card for verdict in OF_CLASS.values())
    assert "4 images answered" in [card for card, *_ in batch][-1]


def test_row_and_csv_say_when_an_image_has_colours(predictor: Predictor, tmp_path: Path):
    gray, tinted = image(tmp_path, "gray.png"), image(tmp_path, "tinted.png")
    with Image.open(tinted.path) as opened:
        ImageOps.colorize(opened, "black", "lemonchiffon").save(tinted.path, "PNG")
    *_, (card, rows, _) = Handlers(predictor, Turns(predictor.read, TimeLimit())).answer_uploads([gray, tinted])
    assert rows.count("photograph of a screen") == 1
    assert "photograph of a screen" in rows.split("<tr")[-1]
    assert ["photograph" in " ".join(row) for row in written(card)] == [False, False, True]
