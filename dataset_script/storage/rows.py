"""Pictures that have been read: what dividing, reporting and writing need of them, in columns."""

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from cxr.schema.dataset import EXTERNAL
from dataset_script.builder import described
from dataset_script.collections.record import Record
from dataset_script.storage.columns import Columns
from dataset_script.storage.store import Store

_NUMBERS = {"label": "b", "age": "d", "width": "i", "height": "i", "number": "q", "bytes": "i"}
_NUMBERS |= {"is_known_patient": "b"}
_WORDS = ("finding", "source", "view", "sex", "mode", "format", "predefined")


class Rows(Sequence["Row"]):
    """Contract 1 less the pictures and their perceptual hashes, which wait in the store; indexing gives a `Row`.

    `masks` holds what opens a row's lung mask, by the row's place.
    """

    def __init__(self) -> None:
        self.columns = Columns(_NUMBERS, _WORDS, ("file", "patient_id", "sha256"))
        self.masks: dict[int, Callable[[], bytes]] = {}

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self.columns)

    def __getitem__(self, at: int) -> "Row":
        """A view of one row."""
        return Row(self, at)

    def __iter__(self) -> Iterator["Row"]:
        """A view of each row in turn."""
        return (Row(self, at) for at in range(len(self)))


def _number(name: str) -> property:
    return property(lambda row: row.rows.columns.number(name, row.at))


def _word(name: str) -> property:
    return property(lambda row: row.rows.columns.word(name, row.at))


def _text(name: str) -> property:
    return property(lambda row: row.rows.columns.text(name, row.at))


class Row:
    """One picture among `Rows`.

    `predefined` is the collection's own split, "external" where the collection is an external set. `is_known_patient`
    is 0 where the file stands for its patient. `number` is its place in the store, `bytes` the size of the image there.
    """

    __slots__ = ("at", "rows")

    def __init__(self, rows: Rows, at: int) -> None:
        self.rows, self.at = rows, at

    label, width, height = _number("label"), _number("width"), _number("height")
    number, bytes, is_known_patient = _number("number"), _number("bytes"), _number("is_known_patient")
    finding, source, view, sex = _word("finding"), _word("source"), _word("view"), _word("sex")
    mode, format, predefined = _word("mode"), _word("format"), _word("predefined")
    file, patient_id = _text("file"), _text("patient_id")

    @property
    def age(self) -> float | None:
        """Age in years."""
        age = self.rows.columns.number("age", self.at)
        return None if math.isnan(age) else age

    @property
    def sha256(self) -> str:
        """The hash of the raw file, 64 hex digits."""
        return self.rows.columns.raw("sha256", self.at).hex()

    @property
    def patient(self) -> str:
        """The patient's key across collections; moving files about changes it for nobody."""
        return f"{self.source}:{self.patient_id}" if self.is_known_patient else f"sha256:{self.sha256}"

    @property
    def name(self) -> str:
        """The picture in lists."""
        return f"{self.source}/{self.file}"


def short(sha256: str) -> int:
    """The first 60 bits of a hash, to look a file up in little memory."""
    return int(sha256[:15], 16)


_COLUMNS = ("label", "finding", "patient_id", "source", "view", "sex", "age", "file")
_FILE_FACTS = ("width", "height", "mode", "format", "bytes")


def gather(records: Sequence[Record], numbers: np.ndarray, store: Store, external: set[str]) -> Rows:
    """The rows of the records that have a number in the store (others have -1); `external` collections are named."""
    rows = Rows()
    for record, number in zip(records, numbers.tolist(), strict=True):
        if number < 0:
            continue
        if record.mask:
            rows.masks[len(rows)] = record.mask
        rows.columns.append(_values(record, number, store.facts(number), external))
    return rows


def _values(record: Record, number: int, facts: dict, external: set[str]) -> dict:
    said = described(record, facts)
    values = {key: said[key] for key in _COLUMNS} | {key: facts[key] for key in _FILE_FACTS}
    return values | {
        "sha256": bytes.fromhex(facts["sha256"]),
        "number": number,
        "is_known_patient": bool(record.patient_id or facts.get("patient_id")),
        "predefined": EXTERNAL if record.source in external else record.split,
    }
