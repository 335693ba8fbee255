"""Collections whose files, tables and folders need a few lines each to be listed.

Each gives one `Listed` an image; what becomes of it is decided here, in one place.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import NamedTuple

from cxr.errors import UserError
from dataset_script.collections import vocabulary
from dataset_script.collections.filesystem import ESCAPES, MISSING, TWICE, Root, clean, descend, open_root
from dataset_script.collections.interpretation import Interpretation
from dataset_script.collections.label_text import LabelReading, read_label
from dataset_script.collections.tables import Cells, read_table
from dataset_script.records import Box, Collection, FileRef, Record, Refusal


class Listed(NamedTuple):
    """What a collection states of one image, which is the first of `places` that is there."""

    places: tuple[str, ...]
    finding: str
    patient_id: str = ""
    view: str = ""
    sex: str = ""
    age: str = ""
    modality: str = ""
    split: str | None = None
    mask: str = ""
    lesions: str = ""
    boxes: tuple[Box, ...] = ()
    reason: str | None = None


@dataclass(frozen=True)
class Catalogue:
    """A collection: what its root holds, how its images are listed, and how its findings are read."""

    holds: Callable[[Root], bool]
    images: Callable[[Root, str], Iterator[Listed]]
    shape: str
    read: Callable[[str], LabelReading] = read_label


def collect(name: str, catalogue: Catalogue, path: str, interpretation: Interpretation) -> Collection:
    """Read the folder or zip at `path` as the collection `name`.

    Raises:
        UserError: if it holds no such collection, or a finding that is not understood.
    """
    flag = f"--source {name}={path}"
    root = descend(open_root(path, flag), catalogue.holds)
    if not catalogue.holds(root):
        raise UserError(f"{flag} does not hold this collection (the layout is {catalogue.shape})")
    collection, seen = Collection(), set()
    for listed in catalogue.images(root, flag):
        item = _item(root, name, listed, catalogue, interpretation)
        if isinstance(item, Record) and item.file in seen:
            item = Refusal(name, item.file, TWICE)
        seen.add(item.file)
        collection.add(item)
    if not seen:
        raise UserError(f"{flag} lists no images (the layout is {catalogue.shape})")
    interpretation.check(flag, [name], "its findings")
    collection.refuse(name, root.escaping, ESCAPES)
    return collection


def _item(
    root: Root, source: str, listed: Listed, catalogue: Catalogue, interpretation: Interpretation
) -> Record | Refusal:
    inside = [place for place in map(root.inside, listed.places) if place is not None]
    file = next((place for place in inside if root.has(place)), inside[0] if inside else listed.places[0])
    label = interpretation.label(source, listed.finding, catalogue.read(listed.finding))
    reason = listed.reason or vocabulary.reason_to_refuse({"modality": listed.modality, "view": listed.view})
    reason = reason or (label if isinstance(label, str) else None)
    reason = reason or (None if inside else ESCAPES) or (None if root.has(file) else MISSING)
    if reason or isinstance(label, str):
        return Refusal(source, clean(file), reason or str(label))
    return Record(
        source=source,
        label=label,
        finding=clean(listed.finding),
        file=clean(file),
        image=root.ref(file),
        patient_id=listed.patient_id,
        view=interpretation.view(source, listed.view),
        sex=vocabulary.sex_of(listed.sex),
        age=vocabulary.age_of(listed.age),
        split=listed.split,
        mask=_ref(root, listed.mask),
        lesions=_ref(root, listed.lesions),
        boxes=listed.boxes,
    )


def _ref(root: Root, name: str) -> FileRef | None:
    return root.ref(name) if name and root.has(name) else None


def first(root: Root, pattern: str) -> str | None:
    """The first file right in the root, or one folder below, whose name matches."""
    names = (name for name in root.walk() if name.count("/") < 2)
    return next((name for name in names if re.fullmatch(pattern, PurePosixPath(name).name, re.IGNORECASE)), None)


def rows(root: Root, name: str, flag: str) -> Iterator[Cells]:
    """The rows of a table."""
    return (cells for _, cells in read_table(root, name, flag).lines)


def marked(cells: Cells, columns: list[str]) -> str:
    """The findings whose column holds a 1, joined as NIH ChestX-ray joins them."""
    return "|".join(column for column in columns if cells.get(column, "") in ("1", "1.0"))


def has_all(*names: str) -> Callable[[Root], bool]:
    """Whether a root holds all these files."""
    return lambda root: all(root.has(name) for name in names)


def has_some(pattern: str) -> Callable[[Root], bool]:
    """Whether a root holds a file whose name matches, as `first` finds it."""
    return lambda root: first(root, pattern) is not None
