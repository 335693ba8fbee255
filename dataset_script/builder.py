"""Raw collections as a dataset of the `datasets` library: `load_collections`, and the builder behind it.

    from dataset_script import load_collections

    images = load_collections(["folder=/data/xrays", "phantom=100"], streaming=True)

Nothing is split, and near-duplicates stay: this is for a look at collections, a stream, or tools of one's own.
`python -m dataset_script` makes the dataset to train on. Both read an image by `dataset_script.reading`.
"""

import hashlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import datasets

from cxr.errors import UnreadableImage
from cxr.import_closure import code_digest
from cxr.patient_key import load_or_make_key, new_key
from cxr.schema.features import FEATURES
from dataset_script import reading
from dataset_script.collections import collect
from dataset_script.records import Collection

POOL = "pool"
"""The name of the one split."""

_log = logging.getLogger(__name__)


def load_collections(
    sources: Sequence[str],
    *,
    image_size: int = 256,
    patient_key: str | Path | None = None,
    streaming: bool = False,
    num_proc: int | None = None,
    cache_dir: str | Path | None = None,
) -> datasets.Dataset | datasets.IterableDataset:
    """Every readable image of raw collections, with the columns of Contract 1.

    Args:
        sources: `NAME=PATH` each, as `--source` takes them: a layout and where the collection lies.
        image_size: the short side, in pixels, to which images are resized.
        patient_key: the file with the key for the pseudonyms of DICOM patients, made if it is not there; without one,
            pseudonyms differ from load to load.
        streaming: read images when they are asked for, and keep nothing on disk.
        num_proc: how many processes read, unless streaming.
        cache_dir: where the result is kept, unless streaming; by default where `datasets` keeps everything. What is
            kept is used again until a file, a setting or the code that reads changes.

    Raises:
        UserError: if a source is malformed, missing or empty.
    """
    cache = None if cache_dir is None else str(cache_dir)
    builder = CovidCxr(cache_dir=cache, sources=tuple(sources), image_size=image_size, patient_key=patient_key)
    if streaming:
        return builder.as_streaming_dataset(POOL)
    builder.download_and_prepare(num_proc=num_proc)
    return builder.as_dataset(POOL)


@dataclass
class CxrConfig(datasets.BuilderConfig):
    """The arguments of `load_collections`; `collection` is what the sources hold."""

    sources: Sequence[str] = ()
    image_size: int = 256
    patient_key: str | Path | None = None
    collection: Collection = field(init=False, repr=False, compare=False)
    settings: reading.Settings = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        key = new_key() if self.patient_key is None else load_or_make_key(Path(self.patient_key))
        self.settings = reading.Settings(self.image_size, key, code_digest(*reading.CODE))
        self.collection = collect(self.sources)

    def create_config_id(self, config_kwargs: dict[str, Any], custom_features: datasets.Features | None = None) -> str:
        """Name the cache by all that its content depends on: files, settings, and the code that reads."""
        secret = "" if self.patient_key is None else self.settings.secret
        parts = (self.collection.records.digest(), str(self.image_size), secret, self.settings.code)
        content = hashlib.sha256(" ".join(parts).encode()).hexdigest()
        return super().create_config_id({"content": content}, custom_features)


class CovidCxr(datasets.GeneratorBasedBuilder):
    """Raw collections as one split, `pool`: `CovidCxr(sources=["folder=/data/xrays"], image_size=256)`.

    `download_and_prepare(num_proc=...)`, `as_dataset()` and `as_streaming_dataset()` are those of every builder. What a
    layout left out stands in `config.collection.refusals`; files that give no radiograph are logged as warnings.
    """

    BUILDER_CONFIG_CLASS = CxrConfig
    VERSION = datasets.Version("1.0.0")

    def _info(self) -> datasets.DatasetInfo:
        return datasets.DatasetInfo(features=FEATURES)

    def _split_generators(self, dl_manager: datasets.DownloadManager) -> list[datasets.SplitGenerator]:
        count = len(self.config.collection.records)
        # a list, because processes are given parts of it
        pool = datasets.SplitGenerator(name=POOL, gen_kwargs={"numbers": list(range(count))})
        pool.split_info.num_examples = count  # the end of the progress bar
        return [pool]

    def _generate_examples(self, numbers: list[int]) -> Iterator[tuple[int, dict[str, Any]]]:
        for number in numbers:
            record = self.config.collection.records[number]
            try:
                found = reading.read_record(record, self.config.settings)
            except UnreadableImage as error:
                _log.warning("left out: %s/%s %s", record.source, record.file, error.reason)
                continue
            yield number, {"image": {"bytes": found.png, "path": None}} | reading.describe(record, found.facts)
