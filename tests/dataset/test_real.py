"""Real collections, where they stand beside the project."""

import pytest
from raw import prepare, rows


@pytest.mark.slow
def test_real_collections(tmp_path, shared_data):
    sources = f"table={shared_data / 'manifest.csv'}", f"ieee8023={shared_data / 'ieee8023'}"
    report = prepare(tmp_path / "out", *sources, image_size=256, num_proc=2, more=["--duplicates", "report"])
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
    cluster = {name: number for number, names in enumerate(report["lists"]["duplicates"]) for name in names}
    splits = {}
    for row in rows(tmp_path / "out"):
        keys = [(row["source"], row["patient_id"]), row["sha256"], cluster.get(f"{row['source']}/{row['file']}")]
        for key in filter(lambda key: key is not None, keys):
            splits.setdefault(key, set()).add(row["split"])
    assert all(len(where) == 1 for where in splits.values())
