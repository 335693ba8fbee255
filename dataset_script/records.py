"""One image at every stage of a preparation, and many of them in columns.

A `Record` is what a collection states of an image before its file is opened, a `Reading` what its file gave, a `Row`
both together: Contract 1 but for the pixels, which stay in the store. A `Refusal` is an image that is left out.
"""

import hashlib
import json
from array import array
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, cast, overload

import numpy as np

Box = tuple[float, float, float, float]
"""Left, top, right and bottom."""

Facts = dict[str, str | int | float | Sequence[Box] | None]
"""Columns of Contract 1 by name."""


class Place(Hashable, Protocol):
    """Where images lie: a folder, a zip, a dataset of the Hub. Small and picklable, because processes are sent it."""

    def read(self, name: str) -> bytes:
        """The bytes of one file.

        Raises:
            OSError: if it cannot be read; `strerror` says why.
        """
        ...


class FileRef(NamedTuple):
    """A file: the place where it lies and its name there. `stamp` changes when its bytes do.

    A stamp is an even number of hexadecimal digits, made without reading the file.
    """

    place: Place
    name: str
    stamp: str

    def read(self) -> bytes:
        """The file's bytes.

        Raises:
            OSError: if it cannot be read; `strerror` says why.
        """
        return self.place.read(self.name)


@dataclass(frozen=True, slots=True)
class Record:
    """One image of one collection, before its file is opened.

    `file` is its name for people, relative to the collection's root. `patient_id` is empty where none is known: then
    the file is its own patient. `split` is the collection's own split, if any; `mask` the image's lung mask, if any.
    `boxes` holds opacities that a person marked, in shares of width and height, or in pixels of the file where a number
    is above 1; `lesions` is a mask of them. `reference_standard` is what the label rests on, where the file says so.
    """

    source: str
    label: int
    finding: str
    file: str
    image: FileRef
    patient_id: str = ""
    view: str = ""
    sex: str = ""
    age: float | None = None
    split: str | None = None
    mask: FileRef | None = None
    lesions: FileRef | None = None
    boxes: tuple[Box, ...] = ()
    reference_standard: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An image or table row that is left out, and why; reasons are few and fixed, so that they can be counted."""

    source: str
    file: str
    reason: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What a file gave: columns of Contract 1, the fingerprint of its pixels, and the image as PNG.

    `pseudonymous` means that the facts hold names made with the patient key.
    """

    facts: Facts
    fingerprint: bytes
    png: bytes
    pseudonymous: bool = False


class _Shared(list[Any]):
    """A column of values that many rows share: equal ones are held once."""

    def __init__(self) -> None:
        super().__init__()
        self._held: dict[Hashable, Any] = {}

    def append(self, value: Any) -> None:
        super().append(self._held.setdefault(value, value))


class _Texts:
    """A column of strings that differ from row to row, in one buffer. Lone surrogates are kept."""

    def __init__(self) -> None:
        self._buffer, self._ends = bytearray(), array("I", [0])  # up to 4 GiB, which a hundred million names take

    def append(self, text: str) -> None:
        self._buffer += self._pack(text)
        self._ends.append(len(self._buffer))

    def __getitem__(self, at: int) -> str:
        return self._unpack(bytes(self._buffer[self._ends[at] : self._ends[at + 1]]))

    def _pack(self, text: str) -> bytes:
        return text.encode("utf-8", "surrogatepass")

    def _unpack(self, packed: bytes) -> str:
        return packed.decode("utf-8", "surrogatepass")


class _Hashes(_Texts):
    """A column of hexadecimal strings, in half the bytes."""

    def _pack(self, text: str) -> bytes:
        return bytes.fromhex(text)

    def _unpack(self, packed: bytes) -> str:
        return packed.hex()


_Columns = dict[str, "array[int] | _Shared | _Texts"]
"""Values of many rows by name: as an object each would take six hundred bytes, in columns one to two hundred."""


_SHARED_BY_RECORDS = (
    *("source", "finding", "view", "sex", "age", "split", "mask", "lesions", "boxes", "reference_standard"),
)
_SHARED_BY_ROWS = (
    *("finding", "source", "view", "sex", "age", "mode", "format", "mask", "is_known_patient", "predefined", "warning"),
    *("boxes", "reference_standard"),
)


