"""Whether two datasets share a patient, a file or a copy, from the columns of Contract 1 alone.

An external set made in the same preparation shares nothing. One that comes from elsewhere may, and a model tested on
what it was trained on proves nothing.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

OVERLAP_COLUMNS = ["source", "patient_id", "sha256", "phash"]
"""The columns that are compared."""

NEAR = 32
"""Of 256 bits: re-encoded, resized and brightened copies lie within it, pictures of different patients beyond 56."""

_BLOCK = 4_000_000


class Overlap(NamedTuple):
    """How many rows of the second dataset share their patient, their file, or nearly their perceptual hash."""

    patients: int
    files: int
    near_duplicates: int


def find_overlap(first: Mapping[str, Sequence[str]], second: Mapping[str, Sequence[str]]) -> Overlap:
    """Compare two datasets, each given as its `COLUMNS` (`dataset.select_columns(COLUMNS)[:]`)."""
    patients = set(zip(first["source"], first["patient_id"], strict=True))
    shared = sum(pair in patients for pair in zip(second["source"], second["patient_id"], strict=True))
    files = set(first["sha256"])
    near = _near(_bits(first["phash"]), _bits(second["phash"]))
    return Overlap(shared, sum(value in files for value in second["sha256"]), int(near.sum()))


def _bits(hashes: Sequence[str]) -> np.ndarray:
    """Hashes of 64 hex digits as uint64 (N, 4)."""
    return np.frombuffer(bytes.fromhex("".join(hashes)), np.uint64).reshape(-1, 4)


def _near(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Which of the second lie within `NEAR` bits of any of the first, bool (M,); some of them at a time."""
    step = max(1, _BLOCK // max(1, len(first)))
    found = [np.zeros(0, bool)]
    for start in range(0, len(second), step):
        differing = np.bitwise_count(second[start : start + step, None] ^ first[None]).sum(axis=2, dtype=np.int32)
        found.append((differing <= NEAR).any(axis=1))
    return np.concatenate(found)
