"""The table of several pictures, its CSV, and what a visitor's files may do to them."""

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
from cxr.serving import model_info
from cxr.serving.batch import COLUMNS, Row
from cxr.serving.predictor import Predictor
from cxr.serving.web import pages, table, upload_files
from cxr.serving.web.handlers import Desk
from cxr.serving.web.time_limit import Patience
from cxr.serving.web.upload_files import MOST, Upload

EVIL = "<b onclick=alert(1)>"


def picture(folder: Path, name: str, seed: int = 5) -> Upload:
    path = folder / f"{abs(hash(name))}"
    path.write_bytes(pages.png(phantom.draw_phantom(seed, 1).image))
    return Upload(path, name)


def written(html: str) -> list[list[str]]:
    (encoded,) = re.findall(r'href="data:text/csv;charset=utf-8;base64,([^"]+)"', html)
    return list(csv.reader(io.StringIO(base64.b64decode(encoded).decode())))


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_a_file_name_is_never_a_formula(predictor: Predictor, start: str):
    name = f'{start}HYPERLINK("http://x")'
    shown = table.summary([Row(Upload(Path("x"), name), error="the file is empty")], model_info.of(predictor))
    header, row = written(shown)
    assert header == list(COLUMNS)
    assert row[0] == f"'{name}"


def test_names_and_reasons_are_text_and_not_markup():
    html = table.rows([Row(Upload(Path("x"), EVIL, EVIL), error=EVIL)], 1)
    assert "<b" not in html
    assert html.count("&lt;b onclick=alert(1)&gt;") == 3


def test_a_name_with_broken_characters_can_be_kept(predictor: Predictor):
    shown = table.summary([Row(Upload(Path("x"), "\ud800.png"), error="the file is empty")], model_info.of(predictor))
    assert written(shown)[1][0] == "?.png"


def test_a_bad_file_is_a_row_and_every_file_is_deleted(predictor: Predictor, tmp_path: Path):
    good, gone, bad = (picture(tmp_path, name) for name in ("good.png", "gone.png", "bad.png"))
    gone.path.unlink()
    bad.path.write_bytes(b"no picture")
    *_, (card, rows, box) = Desk(predictor, Patience()).show_uploads([good, gone, bad])
    assert box is None
    assert "3 pictures answered" in card
    told = dict(zip([row[0] for row in written(card)], [row[-1] for row in written(card)], strict=True))
    assert told["good.png"] == ""
    assert told["gone.png"].startswith("the file cannot be opened")
    assert told["bad.png"].startswith("the file is not an image we can read")
    assert "The file cannot be opened" in rows
    assert not any(upload.path.exists() for upload in (good, gone, bad))


def test_the_table_grows_row_by_row(predictor: Predictor, tmp_path: Path):
    shown = [
        rows
        for _, rows, _ in Desk(predictor, Patience()).show_uploads([picture(tmp_path, f"{n}.png") for n in range(3)])
    ]
    assert [rows.count("<tr class") for rows in shown] == [0, 1, 2, 3, 3]
    assert [re.search(r"(\d) of 3</span>", rows)[1] for rows in shown] == ["0", "1", "2", "3", "3"]
    assert ["growing" in rows for rows in shown] == [True, True, True, False, False]


def test_a_visitor_who_leaves_ends_the_batch_and_leaves_no_file(predictor: Predictor, tmp_path: Path):
    uploads = [picture(tmp_path, f"{n}.png") for n in range(3)]
    answering = Desk(predictor, Patience()).show_uploads(uploads)
    next(answering)
    answering.close()
    assert not any(upload.path.exists() for upload in uploads)


def zipped(folder: Path, **entries: bytes) -> Upload:
    path = folder / "given.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return Upload(path, "ward.zip")


def test_a_zip_is_its_pictures_under_the_visitors_name_for_it(tmp_path: Path):
    found = upload_files.pictures([zipped(tmp_path, **{"a/b.png": b"x", "a/.hidden.png": b"x", "readme.md": b"x"})])
    assert [str(upload) for upload in found] == ["ward.zip/a/b.png"]
    with pytest.raises(UserError, match="no image"):
        reader.read_radiograph(found[0].read("50 MB"))


def test_a_zip_without_a_picture_is_one_bad_file(tmp_path: Path):
    (found,) = upload_files.pictures([zipped(tmp_path, **{"readme.md": b"x"})])
    with pytest.raises(UserError, match="is not an image"):
        reader.read_radiograph(found.read("50 MB"))


def test_a_zip_of_very_many_files_is_refused(tmp_path: Path):
    with pytest.raises(UserError, match="holds 2,001 files"):
        upload_files.pictures([zipped(tmp_path, **{f"{number}.txt": b"" for number in range(2001)})])


def test_more_pictures_than_the_page_answers_are_refused_in_a_sentence(tmp_path: Path):
    with pytest.raises(UserError, match=f"more than {MOST} pictures"):
        upload_files.pictures([Upload(tmp_path, f"{number}.png") for number in range(MOST + 1)])


def test_very_long_names_are_shortened_in_their_middle():
    name = str(Upload(Path("x"), "a" * 5000 + ".png"))
    assert len(name) < 250
    assert name.endswith(".png")


def test_an_answer_that_takes_too_long_is_a_sentence(
    predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    may_answer = threading.Event()
    monkeypatch.setattr(predictor, "explain", lambda xray: may_answer.wait(30))
    slow = Desk(predictor, Patience(0.2))
    shown = [next(slow.show_uploads([picture(tmp_path, f"{n}.png")]))[0] for n in range(3)]
    may_answer.set()
    assert "The answer took longer than 0.2 seconds: give a smaller picture." in shown[0]
    assert "The app is busy with other questions: try again in a minute." in shown[2]


def test_other_visitors_are_answered_between_the_pictures_of_a_batch(predictor: Predictor, tmp_path: Path):
    asked = Desk(predictor, Patience())
    batch = asked.show_uploads([picture(tmp_path, f"{n}.png") for n in range(4)])
    next(batch)
    next(batch)
    ((card, *_),) = asked.show_uploads([picture(tmp_path, "other.png")])
    assert any(verdict in card for verdict in OF_CLASS.values())
    assert "4 pictures answered" in [card for card, *_ in batch][-1]


def test_row_and_csv_say_when_a_picture_has_colours(predictor: Predictor, tmp_path: Path):
    gray, tinted = picture(tmp_path, "gray.png"), picture(tmp_path, "tinted.png")
    with Image.open(tinted.path) as image:
        ImageOps.colorize(image, "black", "lemonchiffon").save(tinted.path, "PNG")
    *_, (card, rows, _) = Desk(predictor, Patience()).show_uploads([gray, tinted])
    assert rows.count("photograph of a screen") == 1
    assert "photograph of a screen" in rows.split("<tr")[-1]
    assert ["photograph" in " ".join(row) for row in written(card)] == [False, False, True]