class Records:
    """Many records, held in columns; indexing puts one together."""

    def __init__(self) -> None:
        self._labels, self._places, self._names, self._stamps = array("b"), _Shared(), _Texts(), _Hashes()
        self._columns: _Columns = {"label": self._labels, "file": _Texts(), "patient_id": _Texts()}
        for name in _SHARED_BY_RECORDS:
            self._columns[name] = _Shared()
        self._order: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, at: int) -> Record:
        if not 0 <= at < len(self):
            raise IndexError(at)
        if self._order is not None:
            at = int(self._order[at])
        values: dict[str, Any] = {name: column[at] for name, column in self._columns.items()}
        image = FileRef(self._places[at], self._names[at] or values["file"], self._stamps[at])
        return Record(image=image, **values)

    def __iter__(self) -> Iterator[Record]:
        return (self[at] for at in range(len(self)))

    def append(self, record: Record) -> None:
        """Add a record; call `sort` after the last one."""
        for name, column in self._columns.items():
            column.append(getattr(record, name))
        self._places.append(record.image.place)
        self._names.append("" if record.image.name == record.file else record.image.name)
        self._stamps.append(record.image.stamp)

    def patients(self) -> Iterator[tuple[str, str, str, float | None]]:
        """Source, patient id, sex and age of every record, in the order in which they were added."""
        source, patient_id, sex, age = (
            cast(Any, self._columns[name]) for name in ("source", "patient_id", "sex", "age")
        )
        return ((source[at], patient_id[at], sex[at], age[at]) for at in range(len(self)))

    def replace_patients(self, replacement: Callable[[str, str], str]) -> None:
        """Give every record the patient id that `replacement` makes of its source and its id."""
        column = _Texts()
        for source, patient_id, _, _ in self.patients():
            column.append(replacement(source, patient_id))
        self._columns["patient_id"] = column

    def sort(self) -> None:
        """Put them in the order of their collections and files."""
        source, file = self._columns["source"], self._columns["file"]
        self._order = np.array(sorted(range(len(self)), key=lambda at: (source[at], file[at])), np.int32)

    def digest(self) -> str:
        """A hash that changes when a record or the file behind it does."""
        total = hashlib.sha256()
        for record in self:
            stated = [record.source, record.file, record.label, record.image.stamp, record.finding, record.patient_id]
            lesions = record.lesions.stamp if record.lesions else ""
            marked = [record.boxes, lesions, record.reference_standard]
            total.update(json.dumps([*stated, record.view, record.sex, record.age, *marked]).encode())
        return total.hexdigest()


@dataclass
class Collection:
    """What a layout found: records, what it left out, and by source and licence the number of images.

    `layouts` gives, by the layout that found them, the names of the collections.
    """

    records: Records = field(default_factory=Records)
    refusals: list[Refusal] = field(default_factory=list)
    licences: Counter[tuple[str, str]] = field(default_factory=Counter)
    layouts: dict[str, set[str]] = field(default_factory=dict)

    def add(self, item: Record | Refusal) -> None:
        """Add one image, or the reason why it is left out."""
        if isinstance(item, Record):
            self.records.append(item)
        else:
            self.refusals.append(item)

    def refuse(self, source: str, files: Iterable[str], reason: str) -> None:
        """Leave files out for one reason."""
        self.refusals += [Refusal(source, file, reason) for file in files]

    def sources(self) -> set[str]:
        """The names of the collections that records or refusals belong to."""
        return {item.source for items in (self.records, self.refusals) for item in items}

    def extend(self, other: "Collection") -> None:
        """Add all that another collection holds; its records may become ours."""
        if self.records:
            for record in other.records:
                self.records.append(record)
        else:
            self.records = other.records
        self.refusals += other.refusals
        self.licences += other.licences


class Rows(Sequence["Row"]):
    """Images that have been read: Contract 1 less pixels and perceptual hashes, in columns; indexing gives a `Row`."""

    def __init__(self) -> None:
        self._numbers = array("q")
        self.columns: _Columns = {"number": self._numbers, "label": array("b")}
        for name in ("width", "height", "bytes"):
            self.columns[name] = array("i")
        for name in _SHARED_BY_ROWS:
            self.columns[name] = _Shared()
        self.columns |= {"file": _Texts(), "patient_id": _Texts(), "sha256": _Hashes()}

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, at: int) -> "Row": ...

    @overload
    def __getitem__(self, at: slice) -> Sequence["Row"]: ...

    def __getitem__(self, at: int | slice) -> "Row | Sequence[Row]":
        if isinstance(at, slice):
            return [Row(self, place) for place in range(*at.indices(len(self)))]
        return Row(self, at)

    def __iter__(self) -> Iterator["Row"]:
        return (Row(self, at) for at in range(len(self)))

    def append(self, values: dict[str, Any]) -> None:
        """Add a row, of which every column must be given."""
        for name, column in self.columns.items():
            column.append(values[name])


def _value(column: str) -> Any:
    """A property of a row: its value in a column."""
    return property(lambda row: row.rows.columns[column][row.at])


class Row:
    """One image among `Rows`.

    `predefined` is the collection's own split, "external" where the collection is an external set. `is_known_patient`
    is false where the file stands for its patient. `warning` says what makes its gray values doubtful, if anything.
    `number` is its place in the store, `bytes` the size of its PNG.
    """

    __slots__ = ("at", "rows")

    def __init__(self, rows: Rows, at: int) -> None:
        self.rows, self.at = rows, at

    label: int = _value("label")
    finding: str = _value("finding")
    patient_id: str = _value("patient_id")
    source: str = _value("source")
    view: str = _value("view")
    sex: str = _value("sex")
    age: float | None = _value("age")
    file: str = _value("file")
    sha256: str = _value("sha256")
    width: int = _value("width")
    height: int = _value("height")
    mode: str = _value("mode")
    format: str = _value("format")
    number: int = _value("number")
    bytes: int = _value("bytes")
    mask: FileRef | None = _value("mask")
    is_known_patient: bool = _value("is_known_patient")
    predefined: str | None = _value("predefined")
    warning: str = _value("warning")
    boxes: tuple[Box, ...] = _value("boxes")
    reference_standard: str = _value("reference_standard")

    @property
    def patient(self) -> str:
        """The patient's key across collections; it does not change when files are moved."""
        return f"{self.source}:{self.patient_id}" if self.is_known_patient else f"sha256:{self.sha256}"

    @property
    def name(self) -> str:
        """The image's name in lists."""
        return f"{self.source}/{self.file}"


def short(sha256: str) -> int:
    """The first 60 bits of a hash, to look a file up in little memory."""
    return int(sha256[:15], 16)
