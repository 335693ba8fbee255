"""Which of several near-duplicates stay, and who leaves and why."""

from typing import NamedTuple

import pytest

from cxr.schema.dataset import EXTERNAL
from dataset_script.duplicates.policy import CONFLICT, DUPLICATE, DUPLICATE_OF_HELD_OUT, MODES, resolve_clusters


class Row(NamedTuple):
    """What the policy reads of a row."""

    name: str
    label: int = 0
    predefined: str | None = None
    width: int = 100
    height: int = 100
    format: str = "PNG"


def staying(resolution, rows):
    return [position for position in range(len(rows)) if position not in resolution.leaving]


def best(*rows):
    """The name of the one that stays when the others are dropped."""
    resolution = resolve_clusters([range(len(rows))], rows, "drop")
    assert len(resolution.leaving) == len(rows) - 1
    assert set(resolution.leaving.values()) == {DUPLICATE}
    (position,) = staying(resolution, rows)
    return rows[position].name


def test_the_largest_image_stays_then_the_least_compressed_then_the_first_by_name():
    assert best(Row("a"), Row("b", width=200, format="JPEG"), Row("c")) == "b"
    assert best(Row("a", format="JPEG"), Row("b", format="WEBP"), Row("c", format="DICOM")) == "c"
    assert best(Row("a", format="JPEG"), Row("b", format="WEBP")) == "b"
    assert best(Row("b"), Row("a"), Row("c")) == "a"


def test_held_out_images_stay_before_better_training_images():
    large = {"width": 4000, "height": 4000}
    train = Row("train", **large, predefined="train")
    assert best(train, Row("none", **large), Row("test", predefined="test")) == "test"
    assert best(Row("test", **large, predefined="test"), Row("out", predefined=EXTERNAL)) == "out"
    assert best(Row("validation", predefined="validation"), train) == "validation"
    assert best(Row("validation", **large, predefined="validation"), Row("test", predefined="test")) == "test"


@pytest.mark.parametrize("mode", ["drop", "keep"])
def test_a_cluster_with_both_labels_is_refused_whole_and_listed(mode):
    rows = [Row("a", 0), Row("b", 1), Row("c", 1, EXTERNAL), Row("d"), Row("e")]
    resolution = resolve_clusters([[0, 1, 2], [3, 4]], rows, mode)
    assert {position for position, reason in resolution.leaving.items() if reason == CONFLICT} == {0, 1, 2}
    assert (resolution.conflicts, resolution.duplicates) == ([[2, 0, 1]], [[3, 4]])


def test_report_lists_and_drops_nothing():
    rows = [Row("a", 0), Row("b", 1), Row("c"), Row("d", width=200)]
    resolution = resolve_clusters([[0, 1], [2, 3]], rows, "report")
    assert resolution.leaving == {}
    assert (resolution.conflicts, resolution.duplicates) == ([[0, 1]], [[3, 2]])


def test_keep_keeps_all_images_of_a_cluster():
    rows = [Row("a"), Row("b", predefined="train"), Row("c", format="JPEG")]
    resolution = resolve_clusters([[0, 1, 2]], rows, "keep")
    assert resolution.leaving == {}
    assert resolution.duplicates == [[0, 1, 2]]


@pytest.mark.parametrize("mode", ["keep", "report"])
def test_no_mode_lets_a_cluster_straddle(mode):
    rows = [Row("a", predefined="train"), Row("b", predefined="test"), Row("c"), Row("d", predefined="test")]
    resolution = resolve_clusters([[0, 1, 2, 3]], rows, mode)
    assert resolution.leaving == {0: DUPLICATE_OF_HELD_OUT, 2: DUPLICATE_OF_HELD_OUT}
    assert staying(resolution, rows) == [1, 3]


@pytest.mark.parametrize("mode", MODES)
def test_a_dataset_shares_no_cluster_with_an_external_set(mode):
    rows = [Row("a", predefined="test"), Row("b", predefined=EXTERNAL), Row("c", width=900)]
    resolution = resolve_clusters([[0, 1, 2]], rows, mode)
    assert set(resolution.leaving) == {0, 2}


def test_an_unknown_mode_is_a_programming_error():
    with pytest.raises(ValueError, match="sometimes"):
        resolve_clusters([], [], "sometimes")
