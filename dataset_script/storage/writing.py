"""Writes one dataset to a folder: Parquet shards whose names hold a hash of their content, the report and the card."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from cxr.schema.dataset import SPLITS, Split
from cxr.schema.dataset_card import CARD
from cxr.schema.document import check
from cxr.schema.features import FEATURES
from cxr.schema.report import Report
from dataset_script.card import compose_card
from dataset_script.records import Row
from dataset_script.storage.store import Store

SHARD_BYTES = 500_000_000
ROW_GROUP = 100
_FROM_ROW = [name for name in FEATURES if name not in ("image", "phash")]


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
    """Write a row group at a time: only its images are held in memory."""
    with pyarrow.parquet.ParquetWriter(path, FEATURES.arrow_schema, write_page_index=True) as writer:
        for start in range(0, len(rows), ROW_GROUP):
            group = [_with_image(row, store) for row in rows[start : start + ROW_GROUP]]
            writer.write_batch(pyarrow.RecordBatch.from_pylist(group, schema=FEATURES.arrow_schema))


def _with_image(row: Row, store: Store) -> dict[str, Any]:
    columns = {name: getattr(row, name) for name in _FROM_ROW}
    columns["image"] = {"bytes": store.image(row.number), "path": None}
    columns["phash"] = store.facts(row.number)["phash"]
    return columns


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:12]


def write_report(report: Report, shards: Mapping[str, Sequence[str]], folder: Path) -> None:
    """Write the report, under the name that the card will give it, and the card of the dataset in `folder`.

    Raises:
        pydantic.ValidationError: if the report does not keep to its model.
    """
    check(Report, report)
    text = (json.dumps(report, indent=1) + "\n").encode()
    name = f"data/report-{hashlib.sha256(text).hexdigest()[:12]}.json"
    (folder / name).write_bytes(text)
    (folder / CARD).write_text(compose_card(report, shards, folder, name), encoding="utf-8")
