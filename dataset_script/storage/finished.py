"""Reading a finished dataset back from its Parquet files, a few pictures at a time."""

from collections.abc import Collection, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from cxr.schema.dataset import SPLITS
from cxr.schema.dataset_card import live_shards
from cxr.schema.features import FEATURES
from cxr.schema.labels import LABELS

BATCH = 64
_LEFT_OUT = ["image", "sha256", "phash"]
NO_ROWS = FEATURES.arrow_schema.empty_table().drop_columns(_LEFT_OUT)


def shards(folder: Path) -> dict[str, list[Path]]:
    """The Parquet files of each split: those that the card names, else `data/SPLIT-*.parquet`."""
    named = live_shards(folder) or {split: [f"data/{split}-*.parquet"] for split in SPLITS}
    paths = {split: sorted(path for name in names for path in folder.glob(name)) for split, names in named.items()}
    return {split: [] for split in SPLITS} | paths


def facts(files: list[Path]) -> pa.Table:
    """Every row of one split without its picture and hashes, in the order of the files; about 150 bytes a row."""
    tables = [
        pq.read_table(file, columns=[name for name in pq.read_schema(file).names if name not in _LEFT_OUT])
        for file in files
    ]
    return pa.concat_tables(tables) if tables else NO_ROWS


def pictures(files: list[Path], wanted: Collection[int]) -> Iterator[tuple[int, bytes]]:
    """Position and PNG bytes of the rows at the wanted positions, in the order of the files."""
    position = 0
    for file in files:
        for batch in pq.ParquetFile(file, pre_buffer=False).iter_batches(BATCH, columns=["image.bytes"]):
            inside = [i for i in range(len(batch)) if position + i in wanted]
            encoded = batch.column("image").field("bytes").take(pa.array(inside, pa.int64()))
            yield from zip((position + i for i in inside), encoded.to_pylist(), strict=True)
            position += len(batch)


def counts(rows_by_split: dict[str, pa.Table]) -> dict[str, dict[str, dict[str, int]]]:
    """Images by source, class and split, zeros included."""
    found = {}
    for split, rows in rows_by_split.items():
        for row in rows.group_by(["source", "label"]).aggregate([([], "count_all")]).to_pylist():
            labels = found.setdefault(row["source"], {name: dict.fromkeys(rows_by_split, 0) for name in LABELS})
            labels[LABELS[row["label"]]][split] = row["count_all"]
    return dict(sorted(found.items()))


def patients(rows: pa.Table) -> Iterator[str]:
    """The patient of each row, by a key that holds across collections."""
    for batch in rows.select(["source", "patient_id"]).to_batches(max_chunksize=1000):
        pairs = zip(*(column.to_pylist() for column in batch), strict=True)
        yield from (f"{source}:{patient}" for source, patient in pairs)
