"""The Parquet files of a dataset: writing them, reading them back, and checking that its splits share nothing."""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cxr.errors import UserError
from cxr.schema.dataset import SPLITS, Split
from cxr.schema.dataset_card import live_report, live_shards
from cxr.schema.features import FEATURES
from dataset_script.records import Row, short
from dataset_script.storage.store import Store

SHARD_BYTES = 500_000_000
ROW_GROUP = 100
BATCH = 64
_FROM_ROW = [name for name in FEATURES if name not in ("image", "phash")]
_NOT_FACTS = ["image", "sha256", "phash", "reference_standard", "boxes"]
_NO_FACTS = FEATURES.arrow_schema.empty_table().drop_columns(_NOT_FACTS)
_KEYS = ["source", "file", "patient_id", "sha256"]


def write_shards(splits: Mapping[Split, Sequence[Row]], store: Store, folder: Path) -> dict[str, list[str]]:
    """Write the Parquet files of all splits below `folder/data`; returns their names in `folder` by split.

    Rows are in the order of their raw file's hash, so that classes are mixed.
    """
    (folder / "data").mkdir(parents=True)
    return {split: _write_split(split, splits[split], store, folder) for split in SPLITS if splits.get(split)}


def _write_split(split: str, rows: Sequence[Row], store: Store, folder: Path) -> list[str]:
    ordered = sorted(rows, key=lambda row: row.sha256)
    count = 1 + sum(row.bytes for row in ordered) // SHARD_BYTES
    names = []
    for shard in range(count):
        part = ordered[shard * len(ordered) // count : (shard + 1) * len(ordered) // count]
        draft = folder / "data" / "draft"
        _write_shard(part, store, draft)
        names.append(f"data/{split}-{shard:05d}-of-{count:05d}-{_digest(draft)}.parquet")
        draft.rename(folder / names[-1])
    return names


def _write_shard(rows: Sequence[Row], store: Store, path: Path) -> None:
    """Write a row group at a time: only its images are held in memory.

    The checksum of each page lets a stream of the file be checked, which never holds all of it.
    """
    with pq.ParquetWriter(path, FEATURES.arrow_schema, write_page_index=True, write_page_checksum=True) as writer:
        for start in range(0, len(rows), ROW_GROUP):
            group = [_with_image(row, store) for row in rows[start : start + ROW_GROUP]]
            writer.write_batch(pa.RecordBatch.from_pylist(group, schema=FEATURES.arrow_schema))


def _with_image(row: Row, store: Store) -> dict[str, Any]:
    columns = {name: getattr(row, name) for name in _FROM_ROW}
    columns["image"] = {"bytes": store.image(row.number), "path": None}
    columns["phash"] = store.facts(row.number)["phash"]
    return columns


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:12]


def find_shards(folder: Path) -> dict[str, list[Path]]:
    """The Parquet files of each split: those that the card lists, or else `data/SPLIT-*.parquet`."""
    named = live_shards(folder) or {split: [f"data/{split}-*.parquet"] for split in SPLITS}
    paths = {split: sorted(path for name in names for path in folder.glob(name)) for split, names in named.items()}
    return {split: [] for split in SPLITS} | paths


def read_facts(files: Sequence[Path]) -> pa.Table:
    """Every row of one split without its image and hashes, in the order of the files; about 150 bytes a row."""
    tables = [
        pq.read_table(file, columns=[name for name in pq.read_schema(file).names if name not in _NOT_FACTS])
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
