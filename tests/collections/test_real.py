"""Real collections, where they stand beside the project."""

from collections import defaultdict

import pytest
from raw import prepare, rows


@pytest.mark.slow
def test_collections_of_one_class_each_have_every_probe_flagged_and_one_more_joins_them(tmp_path, shared_data):
    """Prepared in two steps, so that the second reads and compares only what is new."""
    first, out = f"table={shared_data / 'manifest.csv'}", tmp_path / "out"
    _every_probe_is_flagged(prepare(out, first, image_size=256, num_proc=2, audit=True)["audit"])
    more = ["--duplicates", "report"]
    report = prepare(out, first, f"ieee8023={shared_data / 'ieee8023'}", image_size=256, num_proc=2, more=more)
    counts = {
        source: {name: sum(splits.values()) for name, splits in labels.items()}
        for source, labels in report["counts"].items()
    }
    assert counts == {
        "cxnet": {"NON-COVID": 0, "COVID": 765},
        "nih": {"NON-COVID": 866, "COVID": 0},
        "ieee8023": {"NON-COVID": 52, "COVID": 206},
    }
    assert report["refused"]["reasons"] == {"is no X-ray (CT or other modality)": 23, "is no frontal view": 24}
    assert report["duplicates"]["groups"] > 150
    _nothing_straddles(report, rows(out))


def _every_probe_is_flagged(section):
    by_name = {probe["name"]: probe for probe in section["probes"]}
    assert all(probe["shouts"] for probe in by_name.values())
    assert by_name["source"]["auroc"] == 1.0
    assert by_name["file"]["auroc"] >= 0.90
    assert section["verdict"].startswith("The label can be guessed from the source's name alone (AUROC 1.00)")


def _nothing_straddles(report, written):
    """No patient, file or cluster of near-duplicates lies in two splits."""
    cluster = {name: number for number, names in enumerate(report["lists"]["duplicates"]) for name in names}
    splits = defaultdict(set)
    for row in written:
        keys = [(row["source"], row["patient_id"]), row["sha256"], cluster.get(f"{row['source']}/{row['file']}")]
        for key in filter(lambda key: key is not None, keys):
            splits[key].add(row["split"])
    assert all(len(where) == 1 for where in splits.values())
