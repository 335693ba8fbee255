"""A dataset onto the disk: shards named by what they hold, put in place so that a reader sees the old or the new one.

The card names the live shards and the live report, and its replacement, one rename, is the moment that the new dataset
begins. Until then nothing that the old card names is touched; afterwards what only the old card named is deleted.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import pyarrow
import pyarrow.parquet

from cxr.schema.dataset import SPLITS
from cxr.schema.dataset_card import live_report, live_shards
from cxr.schema.document import check
from cxr.schema.features import FEATURES
from cxr.schema.report import Report
from dataset_script import card
from dataset_script.records import Row
from dataset_script.storage.store import Store

SHARD_BYTES = 500_000_000
ROW_GROUP = 100
PICTURES = "pictures"
_OURS = re.compile(r"(train|validation|test)-\d{5}-of-\d{5}(-[0-9a-f]{12})?\.parquet|report-[0-9a-f]{12}\.json")
_FROM_ROW = [name for name in FEATURES if name not in ("image", "phash")]


def write_shards(rows: Sequence[Row], store: Store, folder: Path) -> None:
    """Write the Parquet files of all splits below `folder/data`.

    Rows stand in the order of their raw file's hash, so that classes are mixed.
    """
    (folder / "data").mkdir(parents=True)
    for split in SPLITS:
        mine = sorted((row for row in rows if row.split == split), key=lambda row: row.sha256)
        shards = 1 + sum(row.bytes for row in mine) // SHARD_BYTES
        for shard in range(shards if mine else 0):
            part = mine[shard * len(mine) // shards : (shard + 1) * len(mine) // shards]
            draft = folder / "data" / "draft"
            _write_shard(part, store, draft)
            draft.rename(draft.with_name(f"{split}-{shard:05d}-of-{shards:05d}-{_digest(draft)}.parquet"))


def _write_shard(rows: Sequence[Row], store: Store, path: Path) -> None:
    """A few rows at a time: pixels are never all held."""
    with pyarrow.parquet.ParquetWriter(path, FEATURES.arrow_schema, write_page_index=True) as writer:
        for start in range(0, len(rows), ROW_GROUP):
            group = [_complete(row, store) for row in rows[start : start + ROW_GROUP]]
            writer.write_batch(pyarrow.RecordBatch.from_pylist(group, schema=FEATURES.arrow_schema))


def _complete(row: Row, store: Store) -> dict:
    found = {name: getattr(row, name) for name in _FROM_ROW}
    found["image"] = {"bytes": store.image(row.number), "path": None}
    found["phash"] = store.facts(row.number)["phash"]
    return found


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:12]


def write_report(report: Report, folder: Path) -> None:
    """Write the report, under the name that the card will give it, and the card."""
    check(Report, report)
    text = (json.dumps(report, indent=1) + "\n").encode()
    name = f"data/report-{hashlib.sha256(text).hexdigest()[:12]}.json"
    (folder / name).write_bytes(text)
    (folder / "README.md").write_text(card.compose(report, shards_in(folder), folder, name), encoding="utf-8")


def shards_in(folder: Path) -> dict[str, list[str]]:
    """By split, the names of all Parquet files of a folder that holds one dataset and nothing stale."""
    found = {split: sorted(path.name for path in folder.glob(f"data/{split}-*.parquet")) for split in SPLITS}
    return {split: [f"data/{name}" for name in names] for split, names in found.items() if names}


def put_in_place(staged: Path, out: Path) -> None:
    """Make `out` the dataset that lies complete in `staged`, on the same disk."""
    (out / "data").mkdir(parents=True, exist_ok=True)
    for path in sorted(staged.glob("data/*")):
        _sync(path)
        path.replace(out / "data" / path.name)
    _sync(out / "data")
    _sync(staged / "README.md")
    (staged / "README.md").replace(out / "README.md")
    tidy(out)
    if (staged / PICTURES).is_dir():
        shutil.rmtree(out / PICTURES, ignore_errors=True)
        (staged / PICTURES).rename(out / PICTURES)


def tidy(out: Path) -> None:
    """Repeat the live report as `report.json`, and delete the shards and reports that the card does not name."""
    report = live_report(out)
    named = {Path(name).name for names in live_shards(out).values() for name in names} | {report.name}
    draft = out / "data" / "report.json.draft"
    shutil.copyfile(report, draft)
    draft.replace(out / "report.json")
    for path in (out / "data").iterdir():
        if path.name not in named and _OURS.fullmatch(path.name):
            path.unlink()


def remove_externals(out: Path, keep: Collection[str]) -> None:
    """Delete the external sets of earlier runs."""
    for folder in (out / "external").glob("*"):
        if folder.name not in keep:
            shutil.rmtree(folder, ignore_errors=True)


def contents(out: Path) -> Iterator[Path]:
    """Every file of a finished dataset and its external sets, less their pictures."""
    for folder in (out, *sorted((out / "external").glob("*"))):
        yield from (folder / "README.md", folder / "report.json", live_report(folder))
        yield from (folder / name for names in live_shards(folder).values() for name in names)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
