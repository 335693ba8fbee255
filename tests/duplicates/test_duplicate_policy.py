"""Who stays of several copies, who leaves and why, and which must share a split."""

import pytest

from cxr.schema.dataset import EXTERNAL
from dataset_script.duplicates.policy import CONFLICT, COPY, MODES, STRADDLES, Copy, resolve


def copy(name, label=0, split=None, width=100, height=100, kind="PNG"):
    return Copy(name, label, split, width, height, kind)


def best(*copies):
    """The name of the one that stays when the others are dropped."""
    found = resolve([range(len(copies))], copies, "drop")
    assert len(found.leaving) == len(copies) - 1
    assert set(found.leaving.values()) == {COPY}
    assert found.groups == []
    return next(item.name for index, item in enumerate(copies) if index not in found.leaving)


def test_the_largest_copy_stays_then_the_least_compressed_then_the_first_by_name():
    assert best(copy("a"), copy("b", width=200, kind="JPEG"), copy("c")) == "b"
    assert best(copy("a", kind="JPEG"), copy("b", kind="WEBP"), copy("c", kind="DICOM")) == "c"
    assert best(copy("a", kind="JPEG"), copy("b", kind="WEBP")) == "b"
    assert best(copy("b"), copy("a"), copy("c")) == "a"


def test_held_out_copies_stay_before_better_training_copies():
    large = {"width": 4000, "height": 4000}
    assert best(copy("train", **large, split="train"), copy("none", **large), copy("test", split="test")) == "test"
    assert best(copy("test", **large, split="test"), copy("out", split=EXTERNAL)) == "out"
    assert best(copy("validation", split="validation"), copy("train", **large, split="train")) == "validation"
    assert best(copy("validation", **large, split="validation"), copy("test", split="test")) == "test"


@pytest.mark.parametrize("mode", ["drop", "keep"])
def test_a_cluster_with_both_labels_is_refused_whole_and_listed(mode):
    copies = [copy("a", 0), copy("b", 1), copy("c", 1, EXTERNAL), copy("d"), copy("e")]
    found = resolve([[0, 1, 2], [3, 4]], copies, mode)
    assert {index for index, reason in found.leaving.items() if reason == CONFLICT} == {0, 1, 2}
    assert (found.conflicts, found.duplicates) == ([[2, 0, 1]], [[3, 4]])


def test_report_lists_and_drops_nothing():
    copies = [copy("a", 0), copy("b", 1), copy("c"), copy("d", width=200)]
    found = resolve([[0, 1], [2, 3]], copies, "report")
    assert found.leaving == {}
    assert (found.conflicts, found.duplicates) == ([[0, 1]], [[3, 2]])
    assert found.groups == [[0, 1], [3, 2]]


def test_keep_keeps_all_copies_in_one_split():
    found = resolve([[0, 1, 2]], [copy("a"), copy("b", split="train"), copy("c", kind="JPEG")], "keep")
    assert found.leaving == {}
    assert found.groups == [[0, 1, 2]]


@pytest.mark.parametrize("mode", ["keep", "report"])
def test_no_mode_lets_a_cluster_straddle(mode):
    copies = [copy("a", split="train"), copy("b", split="test"), copy("c"), copy("d", split="test")]
    found = resolve([[0, 1, 2, 3]], copies, mode)
    assert found.leaving == {0: STRADDLES, 2: STRADDLES}
    assert found.groups == [[1, 3]]


@pytest.mark.parametrize("mode", MODES)
def test_a_dataset_shares_no_cluster_with_an_external_set(mode):
    copies = [copy("a", split="test"), copy("b", split=EXTERNAL), copy("c", width=900)]
    found = resolve([[0, 1, 2]], copies, mode)
    assert set(found.leaving) == {0, 2}
    assert found.groups == []


def test_an_unknown_mode_is_a_programming_error():
    with pytest.raises(ValueError, match="sometimes"):
        resolve([], [], "sometimes")
