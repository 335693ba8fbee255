"""Near-duplicates among real radiographs that people looked at are found; other exposures of a patient are not."""

import csv

import numpy as np
import pytest

from cxr.imaging.reader import read_radiograph
from dataset_script.duplicates.fingerprint import fingerprint
from dataset_script.duplicates.search import cluster_pairs, find_pairs

LOOKED_AT_AGAIN = {("cxnet/050.jpg", "ieee8023/images/gr1_lrg-a.jpg")}
"""Listed as doubtful, but the same exposure: one of them is cropped, windowed and stretched."""


@pytest.mark.slow
def test_near_duplicates_that_people_looked_at_are_found_and_other_exposures_are_not(shared_data):
    files = sorted(path for part in ("cxnet", "ieee8023/images") for path in (shared_data / part).iterdir())
    names = {path.relative_to(shared_data).as_posix(): index for index, path in enumerate(files)}
    images = [read_radiograph(path, short_side=256).pixels for path in files]
    marks = np.stack([fingerprint(pixels) for pixels in images])
    pairs = find_pairs(marks, images.__getitem__, num_proc=2, progress=False)
    cluster = {index: number for number, members in enumerate(cluster_pairs(pairs, len(files))) for index in members}
    rows = list(csv.DictReader((shared_data / "duplicates.csv").open()))
    together = {
        (row["file_a"], row["file_b"]): cluster.get(names[row["file_a"]], -1) == cluster.get(names[row["file_b"]], -2)
        for row in rows
    }
    duplicates = [together[row["file_a"], row["file_b"]] for row in rows if row["verdict"] == "copy"]
    assert np.mean(duplicates) >= 0.97
    doubtful = {(row["file_a"], row["file_b"]) for row in rows if row["verdict"] == "look"}
    assert {pair for pair in doubtful if together[pair]} <= LOOKED_AT_AGAIN
