"""A picture that has been read: what dividing, reporting and writing need of it, a few hundred bytes each."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dataset_script.builder import described
from dataset_script.record import Record
from dataset_script.store import Store


@dataclass(slots=True)
class Row:
    """Contract 1 less the picture and its perceptual hash, which wait in the store under `number`.

    `predefined` is the collection's own split, "external" where the collection is an external set; `split` is the one
    it gets, None where it leaves. `is_known_patient` is False where the file stands for its patient. `bytes` is the
    size of the stored picture; `cluster` the number of its cluster of copies, if it has any.
    """

    label: int
    finding: str
    patient_id: str
    source: str
    view: str
    sex: str
    age: float | None
    file: str
    sha256: str
    width: int
    height: int
    mode: str
    format: str
    number: int
    bytes: int
    is_known_patient: bool
    predefined: str | None
    mask: Callable[[], bytes] | None
    split: str | None = None
    cluster: int | None = None

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
_FILE_FACTS = ("sha256", "width", "height", "mode", "format", "bytes")


def gather(records: list[Record], numbers: Sequence[int | None], store: Store, external: set[str]) -> list[Row]:
    """The rows of the records that have a number in the store; `external` are the names of external collections.

    `records` is emptied on the way, so that both are never held.
    """
    rows = []
    for number in reversed(numbers):
        record = records.pop()
        if number is not None:
            rows.append(_row(record, number, store.facts(number), external))
    rows.reverse()
    return rows


def _row(record: Record, number: int, facts: dict, external: set[str]) -> Row:
    said = described(record, facts)
    values = {key: said[key] for key in _COLUMNS} | {key: facts[key] for key in _FILE_FACTS}
    for key in ("finding", "source", "view", "sex", "mode", "format"):
        values[key] = sys.intern(values[key])
    return Row(
        **values,
        number=number,
        is_known_patient=bool(record.patient_id or facts.get("patient_id")),
        predefined="external" if record.source in external else record.split,
        mask=record.mask,
    )
