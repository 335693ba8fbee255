"""Reading every record once, in several processes, into the store; what is there already is not read again."""

import gc
import hashlib
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial

import numpy as np
from tqdm import tqdm

from cxr import import_closure
from cxr.errors import UnreadableImage, UserError
from cxr.parallel import map_in_order
from dataset_script.builder import Reading, read_record
from dataset_script.collections.record import Record, Refusal
from dataset_script.storage.store import Store, key_of

_CODE = ("dataset_script/builder.py", "dataset_script/collections/__init__.py")
"""Where reading starts: what opens a record's file, and what reads it."""

_CHUNK = 16
_NONE = -1


@dataclass(frozen=True)
class Settings:
    """What every picture of a run is read with."""

    image_size: int
    patient_key: bytes

    @property
    def secret(self) -> str:
        """Tells patient keys apart without saying what they are."""
        return hashlib.sha256(b"cxr patient key" + self.patient_key).hexdigest()

    def digest(self) -> bytes:
        """Stands for the settings, and for the code that obeys them, in the store's keys."""
        return f"{self.image_size} {import_closure.digest(*_CODE)}".encode()


def read_all(
    records: Sequence[Record], settings: Settings, num_proc: int, store: Store
) -> tuple[np.ndarray, list[Refusal]]:
    """Have every record in the store.

    Returns:
        Each record's number in the store, int64 (N,), -1 where it gave no radiograph, and the refusals.

    Raises:
        UserError: if not one of them can be read, or a process died over one.
    """
    digest, secret = settings.digest(), settings.secret
    found_before = (store.number(key_of(record, digest), secret) for record in records)
    numbers = np.fromiter((_as_integer(number) for number in found_before), np.int64, len(records))
    missing = np.flatnonzero(numbers == _NONE)
    reasons: dict[int, str] = {}
    with tqdm(total=len(records), initial=len(records) - len(missing), desc="reading", unit=" pictures") as bar:
        for results in _read(missing, records, settings, num_proc):
            store.add(
                _packed(key_of(records[index], digest), secret, found)
                for index, found in results
                if isinstance(found, Reading)
            )
            reasons |= {index: found for index, found in results if isinstance(found, str)}
            bar.update(len(results))
    for index in missing:
        numbers[index] = _as_integer(store.number(key_of(records[index], digest), secret))
    if len(reasons) == len(records):
        first = records[0]
        raise UserError(f"none of the {len(records)} pictures can be read; the first: {first.file} {reasons[0]}")
    refusals = [
        Refusal(records[index].source, records[index].file, reason) for index, reason in sorted(reasons.items())
    ]
    return numbers, refusals


def _as_integer(number: int | None) -> int:
    return _NONE if number is None else number


def _packed(key: bytes, secret: str, found: Reading) -> tuple:
    return key, secret if found.pseudonymous else None, found.facts, found.fingerprint, found.image


def _read(
    missing: np.ndarray, records: Sequence[Record], settings: Settings, num_proc: int
) -> Iterator[list[tuple[int, Reading | str]]]:
    """Results chunk by chunk; only so many are under way that pixels never pile up."""
    chunks = (missing[start : start + _CHUNK].tolist() for start in range(0, len(missing), _CHUNK))
    tasks = ([(index, records[index]) for index in chunk] for chunk in chunks)
    processes = min(num_proc, -(-len(missing) // _CHUNK))
    if processes < 2:
        yield from (_read_chunk(settings, task) for task in tasks)
        return
    context = multiprocessing.get_context("spawn" if multiprocessing.get_start_method() == "spawn" else "fork")
    # Frozen, objects are not walked by a worker's garbage collection, which would copy every page that holds one.
    with ProcessPoolExecutor(processes, context, initializer=gc.freeze) as pool:
        try:
            yield from map_in_order(pool, partial(_read_chunk, settings), tasks, 2 * processes)
        except BrokenProcessPool as error:
            raise UserError("a reading process was killed (out of memory?): try fewer with --num_proc 1") from error


def _read_chunk(settings: Settings, task: list[tuple[int, Record]]) -> list[tuple[int, Reading | str]]:
    return [(index, _read_one(record, settings)) for index, record in task]


def _read_one(record: Record, settings: Settings) -> Reading | str:
    """What was read, or the reason why nothing was."""
    try:
        return read_record(record, settings.image_size, settings.patient_key)
    except UnreadableImage as error:
        return error.reason
