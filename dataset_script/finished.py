"""Reading a finished dataset back from its Parquet files, a few pictures at a time."""

from collections.abc import Collection, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from huggingface_hub import metadata_load

from cxr.labels import LABELS
from dataset_script.splits import SPLITS

BATCH = 64


def shards(folder: Path) -> dict[str, list[Path]]:
    """The Parquet files of each split: those that the card names, else `data/SPLIT-*.parquet`."""
    card = folder / "README.md"
    configs = (metadata_load(card) or {}).get("configs") if card.is_file() else None
    named = configs[0]["data_files"] if configs else [{"split": s, "path": f"data/{s}-*.parquet"} for s in SPLITS]
    found = {split: [] for split in SPLITS}
    for entry in named:
        paths = [entry["path"]] if isinstance(entry["path"], str) else entry["path"]
        found[entry["split"]] = sorted(file for path in paths for file in folder.glob(path))
    return found


def facts(files: list[Path]) -> list[dict]:
    """Every row of one split without its picture, in the order of the files."""
    return [row for file in files for row in pq.read_table(file, columns=_columns(file)).to_pylist()]


def pictures(files: list[Path], wanted: Collection[int]) -> Iterator[tuple[int, bytes]]:
    """Position and PNG bytes of the rows at the wanted positions, in the order of the files."""
    position = 0
    for file in files:
        for batch in pq.ParquetFile(file, pre_buffer=False).iter_batches(BATCH, columns=["image.bytes"]):
            inside = [i for i in range(len(batch)) if position + i in wanted]
            encoded = batch.column("image").field("bytes").take(pa.array(inside, pa.int64()))
            yield from zip((position + i for i in inside), encoded.to_pylist(), strict=True)
            position += len(batch)


def counts(rows_by_split: dict[str, list[dict]]) -> dict[str, dict[str, dict[str, int]]]:
    """Images by source, class and split, zeros included."""
    sources = sorted({row["source"] for rows in rows_by_split.values() for row in rows})
    found = {source: {name: dict.fromkeys(rows_by_split, 0) for name in LABELS} for source in sources}
    for split, rows in rows_by_split.items():
        for row in rows:
            found[row["source"]][LABELS[row["label"]]][split] += 1
    return found


def patient_of(row: dict) -> str:
    """A patient's key across collections."""
    return f"{row['source']}:{row['patient_id']}"


def _columns(file: Path) -> list[str]:
    return [name for name in pq.read_schema(file).names if name != "image"]
