"""What several packages share is written once, and the look-up of what a dataset's card names."""

from pathlib import Path

import pytest

from cxr.schema import verdicts
from cxr.schema.dataset import COLUMNS, HELD_OUT, SPLITS, is_synthetic
from cxr.schema.dataset_card import live_report, live_shards
from cxr.schema.features import FEATURES
from cxr.schema.labels import COVID, LABELS, NON_COVID
from cxr.schema.probes import LUNG_BOX, PROBES, is_flagged, shown


def test_the_features_are_the_columns_in_their_order():
    assert tuple(FEATURES) == COLUMNS
    assert FEATURES["label"].names == LABELS
    assert (FEATURES["age"].dtype, FEATURES["width"].dtype, FEATURES["file"].dtype) == ("float32", "int32", "string")


def test_held_out_sets_are_never_the_training_split():
    assert set(HELD_OUT) == set(SPLITS) - {"train"} | {"external"}


def test_only_phantoms_alone_are_synthetic():
    assert is_synthetic({"phantom": {}})
    assert not is_synthetic({"phantom": {}, "ieee8023": {}})
    assert not is_synthetic({})


def test_each_class_has_its_verdict():
    assert verdicts.OF_CLASS == {COVID: "COVID-19 pattern", NON_COVID: "no COVID-19 pattern"}
    assert len(set(verdicts.VERDICTS)) == 4


@pytest.mark.parametrize("lungs", ["masks", "box"])
def test_every_probe_is_described(lungs: str):
    for name, words in PROBES.items():
        assert words.short
        assert "{" not in shown(name, lungs)
    assert ("70 % × 78 %" in shown("lungs_blacked_out", lungs)) == (lungs == "box")
    assert LUNG_BOX == (0.70, 0.78)


@pytest.mark.parametrize(
    ("auroc", "low", "flagged"), [(0.70, 0.61, True), (0.70, 0.60, False), (0.69, 0.65, False), (0.2, 0.1, False)]
)
def test_a_probe_is_flagged_by_its_score_and_its_interval(auroc: float, low: float, flagged: bool):
    assert is_flagged(auroc, low) == flagged


def card(folder: Path, text: str) -> Path:
    (folder / "README.md").write_text(f"---\n{text}\n---\n\n# A dataset\n", encoding="utf-8")
    return folder


def test_the_card_names_the_live_files(tmp_path: Path):
    files = (
        "configs:\n- data_files:\n  - {split: train, path: data/a.parquet}\n  - {split: test, path: [data/b.parquet]}"
    )
    card(tmp_path, f"report: data/report-1.json\n{files}")
    assert live_report(tmp_path) == tmp_path / "data/report-1.json"
    assert live_shards(tmp_path) == {"train": ["data/a.parquet"], "test": ["data/b.parquet"]}


@pytest.mark.parametrize("text", [None, "", "license: other", "configs: []", "configs: 3", "- a list", "a: [broken"])
def test_a_card_without_them_leaves_the_defaults(tmp_path: Path, text: str | None):
    if text is not None:
        card(tmp_path, text)
    assert live_report(tmp_path) == tmp_path / "report.json"
    assert live_shards(tmp_path) == {}
