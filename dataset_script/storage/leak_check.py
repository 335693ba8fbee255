"""The last check: the finished Parquet is read again; no patient, cluster or file may stand in two splits."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import pyarrow.parquet

from cxr.errors import UserError

_COLUMNS = ["source", "file", "patient_id", "sha256"]


def check(folder: Path, shards: Mapping[str, list[str]], clusters: Mapping[str, int]) -> None:
    """Check the shards of every split; `clusters` gives the cluster of each `source/file` that has copies.

    Eight bytes a key are held, so that large datasets can be checked too.

    Raises:
        UserError: if anything leaks; nothing has been put in place then.
    """
    hashes = {split: _hashes(folder, names, clusters) for split, names in shards.items()}
    shared = [np.intersect1d(hashes[one], hashes[other]) for one, other in combinations(hashes, 2)]
    leaks = set(np.concatenate([*shared, np.empty(0, np.uint64)]).tolist())
    if leaks:
        names = [name for listed in shards.values() for name in listed]
        first = next(key for key in _keys(folder, names, clusters) if _hash(key) in leaks)
        raise UserError(
            f"{len(leaks)} patients, clusters or files stand in two splits (the first: {first}); "
            "nothing was written: please report this"
        )


def _hashes(folder: Path, names: Sequence[str], clusters: Mapping[str, int]) -> np.ndarray:
    return np.unique(np.fromiter((_hash(key) for key in _keys(folder, names, clusters)), np.uint64))


def _hash(key: str) -> int:
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest())


def _keys(folder: Path, names: Sequence[str], clusters: Mapping[str, int]) -> Iterator[str]:
    for name in names:
        for batch in pyarrow.parquet.ParquetFile(folder / name).iter_batches(1000, columns=_COLUMNS):
            for source, file, patient, sha256 in zip(*(batch[key].to_pylist() for key in _COLUMNS), strict=True):
                yield from (f"patient {source}:{patient}", f"file {sha256}")
                if f"{source}/{file}" in clusters:
                    yield f"cluster {clusters[f'{source}/{file}']}"
