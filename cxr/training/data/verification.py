"""Whether a prepared dataset is what its preparation wrote, found out before the first step of a training run.

Read are the footers of the Parquet files and the columns without images; `verify` also hashes the files, decodes the
held-out images, which training itself does not read before the end, and compares the splits with each other.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from pathlib import Path
from typing import cast

import datasets
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml
from huggingface_hub import metadata_load
from pydantic import TypeAdapter, ValidationError

from cxr.errors import UserError, one_line
from cxr.overlap import OVERLAP_COLUMNS, find_overlap
from cxr.parallel import map_in_order
from cxr.schema.dataset import COLUMNS, LATER_COLUMNS
from cxr.schema.dataset_card import CARD, live_report
from cxr.schema.features import FEATURES
from cxr.schema.labels import LABELS
from cxr.schema.report import Report
from cxr.training.data.images import Shards, image_of

AGAIN = "prepare it again with `python -m dataset_script`"
_DIGEST = re.compile(r".*-([0-9a-f]{12})\.parquet")
_HEX = "^[0-9a-f]{64}$"
_NEEDED = ("label", *OVERLAP_COLUMNS)
_THREADS = 4

Facts = Mapping[str, Sequence[str]]
"""`OVERLAP_COLUMNS` of a split."""


def read_report(folder: Path, where: str) -> Report:
    """The report that belongs to the card in `folder`; `where` is how messages begin.

    Keys of later versions are allowed.

    Raises:
        UserError: if there is none, or card or report are damaged.
    """
    if (folder / CARD).is_file():
        try:
            if not metadata_load(folder / CARD):
                raise ValueError("it has no front matter")
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise UserError(f"{where}: its {CARD} cannot be read ({one_line(error)}); {AGAIN}") from error
    path = live_report(folder)
    if not path.is_file():
        raise UserError(f"{where} has no {path.relative_to(folder)}; {AGAIN}")
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        TypeAdapter(Report).validate_python(report, strict=True)
    except ValidationError as error:
        wrong = next((item for item in error.errors() if item["type"] != "extra_forbidden"), None)
        if wrong:
            key = ".".join(map(str, wrong["loc"]))
            raise UserError(f"{where}: its {path.name} is damaged ({key}: {_said(wrong)}); {AGAIN}") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{where}: its {path.name} is no JSON ({one_line(error)}); {AGAIN}") from error
    return cast(Report, report)


def _said(wrong: Mapping[str, object]) -> str:
    """What pydantic says of one wrong key."""
    return " ".join(str(wrong["msg"]).split())


def check_shards(shards: Shards, report: Report, where: str) -> None:
    """Check columns, types, labels, hashes and numbers of rows of Parquet files on this disk.

    Raises:
        UserError: naming the file, and the column or row, that is not as a preparation writes it.
    """
    for split, names in shards.items():
        labels: Counter[str] = Counter()
        for name in names:
            labels += _check_shard(Path(name), f"{where}: {Path(name).name}")
        stated = cast(Mapping[str, Mapping[str, Mapping[str, int]]], report["splits"]).get(split)
        if stated is not None and {label: labels[label] for label in LABELS} != dict(stated["labels"]):
            held = ", ".join(f"{labels[label]} {label}" for label in LABELS)
            raise UserError(f"{where}: its {split} split holds {held}, which is not what its report says; {AGAIN}")


def _check_shard(path: Path, where: str) -> Counter[str]:
    """Check one file; returns its number of rows of each class."""
    try:
        file = pq.ParquetFile(path)
        check_columns(file.schema_arrow, where)
        table = file.read(columns=list(_NEEDED))
    except (OSError, pa.ArrowException) as error:
        raise UserError(f"{where} cannot be read ({one_line(error)}); {AGAIN}") from error
    for column in _NEEDED:
        _require(pc.is_valid(table[column]), f"{where}: {column} is empty")
    for column in ("sha256", "phash"):
        _require(pc.match_substring_regex(table[column], _HEX), f"{where}: {column} is no hash of 64 digits")
    _require(pc.is_in(table["label"], pa.array(range(len(LABELS)))), f"{where}: label is none of {LABELS}")
    _check_bytes(file, where)
    return Counter({LABELS[value["values"]]: value["counts"] for value in pc.value_counts(table["label"]).to_pylist()})


def check_columns(schema: pa.Schema, where: str) -> None:
    """Check the names and types of a table's columns.

    Raises:
        UserError: naming the first column that is missing, of another type, or not one of a prepared dataset.
    """
    for column in COLUMNS:
        if column in schema.names:
            if column not in LATER_COLUMNS and schema.field(column).type != FEATURES.arrow_schema.field(column).type:
                raise UserError(f"{where}: column {column} is of type {schema.field(column).type}; {AGAIN}")
        elif column not in LATER_COLUMNS:
            raise UserError(f"{where} has no column {column}; {AGAIN}")
    for column in schema.names:
        if column not in COLUMNS:
            raise UserError(f"{where} has a column {column}, which no preparation writes; {AGAIN}")


def _require(holds: pa.ChunkedArray, what: str) -> None:
    if not pc.all(holds).as_py():
        row = holds.to_pylist().index(False)
        raise UserError(f"{what} in row {row}; {AGAIN}")


def _check_bytes(file: pq.ParquetFile, where: str) -> None:
    """Refuse rows whose image is a path instead of bytes, by what the footer says of each row group."""
    for number in range(file.num_row_groups):
        group = file.metadata.row_group(number)
        columns = (group.column(index) for index in range(group.num_columns))
        column = next(column for column in columns if column.path_in_schema == "image.bytes")
        if column.statistics is None or column.statistics.null_count:
            images = file.read_row_group(number, columns=["image.bytes"])["image"].combine_chunks()
            _require(pc.is_valid(images.field("bytes")), f"{where}, row group {number}: there are no image bytes")


def verify_digests(shards: Shards, where: str) -> None:
    """Compare files whose names end with the first digits of their SHA-256 with these.

    Raises:
        UserError: naming the first file whose content is not what its name says.
    """
    named = [(Path(name), match[1]) for names in shards.values() for name in names if (match := _DIGEST.match(name))]
    with ThreadPoolExecutor(_THREADS) as threads:
        for (path, digest), found in zip(named, map_in_order(threads, _sha256, named, _THREADS), strict=True):
            if not found.startswith(digest):
                raise UserError(f"{where}: {path.name} is damaged or was changed: its hash is {found[:12]}; {AGAIN}")


def _sha256(named: tuple[Path, str]) -> str:
    with named[0].open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def verify_images(split: datasets.Dataset) -> None:
    """Decode every image of a split.

    Raises:
        UnreadableData: at the first that cannot be.
    """
    rows = split.select_columns(["image", "sha256"])
    with ThreadPoolExecutor(_THREADS) as threads:
        for _ in map_in_order(threads, lambda number: image_of(rows[number]), range(len(rows)), 4 * _THREADS):
            pass


def verify_splits(facts: Mapping[str, Facts], where: str) -> None:
    """Compare all splits with each other.

    Raises:
        UserError: if two of them share a patient, a file or a near-duplicate.
    """
    for first, second in combinations(facts, 2):
        shared = find_overlap(facts[first], facts[second])
        if any(shared):
            raise UserError(
                f"{where}: {shared.patients} images of its {second} split share a patient, {shared.files} a file and "
                f"{shared.near_duplicates} are near-duplicates of images in its {first} split; {AGAIN}"
            )
