"""Reading records: one of them, or all of them once, in several processes, into the store.

`read_record` and `describe` are the only way from a record to its row of Contract 1; `python -m dataset_script` and the
`datasets` builder share them.
"""

import gc
import hashlib
import io
import multiprocessing
import zlib
from collections.abc import Collection, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial

import imagehash
import numpy as np
from PIL import Image
from tqdm import tqdm

from cxr.errors import UnreadableImage, UserError
from cxr.imaging import reader
from cxr.imaging.geometry import resize_to_short_side
from cxr.parallel import end_with_parent, map_in_order
from cxr.patient_key import file_hash
from cxr.schema.dataset import COLUMNS, EXTERNAL
from dataset_script.collections import boxes
from dataset_script.collections.provenance import reference_standard_of
from dataset_script.duplicates.fingerprint import fingerprint
from dataset_script.records import Facts, Reading, Record, Records, Refusal, Rows
from dataset_script.storage.store import Store

CODE = ("dataset_script/reading.py", "dataset_script/collections/__init__.py")
"""What reads a record, and what opens its file, wherever that lies: part of the key of every cache of readings."""

_STATED = ("label", "finding", "patient_id", "source", "view", "sex", "age", "reference_standard")
_HASH_SIZE = 16
_CHUNK = 16
_NONE = -1


@dataclass(frozen=True)
class Settings:
    """How every image of a run is read; `code` stands for the code that reads (`code_digest` of `CODE`)."""

    image_size: int
    patient_key: bytes
    code: str

    @property
    def secret(self) -> str:
        """Tells patient keys apart without disclosing them."""
        return hashlib.sha256(b"cxr patient key" + self.patient_key).hexdigest()


def read_record(record: Record, settings: Settings) -> Reading:
    """Open a record's file and read it.

    Raises:
        UnreadableImage: if it gives no frontal radiograph.
    """
    try:
        raw = record.image.read()
    except OSError as error:
        raise UnreadableImage(f"cannot be opened ({error.strerror})", record.file) from error
    radiograph = reader.read_radiograph(raw, patient_key=settings.patient_key)
    header = radiograph.header
    if header and header.refusal:
        raise UnreadableImage(header.refusal, record.file)
    pixels = resize_to_short_side(radiograph.pixels, settings.image_size)
    facts: Facts = {
        "sha256": radiograph.sha256,
        "phash": str(imagehash.phash(Image.fromarray(pixels), hash_size=_HASH_SIZE)),
        "width": radiograph.width,
        "height": radiograph.height,
        "mode": radiograph.mode,
        "format": radiograph.format,
    }
    if radiograph.warning:
        facts["warning"] = radiograph.warning
    if record.lesions:
        facts["boxes"] = boxes.around_lesions(record.lesions)
    if header:
        facts |= {"view": header.view, "sex": header.sex, "age": header.age, "patient_id": header.patient}
        facts |= {"file": file_hash(settings.patient_key, record.file)}
    return Reading(facts, fingerprint(pixels).tobytes(), _png(pixels), pseudonymous=header is not None)


