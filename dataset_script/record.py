"""What a source says about one picture, before anybody has opened it."""

import os
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path


@dataclass(frozen=True)
class Record:
    """One picture of one collection.

    `file` is relative to the collection's root. `patient_id` is empty where none is known: then the file is its own
    patient. `split` is the collection's own split or None. `opener` returns the raw bytes and must pickle; `stamp`
    changes when those bytes do, without reading them. `header`, where there is one, finds fields in the raw bytes.
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


@dataclass(frozen=True)
class Refusal:
    """A file or row that is left out, and why; reasons are few and fixed, so that they can be counted."""

    source: str
    file: str
    reason: str


@dataclass
class Collection:
    """What a source found: records, what it left out, and how many pictures stand under which licence."""

    records: list[Record] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    licences: Counter[tuple[str, str]] = field(default_factory=Counter)

    def extend(self, other: "Collection") -> None:
        """Add all that another source found."""
        self.records += other.records
        self.refusals += other.refusals
        self.licences += other.licences


def opener_of(path: Path) -> Callable[[], bytes]:
    """A picklable function that reads a file."""
    return partial(Path.read_bytes, path)


def stamp_of(path: Path) -> str:
    """Size and modification time."""
    found = path.stat()
    return f"{found.st_size}-{found.st_mtime_ns}"


def walk(root: Path) -> Iterable[Path]:
    """Every file below `root` in a fixed order, links followed once, hidden and system files left aside."""
    seen = set()
    for folder, folders, files in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        folders[:] = sorted(name for name in folders if not _is_clutter(name) and real not in seen)
        if real in seen:
            continue
        seen.add(real)
        yield from (Path(folder, name) for name in sorted(files) if not _is_clutter(name))


def _is_clutter(name: str) -> bool:
    return name.startswith(".") or name.casefold() in ("__macosx", "thumbs.db", "desktop.ini")
