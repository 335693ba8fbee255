"""Fingerprints of a model's training data, published with it: others find out by them what their data share with it.

Three sets that are sorted separately, so that no row of one belongs to a row of another:

- files: the first 64 bits of HMAC-SHA-256 of each raw file's SHA-256. Only who has the file can compute one.
- images: the perceptual hash of each image, by which near-duplicates are found. Only who has the image, or one nearly
  like it, can compute one; it says no more of an image than a thumbnail of 16 × 16 signs.
- patients: scrypt (RFC 7914) of source and patient id, cut to so few bits that one unrelated patient in 131,000 to
  262,000 matches by chance. Patient ids can be counted through, which no hash prevents while strangers must be able to
  compare theirs: 100 million numbers take about a week on one core and give 380 to 760 matches by chance. What that
  leaves is said in docs/data.md, and `--fingerprints images` leaves patients out.

Files without a patient id have no patient here. The salt is that of the dataset: hashes of two datasets cannot be
compared with each other, and the same dataset gives the same file.
"""

import hashlib
import hmac
import json
import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

import joblib
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from scipy.stats import binom

from cxr.overlap import near_any

VERSION = "1"
FILE_PATIENT = "file:"
"""How the id of a patient begins who is only the name of a file."""

CHANCE = 0.01
"""Patients that match count as shared if so many would match by chance with at most this probability."""

_FILE_BYTES, _PHASH_BYTES = 8, 32
_SPARE_BITS = 17
_SCRYPT = {"n": 2**11, "r": 8, "p": 1, "dklen": 8}

Columns = Mapping[str, Sequence[str]]
"""The columns `overlap.OVERLAP_COLUMNS` of some images."""


class Shared(NamedTuple):
    """How many patients, images by their files, and images by near-duplicates are shared.

    `patients_by_chance` more match, but no more than chance explains.
    """

    patients: int = 0
    files: int = 0
    near_duplicates: int = 0
    patients_by_chance: int = 0

    @property
    def any(self) -> bool:
        """Whether anything is shared."""
        return bool(self.patients or self.files or self.near_duplicates)


@dataclass(frozen=True)
class Part:
    """The fingerprints of one dataset: `files` uint8 (N, 8), `images` uint8 (N, 32), `patients` uint64 (P,)."""

    dataset: str
    files: NDArray[np.uint8]
    images: NDArray[np.uint8]
    patients: NDArray[np.uint64]
    bits: int

    def shared_with(self, columns: Columns) -> Shared:
        """What other images share with these."""
        salt, known = _salt(self.dataset), {row.tobytes() for row in self.files}
        files = sum(_file_hash(salt, sha256) in known for sha256 in columns["sha256"])
        near = int(near_any(self.images, _phashes(columns["phash"])).sum())
        matching, tested = 0, sorted(_patients(columns)) if len(self.patients) else []
        if tested:
            matching = int(np.isin(_patient_hashes(salt, tested, self.bits), self.patients).sum())
        by_chance = float(binom.sf(matching - 1, len(tested), len(self.patients) / 2.0**self.bits)) if matching else 1.0
        is_shared = by_chance < CHANCE
        return Shared(matching if is_shared else 0, files, near, 0 if is_shared else matching)


@dataclass(frozen=True)
class Fingerprints:
    """Those of every dataset that had a part in a model; `complete` is false where some of its training is unknown."""

    parts: Sequence[Part] = field(default_factory=tuple)
    complete: bool = True

    def save(self, path: Path) -> None:
        """Write one safetensors file."""
        tensors: dict[str, NDArray[np.generic]] = {}
        about = []
        for number, part in enumerate(self.parts):
            tensors |= {f"{number}.files": part.files, f"{number}.images": part.images}
            tensors[f"{number}.patients"] = part.patients.view(np.int64)
            about.append({"dataset": part.dataset, "bits": part.bits})
        facts = {"version": VERSION, "complete": self.complete, "parts": about}
        save_file(tensors, path, metadata={"fingerprints": json.dumps(facts, sort_keys=True)})

    @classmethod
    def load(cls, path: Path) -> "Fingerprints":
        """Read what `save` wrote.

        Raises:
            ValueError: if the file is damaged, or has another version.
        """
        try:
            with safe_open(path, "numpy") as file:
                facts = json.loads((file.metadata() or {}).get("fingerprints", "{}"))
                if facts.get("version") != VERSION:
                    raise ValueError(f"{path.name} has version {facts.get('version')}, this program reads {VERSION}")
                parts = [_read_part(file, number, about) for number, about in enumerate(facts["parts"])]
        except (OSError, SafetensorError, KeyError, TypeError) as error:
            raise ValueError(f"{path.name} is damaged ({error})") from error
        return cls(tuple(parts), bool(facts["complete"]))


def _read_part(file: safe_open, number: int, about: Mapping[str, object]) -> Part:
    files, images, patients = (file.get_tensor(f"{number}.{name}") for name in ("files", "images", "patients"))
    return Part(str(about["dataset"]), files, images, patients.view(np.uint64), int(str(about["bits"])))


def make_part(dataset: str, columns: Columns, with_patients: bool = True) -> Part:
    """Fingerprints of a dataset's images; `dataset` is the fingerprint that its report gives."""
    salt = _salt(dataset)
    files = sorted({_file_hash(salt, sha256) for sha256 in columns["sha256"]})
    images = np.unique(_phashes(columns["phash"]), axis=0)
    patients = sorted(_patients(columns)) if with_patients else []
    bits = math.ceil(math.log2(max(1, len(patients)))) + _SPARE_BITS
    hashes = np.unique(_patient_hashes(salt, patients, bits))
    packed = np.frombuffer(b"".join(files), np.uint8).reshape(-1, _FILE_BYTES)
    return Part(dataset, packed.copy(), images, hashes, bits)


def _salt(dataset: str) -> bytes:
    """16 bytes that depend on the dataset alone."""
    return hashlib.sha256(f"fingerprints of {dataset}".encode()).digest()[:16]


def _file_hash(salt: bytes, sha256: str) -> bytes:
    return hmac.new(salt, sha256.encode(), hashlib.sha256).digest()[:_FILE_BYTES]


def _phashes(values: Sequence[str]) -> NDArray[np.uint8]:
    return np.frombuffer(bytes.fromhex("".join(values)), np.uint8).reshape(-1, _PHASH_BYTES)


def _patients(columns: Columns) -> set[str]:
    """Source and id of each patient who has one."""
    pairs = zip(columns["source"], columns["patient_id"], strict=True)
    return {json.dumps(pair) for pair in pairs if pair[1] and not pair[1].startswith(FILE_PATIENT)}


def _patient_hashes(salt: bytes, patients: Sequence[str], bits: int) -> NDArray[np.uint64]:
    """The first `bits` bits of each patient's hash, uint64 (P,)."""
    with ThreadPoolExecutor(joblib.cpu_count()) as threads:
        digests = b"".join(threads.map(partial(_slow_hash, salt), patients))
    return np.frombuffer(digests, ">u8").astype(np.uint64) >> np.uint64(64 - bits)


def _slow_hash(salt: bytes, patient: str) -> bytes:
    return hashlib.scrypt(patient.encode(), salt=salt, **_SCRYPT)
