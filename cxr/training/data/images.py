"""The images in the rows of a dataset: decoded from the bytes in the row alone, in a few harmless formats.

`datasets` itself would open whatever file or address a row names in `path`, and Pillow any format, EPS included, for
which it starts another program.
"""

import hashlib
import io
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

import datasets
import pyarrow.parquet as pq
from huggingface_hub import HfFileSystem
from PIL import Image, ImageOps

from cxr.errors import UserError, one_line

_FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF")
_NAMED = re.compile(r"the image with sha256 ([0-9a-f]{64}) (.*)")

Row = Mapping[str, Any]
Shards = Mapping[str, list[str]]
"""By split, the Parquet files: paths, or `hf://` addresses."""


class UnreadableData(UserError):
    """A dataset cannot be read to its end; where an image is at fault, its row is named by the hash of the raw file."""


def undecoded(splits: datasets.DatasetDict) -> datasets.DatasetDict:
    """The same splits, whose images are bytes until `image_of` decodes them."""
    return datasets.DatasetDict(
        {name: rows.cast_column("image", datasets.Image(decode=False)) for name, rows in splits.items()}
    )


def load_splits(shards: Shards, features: datasets.Features | None = None) -> datasets.DatasetDict:
    """Read the files of some splits, on this disk, as they are now.

    `datasets` caches them by the names of files alone; under a key of our own, a cache serves only unchanged files.
    """
    stats = [(name, os.stat(name)) for names in shards.values() for name in names]
    state = [(os.path.abspath(name), stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns) for name, stat in stats]
    key = hashlib.sha256(json.dumps(state).encode("utf-8", "surrogateescape")).hexdigest()[:16]
    cache = Path(datasets.config.HF_DATASETS_CACHE) / f"cxr-{key}"
    return datasets.load_dataset("parquet", data_files=dict(shards), features=features, cache_dir=str(cache))


def image_of(row: Row) -> Image.Image:
    """The image of a row, 8-bit grayscale; one that is decoded already is returned as it is.

    Raises:
        UnreadableData: if it cannot be decoded, or is not what a preparation writes.
    """
    value = row["image"]
    if isinstance(value, Image.Image):
        return value
    if not value or value["bytes"] is None:
        raise _unusable(row, "has no bytes")
    try:
        with Image.open(io.BytesIO(value["bytes"]), formats=_FORMATS) as opened:
            opened.load()
            image = ImageOps.exif_transpose(opened)
    except Exception as error:  # whatever a decoder raises
        raise _unusable(row, f"cannot be decoded ({type(error).__name__})") from error
    if image.mode != "L":
        raise _unusable(row, f"is of mode {image.mode}, not 8-bit grayscale")
    return image


def _unusable(row: Row, reason: str) -> UnreadableData:
    return UnreadableData(f"the image with sha256 {row['sha256']} {reason}")


def open_shard(name: str) -> BinaryIO:
    """Open a file of a dataset, on this disk or on the Hub, of which only what is asked for is read."""
    return cast(BinaryIO, HfFileSystem().open(name, "rb")) if "://" in name else open(name, "rb")


def with_place(error: UnreadableData, shards: Shards) -> str:
    """What the error says, with the file and row of the image that it names: the column of hashes is searched."""
    named = _NAMED.search(str(error))
    if named is None:
        return one_line(error)
    sha256, reason = named.groups()
    for name in (name for names in shards.values() for name in names):
        with open_shard(name) as stream:
            hashes = pq.read_table(stream, columns=["sha256"])["sha256"].to_pylist()
        if sha256 in hashes:
            return f"{Path(name).name}, row {hashes.index(sha256)}: the image {reason}"
    return one_line(error)
