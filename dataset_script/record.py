"""What a source says about one picture, before anybody has opened it."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field


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

    records: list[Record] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    licences: Counter[tuple[str, str]] = field(default_factory=Counter)
    layouts: dict[str, set[str]] = field(default_factory=dict)

    def extend(self, other: "Collection") -> None:
        """Add all that another source found."""
        self.records += other.records
        self.refusals += other.refusals
        self.licences += other.licences
