"""Contact sheets and charts: one page for each collection and class, the same every time."""

import numpy as np
import pytest
from PIL import Image
from raw import prepare, save, table

from dataset_script.audit import sheets

PAGE = (1390, 1364)


def dataset(folder, sources, images=90):
    rows = []
    for number in range(images):
        name = f"{'deep/' * 12 if number == 0 else ''}{number:03d}.bmp"
        save(folder / "raw" / name, number, height=40 + number % 30, width=60)
        label = "COVID" if number % 2 else "NON-COVID"
        rows.append({"file": name, "label": label, "source": sources[number % len(sources)], "patient_id": number})
    prepare(folder / "out", f"table={table(folder / 'raw' / 'made.csv', rows)}", image_size=40)
    return folder / "out"


def test_every_source_and_class_has_its_sheet_and_the_splits_their_table(tmp_path):
    out = dataset(tmp_path, ["east", "west", "east"])
    paths = sheets.draw(out, tmp_path / "pictures")
    expected = ["split_table.png", "east-NON-COVID.png", "east-COVID.png", "west-NON-COVID.png", "west-COVID.png"]
    assert [path.name for path in paths] == expected
    assert sorted(path.name for path in (tmp_path / "pictures").iterdir()) == sorted(expected)
    sizes = {path.name: Image.open(path).size for path in paths}
    assert sizes["east-COVID.png"] == PAGE
    assert sizes["west-COVID.png"][1] < PAGE[1]


def test_the_same_dataset_gives_the_same_pages(tmp_path):
    out = dataset(tmp_path, ["one"])
    first, again = (sheets.draw(out, tmp_path / name) for name in ("a", "b"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]


def test_sources_whose_names_are_no_file_names_stay_apart(tmp_path):
    out = dataset(tmp_path, ["a/b", "a?b", "../c$x$"])
    paths = sheets.draw(out, tmp_path / "pictures")
    assert len({path.name for path in paths}) == 7
    assert {path.parent for path in paths} == {tmp_path / "pictures"}


@pytest.mark.parametrize("level", [0, 130, 255])
def test_a_tile_shows_the_whole_picture_on_paper(tmp_path, level):
    raw = tmp_path / "raw"
    raw.mkdir()
    rows = []
    for number in range(60):
        picture = np.full((40, 80), level, np.uint8)
        picture[0, number] ^= 1  # byte-identical files of both classes would be refused
        Image.fromarray(picture).save(raw / f"{number}.png")
        rows.append({"file": f"{number}.png", "label": number % 2, "patient_id": number})
    prepare(tmp_path / "out", f"table={table(raw / 'made.csv', rows)}", image_size=40)
    page = np.asarray(Image.open(sheets.draw(tmp_path / "out", tmp_path / "pictures")[1]))
    assert abs(int(page[44 + 110, 10 + 110]) - level) <= 2
    assert page[44 + 20, 10 + 110] == 250
    assert abs(int(page[44 + 60, 10 + 110]) - level) <= 2
