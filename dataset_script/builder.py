"""The `datasets` builder: records in, rows of Contract 1 out, read in parallel and never all in memory."""

import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import datasets
import imagehash
import multiprocess
import numpy as np
from PIL import Image

from cxr import radiograph
from cxr.cli import UserError
from cxr.labels import LABELS
from cxr.radiograph import UnreadableImage
from dataset_script.record import Record, Refusal

FEATURES = datasets.Features(
    {
        "image": datasets.Image(),
        "label": datasets.ClassLabel(names=LABELS),
        "finding": datasets.Value("string"),
        "patient_id": datasets.Value("string"),
        "source": datasets.Value("string"),
        "view": datasets.Value("string"),
        "sex": datasets.Value("string"),
        "age": datasets.Value("float32"),
        "file": datasets.Value("string"),
        "sha256": datasets.Value("string"),
        "phash": datasets.Value("string"),
        "width": datasets.Value("int32"),
        "height": datasets.Value("int32"),
        "mode": datasets.Value("string"),
        "format": datasets.Value("string"),
    }
)
"""Contract 1. `phash` is 256 bits as 64 hex digits, of the picture before its resize; `age` is in years.

What is unknown is empty, an age null; only a `patient_id` never is: a file without one is its own patient `file:…`.
"""

POOL = "pool"
HASH_SIZE = 16


@dataclass
class CxrConfig(datasets.BuilderConfig):
    """What is to be read. `content` stands for the records in the cache's key; `refused_folder` may stay empty."""

    records: Sequence[Record] = ()
    image_size: int = 256
    content: str = ""
    refused_folder: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.content = content_hash(self.records)

    def create_config_id(self, config_kwargs: dict, custom_features: datasets.Features | None = None) -> str:
        """Name the cache by what the pixels depend on; hashing every record by its pickle would take minutes."""
        return super().create_config_id({"image_size": self.image_size, "content": self.content}, custom_features)


class CovidCxr(datasets.GeneratorBasedBuilder):
    """Reads every record into one split, `pool`; patients and copies are divided among splits once all are known.

    A picture that cannot be read makes no row; its reason is noted in the config's `refused_folder` under the
    record's number, because workers have no other way back.
    """

    BUILDER_CONFIG_CLASS = CxrConfig
    VERSION = datasets.Version("1.0.0")

    def _info(self) -> datasets.DatasetInfo:
        return datasets.DatasetInfo(features=FEATURES)

    def _split_generators(self, dl_manager: datasets.DownloadManager) -> list[datasets.SplitGenerator]:
        pool = datasets.SplitGenerator(name=POOL, gen_kwargs={"numbered": list(enumerate(self.config.records))})
        pool.split_info.num_examples = len(self.config.records)  # gives the progress bar its end
        return [pool]

    def _generate_examples(self, numbered: list[tuple[int, Record]]) -> Iterator[tuple[int, dict]]:
        for number, record in numbered:
            try:
                yield number, row_of(record, self.config.image_size)
            except UnreadableImage as error:
                if self.config.refused_folder:
                    Path(self.config.refused_folder, f"{number}.json").write_text(json.dumps(error.reason))


def row_of(record: Record, image_size: int) -> dict:
    """Open one record and make its row.

    Raises:
        UnreadableImage: if its file gives no radiograph.
    """
    try:
        raw = record.opener()
    except OSError as error:
        raise UnreadableImage(f"cannot be opened ({error.strerror})", record.file) from error
    found = radiograph.read(raw)
    row = {
        "image": {"bytes": _png(radiograph.shrink(found.pixels, image_size)), "path": None},
        "label": record.label,
        "finding": record.finding,
        "patient_id": record.patient_id or f"file:{record.file}",
        "source": record.source,
        "view": record.view,
        "sex": record.sex,
        "age": record.age,
        "file": record.file,
        "sha256": found.sha256,
        "phash": str(imagehash.phash(Image.fromarray(found.pixels), hash_size=HASH_SIZE)),
        "width": found.width,
        "height": found.height,
        "mode": found.mode,
        "format": found.format,
    }
    return row | (record.header(raw) if record.header else {})


def content_hash(records: Sequence[Record]) -> str:
    """A hash that changes when a record or the file behind it does (a cache keyed by paths alone would go stale)."""
    digest = hashlib.sha256()
    for record in records:
        facts = [record.source, record.file, record.label, record.stamp, record.finding, record.patient_id]
        digest.update(json.dumps([*facts, record.view, record.sex, record.age]).encode())
    return digest.hexdigest()


def read_all(
    records: Sequence[Record], image_size: int, num_proc: int, scratch: Path
) -> tuple[datasets.Dataset, list[Record], list[Refusal]]:
    """Read every record into a memory-mapped dataset below `scratch`, in the order of the records.

    Returns:
        The rows, the records they came from in the same order, and the refusals.

    Raises:
        UserError: if not one of them can be read.
    """
    refused_folder = scratch / "refused"
    refused_folder.mkdir(parents=True)
    builder = CovidCxr(
        cache_dir=str(scratch / "cache"),
        records=tuple(records),
        image_size=image_size,
        refused_folder=str(refused_folder),
    )
    with _interruptible():
        builder.download_and_prepare(num_proc=min(num_proc, len(records)))
    reasons = {int(note.stem): json.loads(note.read_text()) for note in refused_folder.iterdir()}
    refusals = [Refusal(records[number].source, records[number].file, reasons[number]) for number in sorted(reasons)]
    kept = [record for number, record in enumerate(records) if number not in reasons]
    if not kept:
        first = refusals[0]
        raise UserError(f"none of the {len(records)} pictures can be read; the first: {first.file} {first.reason}")
    return builder.as_dataset(POOL), kept, refusals


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C stays Ctrl-C: `datasets` hides it behind the time-out of the workers that it ended."""
    try:
        yield
    except multiprocess.TimeoutError as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        raise


def _png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()
