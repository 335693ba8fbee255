"""Reading a dataset back from its Parquet files, a few images at a time, and checking that its splits share nothing."""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cxr.errors import UserError
from cxr.schema.dataset import SPLITS
from cxr.schema.dataset_card import live_report, live_shards
from cxr.schema.features import FEATURES
from dataset_script.records import short

BATCH = 64
_LEFT_OUT = ["image", "sha256", "phash"]
_NO_FACTS = FEATURES.arrow_schema.empty_table().drop_columns(_LEFT_OUT)
_KEYS = ["source", "file", "patient_id", "sha256"]


def find_shards(folder: Path) -> dict[str, list[Path]]:
    """The Parquet files of each split: those that the card lists, or else `data/SPLIT-*.parquet`."""
    named = live_shards(folder) or {split: [f"data/{split}-*.parquet"] for split in SPLITS}
    paths = {split: sorted(path for name in names for path in folder.glob(name)) for split, names in named.items()}
    return {split: [] for split in SPLITS} | paths


def read_facts(files: Sequence[Path]) -> pa.Table:
    """Every row of one split without its image and hashes, in the order of the files; about 150 bytes a row."""
    tables = [
        pq.read_table(file, columns=[name for name in pq.read_schema(file).names if name not in _LEFT_OUT])
        for file in files
    ]
    return pa.concat_tables(tables) if tables else _NO_FACTS


def read_images(files: Sequence[Path], wanted: Collection[int]) -> Iterator[tuple[int, bytes]]:
    """Position and PNG bytes of the rows at the wanted positions, in the order of the files."""
    position = 0
    for file in files:
        for batch in pq.ParquetFile(file, pre_buffer=False).iter_batches(BATCH, columns=["image.bytes"]):
            inside = [i for i in range(len(batch)) if position + i in wanted]
            encoded = batch.column("image").field("bytes").take(pa.array(inside, pa.int64()))
            yield from zip((position + i for i in inside), encoded.to_pylist(), strict=True)
            position += len(batch)


def patient_keys(facts: pa.Table) -> Iterator[str]:
    """The patient of each row, by a key that is unique across collections."""
    for batch in facts.select(["source", "patient_id"]).to_batches(max_chunksize=1000):
        pairs = zip(*(column.to_pylist() for column in batch), strict=True)
        yield from (f"{source}:{patient}" for source, patient in pairs)


def read_splits(folder: Path, seed: int) -> dict[int, str]:
    """The split of every file, by the short form of its hash; empty unless there is a dataset made with `seed`."""
    try:
        if json.loads(live_report(folder).read_text(encoding="utf-8"))["seed"] != seed:
            return {}
        splits: dict[int, str] = {}
        for split, names in live_shards(folder).items():
            for name in names:
                for batch in pq.ParquetFile(folder / name).iter_batches(columns=["sha256"]):
                    splits |= dict.fromkeys(map(short, batch[0].to_pylist()), split)
        return splits
    except (OSError, ValueError, LookupError, TypeError):
        return {}


def check_for_leaks(folder: Path, shards: Mapping[str, Sequence[str]], clusters: Mapping[str, int]) -> None:
    """Make sure that no patient, file or cluster of near-duplicates is in two splits, from the written Parquet files.

    Eight bytes a key are held in memory.

    Args:
        folder: the dataset.
        shards: by split, the names of its Parquet files in `folder`.
        clusters: the number of the cluster of each `source/file` that has near-duplicates.

    Raises:
        UserError: if there is a leak.
    """
    hashes = {split: _hash_keys(folder, names, clusters) for split, names in shards.items()}
    shared = [np.intersect1d(hashes[one], hashes[other]) for one, other in combinations(hashes, 2)]
    leaks = set(np.concatenate([*shared, np.empty(0, np.uint64)]).tolist())
    if leaks:
        names = [name for listed in shards.values() for name in listed]
        first = next(key for key in _keys(folder, names, clusters) if _hash(key) in leaks)
        raise UserError(
            f"{len(leaks)} patients, clusters or files are in two splits (the first: {first}); "
            "nothing was written: please report this"
        )


def _hash_keys(folder: Path, names: Sequence[str], clusters: Mapping[str, int]) -> np.ndarray:
    return np.unique(np.fromiter((_hash(key) for key in _keys(folder, names, clusters)), np.uint64))


def _hash(key: str) -> int:
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest())


def _keys(folder: Path, names: Sequence[str], clusters: Mapping[str, int]) -> Iterator[str]:
    for name in names:
        for batch in pq.ParquetFile(folder / name).iter_batches(1000, columns=_KEYS):
            for source, file, patient, sha256 in zip(*(batch[key].to_pylist() for key in _KEYS), strict=True):
                yield from (f"patient {source}:{patient}", f"file {sha256}")
                if f"{source}/{file}" in clusters:
                    yield f"cluster {clusters[f'{source}/{file}']}"
