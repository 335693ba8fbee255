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
    near = _near(_bits(first["phash"]), _bits(second["phash"]))
    return Overlap(shared, sum(value in files for value in second["sha256"]), int(near.sum()))


def _bits(hashes: Sequence[str]) -> NDArray[np.uint64]:
    """Hashes of 64 hex digits as (N, 4)."""
    return np.frombuffer(bytes.fromhex("".join(hashes)), np.uint64).reshape(-1, 4)


def _near(first: NDArray[np.uint64], second: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Which of the second (M, 4) are within `NEAR` bits of any of the first, (M,); compared in blocks."""
    step = max(1, _BLOCK // max(1, len(first)))
    near = [np.zeros(0, bool)]
    for start in range(0, len(second), step):
        differing = np.bitwise_count(second[start : start + step, None] ^ first[None]).sum(axis=2, dtype=np.int32)
        near.append((differing <= NEAR).any(axis=1))
    return np.concatenate(near)
