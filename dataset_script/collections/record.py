"""What a source says about one picture, before anybody has opened it."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from dataset_script.storage.columns import Columns


@dataclass(frozen=True, slots=True)
class Record:
    """One picture of one collection.

    `file` is relative to the collection's root. `patient_id` is empty where none is known: then the file is its own
    patient. `split` is the collection's own split or None. `opener` returns the raw bytes and must pickle; `stamp`
    changes when those bytes do, without reading them. `header`, where there is one, finds fields in the raw bytes.
    `mask`, where the collection has one, returns the bytes of the picture's lung mask.
    """

    source: str
    label: int
    finding: str
    file: str
    opener: Callable[[], bytes]
    stamp: str
    patient_id: str = ""
    view: str = ""
    sex: str = ""
    age: float | None = None
    split: str | None = None
    header: Callable[[bytes], dict] | None = None
    mask: Callable[[], bytes] | None = None


_WORDS = ("source", "finding", "view", "sex", "split", "header")
_TEXTS = ("file", "stamp", "patient_id")
_OPENERS = ("opener", "mask")


class Records(Sequence[Record]):
    """Many records, held in columns and put together when they are asked for.

    Openers are partials that differ in their last argument, a text or a number; what comes before it is shared.
    """

    def __init__(self) -> None:
        texts = (*_TEXTS, *(f"{name} of" for name in _OPENERS))
        self._columns = Columns({"label": "b", "age": "d"}, (*_WORDS, *_OPENERS), texts)
        self._order: np.ndarray | None = None

    def __len__(self) -> int:
        """How many records there are."""
        return len(self._columns)

    def __getitem__(self, at: int) -> Record:
        """One record."""
        if not 0 <= at < len(self):
            raise IndexError(at)
        columns, at = self._columns, at if self._order is None else int(self._order[at])
        values = {name: columns.word(name, at) for name in _WORDS} | {name: columns.text(name, at) for name in _TEXTS}
        values |= {name: _whole(columns.word(name, at), columns.text(f"{name} of", at)) for name in _OPENERS}
        age = columns.number("age", at)
        return Record(label=columns.number("label", at), age=None if math.isnan(age) else age, **values)

    def append(self, record: Record) -> None:
        """Add a record; `sort` comes after all of them."""
        values = {name: getattr(record, name) for name in (*_WORDS, *_TEXTS, "label", "age")}
        for name in _OPENERS:
            values[name], values[f"{name} of"] = _parted(getattr(record, name))
        self._columns.append(values)

    def extend(self, records: Iterable[Record]) -> None:
        """Add records."""
        for record in records:
            self.append(record)

    def sort(self) -> None:
        """Put them in the order of their collections and files."""
        columns = self._columns
        order = sorted(range(len(self)), key=lambda at: (columns.word("source", at), columns.text("file", at)))
        self._order = np.array(order, np.int32)


def _parted(opener: Callable | None) -> tuple[tuple, str]:
    """What many openers share, hashable, and the text of what is one's own."""
    if not isinstance(opener, partial) or opener.keywords:
        return (opener,), ""
    *shared, last = opener.args
    return (opener.func, type(last), *shared), str(last)


def _whole(shared: tuple, own: str) -> Callable | None:
    if len(shared) == 1:
        return shared[0]
    function, kind, *arguments = shared
    return partial(function, *arguments, kind(own))


@dataclass(frozen=True, slots=True)
class Refusal:
    """A file or row that is left out, and why; reasons are few and fixed, so that they can be counted."""

    source: str
    file: str
    reason: str


@dataclass
class Collection:
    """What a source found: records, what it left out, and how many pictures stand under which licence.

    `layouts` gives, by the layout that found them, the names of the collections.
    """

    records: Records = field(default_factory=Records)
    refusals: list[Refusal] = field(default_factory=list)
    licences: Counter[tuple[str, str]] = field(default_factory=Counter)
    layouts: dict[str, set[str]] = field(default_factory=dict)

    def add(self, item: Record | Refusal) -> None:
        """Add what became of one picture."""
        (self.records if isinstance(item, Record) else self.refusals).append(item)

    def extend(self, other: "Collection") -> None:
        """Add all that another source found; its records may become ours."""
        if self.records:
            self.records.extend(other.records)
        else:
            self.records = other.records
        self.refusals += other.refusals
        self.licences += other.licences
