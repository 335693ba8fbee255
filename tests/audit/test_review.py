"""The review folder: a page for each collection and class, pages of near-duplicates, and charts."""

import json

import numpy as np
import pytest
from PIL import Image
from raw import patients, prepare, save, table

from dataset_script.audit.review import draw_pairs, draw_sheets, draw_split_table
from dataset_script.duplicates.search import Pair

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


def test_every_source_and_class_has_its_sheet(tmp_path):
    out = dataset(tmp_path, ["east", "west", "east"])
    paths = draw_sheets(out, tmp_path / "review")
    expected = ["east-NON-COVID.png", "east-COVID.png", "west-NON-COVID.png", "west-COVID.png"]
    assert [path.name for path in paths] == expected
    assert sorted(path.name for path in (tmp_path / "review").iterdir()) == sorted(expected)
    sizes = {path.name: Image.open(path).size for path in paths}
    assert sizes["east-COVID.png"] == PAGE
    assert sizes["west-COVID.png"][1] < PAGE[1]


def test_the_same_dataset_gives_the_same_pages(tmp_path):
    out = dataset(tmp_path, ["one"])
    first, again = (draw_sheets(out, tmp_path / name) for name in ("a", "b"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]


def test_sources_whose_names_are_no_file_names_stay_apart(tmp_path):
    out = dataset(tmp_path, ["a/b", "a?b", "../c$x$"])
    paths = draw_sheets(out, tmp_path / "review")
    assert len({path.name for path in paths}) == 6
    assert {path.parent for path in paths} == {tmp_path / "review"}


def test_the_split_table_has_a_row_for_each_source_and_class(tmp_path):
    counts = {label: dict.fromkeys(("train", "validation", "test"), 7) for label in ("NON-COVID", "COVID")}
    one, two = (
        draw_split_table(tmp_path / f"{len(names)}.png", dict.fromkeys(names, counts))
        for names in (["$a$"], ["$a$", "b"])
    )
    height, taller = (Image.open(path).height for path in (one, two))
    assert taller > height


@pytest.mark.parametrize("level", [0, 130, 255])
def test_a_tile_shows_the_whole_image_on_paper(tmp_path, level):
    raw = tmp_path / "raw"
    raw.mkdir()
    rows = []
    for number in range(60):
        pixels = np.full((40, 80), level, np.uint8)
        pixels[0, number] ^= 1  # byte-identical files of both classes would be refused
        Image.fromarray(pixels).save(raw / f"{number}.png")
        rows.append({"file": f"{number}.png", "label": number % 2, "patient_id": number})
    prepare(tmp_path / "out", f"table={table(raw / 'made.csv', rows)}", image_size=40)
    page = np.asarray(Image.open(draw_sheets(tmp_path / "out", tmp_path / "review")[0]))
    assert abs(int(page[44 + 110, 10 + 110]) - level) <= 2
    assert page[44 + 20, 10 + 110] == 250
    assert abs(int(page[44 + 60, 10 + 110]) - level) <= 2


def gray(index):
    return np.full((300, 200), 120, np.uint8)


def test_pairs_are_side_by_side_and_continue_over_pages(tmp_path):
    names = [f"source/{'long' * 40}-{index}.png" for index in range(40)]
    pairs = [Pair(2 * index, 2 * index + 1, 0.9 + index / 1000) for index in range(20)]
    pages = draw_pairs(pairs, gray, names, tmp_path)
    assert [page.name for page in pages] == ["duplicates.png", "duplicates-2.png"]
    full, rest = (np.asarray(Image.open(page)) for page in pages)
    centres = [page[44 + 110 :: 279, 10 + 110 :: 230] == 120 for page in (full, rest)]
    assert [shown.shape for shown in centres] == [(5, 6), (2, 6)]
    assert [int(shown.sum()) for shown in centres] == [2 * 15, 2 * 5]


def test_the_least_similar_pairs_come_first_and_pages_are_bounded(tmp_path):
    pairs = [Pair(0, 1, 0.99), Pair(2, 3, 0.88), Pair(0, 3, 0.95)] * 20
    loaded = []

    def load(index):
        loaded.append(index)
        return gray(index)

    assert len(draw_pairs(pairs, load, list("abcd"), tmp_path)) == 4
    assert loaded[:2] == [2, 3]
    assert loaded[-2:] == [0, 1]
    (tmp_path / "fewer").mkdir()
    assert len(draw_pairs(pairs, load, list("abcd"), tmp_path / "fewer", max_pages=2)) == 2
    assert len(list((tmp_path / "fewer").iterdir())) == 2
    (tmp_path / "none").mkdir()
    assert draw_pairs([], load, [], tmp_path / "none") == []
    assert list((tmp_path / "none").iterdir()) == []


def test_the_review_folder_belongs_to_the_newest_dataset(tmp_path):
    """Its pages are replaced as a whole, and none stay after a run without an audit or from earlier versions."""
    rows = patients(tmp_path / "raw", 12)
    for place, row in enumerate(
        rows
    ):  # one patient of a class in the test split: no probe can be fitted, which is fast
        row["split"] = ("test", "validation", *["train"] * 4)[place // 4]
    source = f"table={table(tmp_path / 'raw' / 'raw.csv', rows)}"
    out, review = tmp_path / "out", tmp_path / "out" / "review"
    prepare(out, source, audit=True)
    pages = {path.name for path in review.iterdir()}
    assert {"audit.png", "split_table.png", "raw-COVID.png", "raw-NON-COVID.png"} == pages
    assert "audit" in json.loads((out / "report.json").read_text())
    (review / "duplicates-7.png").touch()
    (out / "pictures").mkdir()
    prepare(out, source, audit=True, seed=1)
    assert {path.name for path in review.iterdir()} == pages
    assert not (out / "pictures").exists()
    assert "audit" not in prepare(out, source, seed=1)
    assert not review.exists()
    assert "audit" in prepare(out, source, audit=True, seed=1)
    assert {path.name for path in review.iterdir()} == pages
