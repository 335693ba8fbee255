"""What two datasets share: patients, files, near-duplicates."""

from cxr.overlap import Overlap, find_overlap


def columns(*rows):
    return {
        name: [row[place] for row in rows] for place, name in enumerate(("source", "patient_id", "sha256", "phash"))
    }


def flipped(bits):
    """64 hex digits with this many bits set."""
    return f"{(1 << bits) - 1:064x}"


def test_patients_files_and_near_duplicates_are_counted():
    trained = columns(("nih", "1", "aa", flipped(0)), ("nih", "2", "bb", "f" * 64))
    for row, expected in (
        (("nih", "1", "cc", flipped(100)), Overlap(1, 0, 0)),
        (("other", "1", "cc", flipped(100)), Overlap(0, 0, 0)),
        (("other", "9", "aa", flipped(100)), Overlap(0, 1, 0)),
        (("other", "9", "cc", flipped(32)), Overlap(0, 0, 1)),
        (("other", "9", "cc", flipped(33)), Overlap(0, 0, 0)),
    ):
        assert find_overlap(trained, columns(row)) == expected
    assert find_overlap(trained, columns()) == find_overlap(columns(), trained) == Overlap(0, 0, 0)


def test_a_prepared_external_set_shares_nothing(tmp_path):
    import datasets

    from cxr.overlap import OVERLAP_COLUMNS
    from dataset_script.__main__ import main

    flags = ["--no_audit", "--image_size", "32", "--out", str(tmp_path / "out"), "--num_proc", "1"]
    assert main(["--source", "phantom=40", *flags]) == 0
    prepared = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    train, test = (prepared[split].select_columns(OVERLAP_COLUMNS)[:] for split in ("train", "test"))
    assert find_overlap(train, test) == Overlap(0, 0, 0)
    assert find_overlap(train, train) == (len(train["phash"]),) * 3
