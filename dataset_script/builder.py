"""One record read into one row of Contract 1, and the `datasets` builder that does so for many, streaming too."""

import hashlib
import io
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import datasets
import imagehash
import numpy as np
from PIL import Image

from cxr.errors import UnreadableImage
from cxr.imaging import reader
from cxr.patient_key import file_hash, new_key
from cxr.schema.features import FEATURES
from dataset_script.collections.record import Record
from dataset_script.duplicates.fingerprint import fingerprint

POOL = "pool"
HASH_SIZE = 16


@dataclass
class CxrConfig(datasets.BuilderConfig):
    """What is to be read. `content` stands for the records in the cache's key."""

    records: Sequence[Record] = ()
    image_size: int = 256
    content: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.content = content_hash(self.records)

    def create_config_id(self, config_kwargs: dict, custom_features: datasets.Features | None = None) -> str:
        """Name the cache by what the pixels depend on; hashing every record by its pickle would take minutes."""
        return super().create_config_id({"image_size": self.image_size, "content": self.content}, custom_features)


class CovidCxr(datasets.GeneratorBasedBuilder):
    """Every readable record in one split, `pool`: collections as they stand, undivided, for a look or a stream.

    What `python -m dataset_script` writes is divided and cleared of copies; this is not.
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
        patient_key = new_key()
        for number, record in numbered:
            try:
                found = read_record(record, self.config.image_size, patient_key)
            except UnreadableImage:
                continue
            yield number, {"image": {"bytes": found.image, "path": None}} | described(record, found.facts)


@dataclass(frozen=True)
class Reading:
    """What reading a file gave: facts for Contract 1, its fingerprint, and its picture as PNG.

    `pseudonymous` says that the facts hold a name made with the patient key.
    """

    facts: dict
    fingerprint: bytes
    image: bytes
    pseudonymous: bool = False


def read_record(record: Record, image_size: int, patient_key: bytes) -> Reading:
    """Open one record and read it.

    Raises:
        UnreadableImage: if its file gives no frontal radiograph.
    """
    try:
        raw = record.opener()
    except OSError as error:
        raise UnreadableImage(f"cannot be opened ({error.strerror})", record.file) from error
    found = reader.read_radiograph(raw, patient_key=patient_key)
    if found.header and found.header.refusal:
        raise UnreadableImage(found.header.refusal, record.file)
    pixels = reader.resize_to_short_side(found.pixels, image_size)
    facts = {
        "sha256": found.sha256,
        "phash": str(imagehash.phash(Image.fromarray(pixels), hash_size=HASH_SIZE)),
        "width": found.width,
        "height": found.height,
        "mode": found.mode,
        "format": found.format,
    }
    facts |= record.header(raw) if record.header else {}
    if found.header:
        facts |= {key: getattr(found.header, key) for key in ("view", "sex", "age")}
        facts |= {"patient_id": found.header.patient, "file": file_hash(patient_key, record.file)}
    return Reading(facts, fingerprint(pixels).tobytes(), _png(pixels), pseudonymous=bool(found.header))


def described(record: Record, facts: dict) -> dict:
    """The columns of Contract 1 but `image`: what the collection says, and what its files say where it is silent."""
    said = {key: getattr(record, key) for key in ("label", "finding", "patient_id", "source", "view", "sex", "age")}
    said |= {"file": record.file} | {
        key: value for key, value in facts.items() if key in FEATURES and not said.get(key)
    }
    return said | {"patient_id": said["patient_id"] or f"file:{said['file']}"}


def content_hash(records: Sequence[Record]) -> str:
    """A hash that changes when a record or the file behind it does (a cache keyed by paths alone would go stale)."""
    digest = hashlib.sha256()
    for record in records:
        facts = [record.source, record.file, record.label, record.stamp, record.finding, record.patient_id]
        digest.update(json.dumps([*facts, record.view, record.sex, record.age]).encode())
    return digest.hexdigest()


def _png(pixels: np.ndarray) -> bytes:
    """Run-length matches only: on filtered radiographs as small as the best, in a third of the time."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", compress_type=zlib.Z_RLE)
    return stream.getvalue()