def _png(pixels: np.ndarray) -> bytes:
    """Run-length matches only: on filtered radiographs as small as the best, in a third of the time."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", compress_type=zlib.Z_RLE)
    return stream.getvalue()


def describe(record: Record, facts: Facts) -> Facts:
    """The columns of Contract 1 but `image`: the record's, and where it leaves one empty, what its file states.

    A DICOM file's name is its pseudonym, whatever the record calls it.
    """
    columns: Facts = {name: getattr(record, name) for name in _STATED}
    columns |= {name: value for name, value in facts.items() if name in COLUMNS and not columns.get(name)}
    columns["boxes"] = boxes.as_shares(record.boxes, facts) or boxes.unpacked(facts.get("boxes"))
    columns["reference_standard"] = record.reference_standard or reference_standard_of(record.source)
    columns["file"] = facts.get("file", record.file)
    columns["patient_id"] = columns["patient_id"] or f"file:{columns['file']}"
    return columns


def read_all(
    records: Records, settings: Settings, store: Store, *, num_proc: int = 1, external: Collection[str] = ()
) -> tuple[Rows, list[Refusal]]:
    """Read every record that is not in the store yet; `external` are the collections that become external sets.

    Returns:
        The rows of the records that gave a radiograph, in their order, and the refusals of the others.

    Raises:
        UserError: if not one of them can be read, or a process died over one.
    """
    code = f"{settings.image_size} {settings.code}"
    known = (store.number(_key(record, code), settings.secret) for record in records)
    numbers = np.fromiter((_NONE if number is None else number for number in known), np.int64, len(records))
    missing = np.flatnonzero(numbers == _NONE)
    refusals = []
    with tqdm(total=len(records), initial=len(records) - len(missing), desc="reading", unit=" images") as bar:
        for results in _read(missing, records, settings, num_proc):
            for index, result in results:
                record = records[index]
                if isinstance(result, Reading):
                    secret = settings.secret if result.pseudonymous else None
                    numbers[index] = store.add(_key(record, code), secret, result)
                else:
                    refusals.append(Refusal(record.source, record.file, result))
            store.commit()
            bar.update(len(results))
    if len(refusals) == len(records):
        first = refusals[0]
        raise UserError(f"none of the {len(records)} images can be read; the first: {first.file} {first.reason}")
    return _rows(records, numbers, store, external), refusals


def _key(record: Record, code: str) -> bytes:
    """16 bytes that change when the file behind a record does, or `code`: the way of reading it."""
    place = repr((record.source, record.file, record.image, record.lesions, code))
    return hashlib.blake2b(place.encode("utf-8", "surrogateescape"), digest_size=16).digest()


def _rows(records: Records, numbers: np.ndarray, store: Store, external: Collection[str]) -> Rows:
    rows = Rows()
    for record, number in zip(records, numbers.tolist(), strict=True):
        if number != _NONE:
            facts = store.facts(number)
            working = {
                "number": number,
                "bytes": facts["bytes"],
                "mask": record.mask,
                "warning": facts.get("warning") or boxes.warning(record.boxes, facts),
                "is_known_patient": bool(record.patient_id or facts.get("patient_id")),
                "predefined": EXTERNAL if record.source in external else record.split,
            }
            rows.append(describe(record, facts) | working)
    return rows


def _read(
    missing: np.ndarray, records: Records, settings: Settings, num_proc: int
) -> Iterator[list[tuple[int, Reading | str]]]:
    """Results chunk by chunk; few are under way at a time, so that pixels never pile up."""
    chunks = (missing[start : start + _CHUNK].tolist() for start in range(0, len(missing), _CHUNK))
    tasks = ([(index, records[index]) for index in chunk] for chunk in chunks)
    processes = min(num_proc, -(-len(missing) // _CHUNK))
    if processes < 2:
        yield from (_read_chunk(settings, task) for task in tasks)
        return
    context = multiprocessing.get_context("spawn" if multiprocessing.get_start_method() == "spawn" else "fork")
    with ProcessPoolExecutor(processes, context, initializer=_start_process) as pool:
        try:
            yield from map_in_order(pool, partial(_read_chunk, settings), tasks, 2 * processes)
        except BrokenProcessPool as error:
            raise UserError("a reading process was killed (out of memory?): try fewer with --num_proc 1") from error


def _start_process() -> None:
    """Frozen objects are not walked by garbage collection, which would copy every page that holds one."""
    end_with_parent()
    gc.freeze()


def _read_chunk(settings: Settings, task: list[tuple[int, Record]]) -> list[tuple[int, Reading | str]]:
    return [(index, _read_one(record, settings)) for index, record in task]


def _read_one(record: Record, settings: Settings) -> Reading | str:
    """What the file gave, or the reason why it gave nothing."""
    try:
        return read_record(record, settings)
    except UnreadableImage as error:
        return error.reason
