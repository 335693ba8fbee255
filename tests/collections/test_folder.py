"""Class-named folders, as people have them."""

import os
import shutil

import pytest
from raw import folders, prepare, refused, rows, save, split_of


@pytest.mark.parametrize(
    ("covid", "other"),
    [
        ("covid", "normal"),
        ("COVID-19", "NON-COVID"),
        ("Covid 19", "No Finding"),
        ("positive", "negative"),
        ("COVID-Positive", "COVID-Negative"),
        ("corona", "Viral Pneumonia"),
        ("covid", "noncovid"),
        ("COVID19", "Lung_Opacity"),
        ("COVID-19 positive", "healthy"),
    ],
)
def test_the_names_people_use(tmp_path, covid, other):
    report = prepare(tmp_path / "out", f"folder={folders(tmp_path / 'raw', **{covid: 40, other: 40})}")
    assert {name: sum(counts.values()) for name, counts in report["counts"]["raw"].items()} == {
        "NON-COVID": 40,
        "COVID": 40,
    }
    assert {row["finding"] for row in rows(tmp_path / "out") if row["label"] == 1} == {covid}


def test_the_seeds_train_and_test_are_respected_and_validation_comes_out_of_train(tmp_path):
    raw = folders(tmp_path / "raw", Train__covid=40, Train__noncovid=40, Test__covid=9, Test__noncovid=7)
    report = prepare(tmp_path / "out", f"folder={raw}")
    assert report["splits"]["test"]["labels"] == {"NON-COVID": 7, "COVID": 9}
    splits = split_of(tmp_path / "out")
    assert {split for file, split in splits.items() if file.startswith("Test/")} == {"test"}
    assert {split for file, split in splits.items() if file.startswith("Train/")} == {"train", "validation"}
    assert 4 <= report["splits"]["validation"]["images"] <= 24


def test_three_splits_are_kept_as_they_are_above_or_below_the_class(tmp_path):
    raw = folders(tmp_path / "raw", training__covid=3, training__normal=4, VAL__covid=2, VAL__normal=2)
    folders(raw, 100, covid__testing=1, normal__testing=5)
    report = prepare(tmp_path / "out", f"folder={raw}")
    labels = {split: counts["labels"] for split, counts in report["splits"].items()}
    assert labels == {
        "train": {"NON-COVID": 4, "COVID": 3},
        "validation": {"NON-COVID": 2, "COVID": 2},
        "test": {"NON-COVID": 5, "COVID": 1},
    }


def test_what_is_no_image_of_a_class_is_counted_or_ignored(tmp_path):
    raw = folders(tmp_path / "raw", covid=30, normal=30, covid__masks=4, normal__hospital__2020=10)
    save(raw / "__MACOSX" / "covid" / "000.bmp", 997)
    for ignored in (".DS_Store", "Thumbs.db", "covid/.hidden.png", "normal/desktop.ini"):
        (raw / ignored).write_bytes(b"x")
    (raw / "covid" / "notes.txt").write_text("no image")
    (raw / "readme.md").write_text("no image")
    save(raw / "stray.png", 999)
    save(raw / "Train" / "stray.png", 998)
    report = prepare(tmp_path / "out", f"folder={raw}")
    assert report["images"] == 70
    assert {(item["file"], item["reason"].split(" (")[0]) for item in report["lists"]["refused"]} == {
        ("covid/notes.txt", "is not an image we can read"),
        *((f"covid/masks/{number:03d}.bmp", "is a mask, not a radiograph") for number in range(4)),
        ("readme.md", "lies outside any class folder"),
        ("stray.png", "lies outside any class folder"),
        ("Train/stray.png", "lies outside any class folder"),
    }
    assert report["refused"]["total"] == sum(report["refused"]["reasons"].values()) == 8


def test_the_content_decides_and_not_the_extension(tmp_path):
    raw = folders(tmp_path / "raw", covid=30, normal=30)
    for number, suffix in enumerate((".PNG", ".JpG", "", ".dat")):
        (raw / "covid" / f"{number:03d}.bmp").rename(raw / "covid" / f"odd{number}{suffix}")
    assert prepare(tmp_path / "out", f"folder={raw}")["images"] == 60


def test_an_unknown_class_is_an_error_that_names_the_folder_and_the_known_ones(tmp_path, capsys):
    raw = folders(tmp_path / "raw", Train__covid=3, Train__normal=3, Train__elephants=2)
    message = refused(capsys, tmp_path / "out", f"folder={raw}")
    assert "Train/elephants" in message
    assert "unknown label" in message
    assert "no_finding" in message


def test_a_container_named_like_a_class_is_no_class(tmp_path):
    raw = folders(tmp_path / "raw", covid__data__normal=40, covid__data__positive=40)
    report = prepare(tmp_path / "out", f"folder={raw}")
    assert sum(report["counts"]["raw"]["NON-COVID"].values()) == 40


def test_a_class_inside_the_other_class_is_an_error(tmp_path, capsys):
    raw = folders(tmp_path / "raw", covid__normal=3, healthy=3)
    assert "'normal' lies inside 'covid'" in refused(capsys, tmp_path / "out", f"folder={raw}")


def test_wrong_path_empty_folder_and_missing_class(tmp_path, capsys):
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "no such folder" in refused(capsys, tmp_path / "out", f"folder={tmp_path / 'gone'}")
    assert "holds no images" in refused(capsys, tmp_path / "out", f"folder={empty}")
    raw = folders(tmp_path / "raw", covid=5)
    assert "no NON-COVID image" in refused(capsys, tmp_path / "out", f"folder={raw}")
    (raw / "normal").mkdir()
    assert "no NON-COVID image" in refused(capsys, tmp_path / "out", f"folder={raw}")
    shutil.rmtree(raw)
    save(raw / "only.png", 1)
    assert "lies outside any class folder" in refused(capsys, tmp_path / "out", f"folder={raw}")


def test_file_names_that_are_no_text(tmp_path):
    raw = folders(tmp_path / "raw", **{"covid": 40, "Ünauffällig__normal": 40})
    odd = os.fsencode(raw / "covid") + b"/r\xf6ntgen.bmp"
    os.rename(raw / "covid" / "000.bmp", odd)
    prepare(tmp_path / "out", f"folder={raw}")
    assert "covid/r?ntgen.bmp" in split_of(tmp_path / "out")


def test_links_are_followed_and_loops_end(tmp_path):
    elsewhere = folders(tmp_path / "elsewhere", radiographs=30)
    raw = folders(tmp_path / "raw", 100, normal=30)
    (raw / "covid").symlink_to(elsewhere / "radiographs")
    (raw / "normal" / "loop").symlink_to(raw)
    (raw / "normal" / "dangling.png").symlink_to(tmp_path / "gone.png")
    report = prepare(tmp_path / "out", f"folder={raw}")
    assert report["images"] == 60
    assert [item["file"] for item in report["lists"]["refused"]] == ["normal/dangling.png"]
