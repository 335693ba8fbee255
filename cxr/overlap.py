"""Whether two datasets share patients, files or near-duplicates, by the columns of Contract 1 alone.

An external set made in the same preparation shares nothing. One from elsewhere may, and a model tested on images that
it was trained on proves nothing.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

OVERLAP_COLUMNS = ["source", "patient_id", "sha256", "phash"]
"""The columns that are compared."""

NEAR = 32
"""Of 256 bits: re-encoded, resized and brightened images are within it, images of different patients beyond 56."""

_BLOCK = 4_000_000


class Overlap(NamedTuple):
    """How many rows of the second dataset share a patient, a file, or nearly a perceptual hash with the first."""

    patients: int
    files: int
    near_duplicates: int


def find_overlap(first: Mapping[str, Sequence[str]], second: Mapping[str, Sequence[str]]) -> Overlap:
    """Compare two datasets, each given by its columns (`dataset.select_columns(OVERLAP_COLUMNS)[:]`)."""
    patients = set(zip(first["source"], first["patient_id"], strict=True))
    shared = sum(pair in patients for pair in zip(second["source"], second["patient_id"], strict=True))
    files = set(first["sha256"])
    near = near_any(_bits(first["phash"]), _bits(second["phash"]))
    return Overlap(shared, sum(value in files for value in second["sha256"]), int(near.sum()))


def _bits(hashes: Sequence[str]) -> NDArray[np.uint8]:
    """Hashes of 64 hex digits as (N, 32)."""
    return np.frombuffer(bytes.fromhex("".join(hashes)), np.uint8).reshape(-1, 32)


def near_any(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which of the second (M, 32) are within `NEAR` bits of any of the first (N, 32), bool (M,); compared in blocks."""
    known, tested = (np.ascontiguousarray(hashes).view(np.uint64) for hashes in (first, second))
    step = max(1, _BLOCK // max(1, len(known)))
    near = [np.zeros(0, bool)]
    for start in range(0, len(tested), step):
        differing = np.bitwise_count(tested[start : start + step, None] ^ known[None]).sum(axis=2, dtype=np.int32)
        near.append((differing <= NEAR).any(axis=1))
    return np.concatenate(near)
