"""Synthetic images as a source."""

from collections import Counter

import pytest
from raw import prepare, refused, rows


def test_half_are_covid_and_some_patients_have_two_images(tmp_path):
    report = prepare(tmp_path / "out", "phantom=60", image_size=32)
    assert {name: sum(counts.values()) for name, counts in report["counts"]["phantom"].items()} == {
        "NON-COVID": 30,
        "COVID": 30,
    }
    listed = rows(tmp_path / "out")
    assert {row["finding"] for row in listed} == {"synthetic"}
    assert {row["view"] for row in listed} == {"AP", "PA"}
    assert {row["sex"] for row in listed} == {"F", "M"}
    assert all(18 <= row["age"] <= 95 for row in listed)
    assert len({row["sha256"] for row in listed}) == 60
    images = Counter(row["patient_id"] for row in listed)
    assert set(images.values()) == {1, 2}
    assert sum(count == 2 for count in images.values()) == 4


def test_more_phantoms_move_no_old_ones(tmp_path):
    prepare(tmp_path / "few", "phantom=20", image_size=32)
    prepare(tmp_path / "more", "phantom=40", image_size=32)
    few, more = ({row["sha256"]: row["split"] for row in rows(tmp_path / name)} for name in ("few", "more"))
    assert few.items() <= more.items()


def test_the_smallest_set_fills_every_split(tmp_path):
    report = prepare(tmp_path / "out", "phantom=6", image_size=32)
    assert [split["labels"] for split in report["splits"].values()] == [{"NON-COVID": 1, "COVID": 1}] * 3


@pytest.mark.parametrize("count", ["0", "-3", "5", "many", "1.5", "1e3", "²"])
def test_a_wrong_number_is_one_line(tmp_path, capsys, count):
    assert "whole number of at least 6" in refused(capsys, tmp_path / "out", f"phantom={count}")
