"""Class-named folders: `covid/`, `Normal/`, `Train/noncovid/`, `Test/COVID-19/…`.

The class is the innermost folder on the way from the root to the file whose name says one, the split the first known
split name on that way. A folder whose name is doubtful is left out, as are folders of masks; one that names COVID-19 in
words that are not understood is an error, unless a folder below it says more. The collection is named after its folder.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import PurePosixPath
from typing import NamedTuple

from cxr.errors import UserError
from cxr.imaging.files.image_files import ARCHIVE, is_archive
from cxr.schema.labels import LABELS
from dataset_script.collections.filesystem import ESCAPES, Root, clean, open_root
from dataset_script.collections.interpretation import Interpretation
from dataset_script.collections.label_text import NOT_UNDERSTOOD, LabelReading, is_container, mentions_covid, read_label
from dataset_script.collections.vocabulary import known_labels, plain, split_of
from dataset_script.records import Collection, Record

OUTSIDE = "lies outside any class folder"
MASK = "is a mask, not a radiograph"
_SHOWN = 8


class ClassFolder(NamedTuple):
    """A folder whose name says something of a class: its name, and what that was read as."""

    name: str
    reading: LabelReading


def collect(path: str, interpretation: Interpretation) -> Collection:
    """Read the tree at `path`.

    Raises:
        UserError: if it is no folder or zip, holds no image in a class folder, or images of a class that is unknown.
    """
    flag = f"--source folder={path}"
    root = open_root(path, flag)
    names = list(root.walk())
    masks = {name for name in names if any(plain(part).endswith(("mask", "masks")) for part in _parents(name))}
    archives = [name for name in names if is_archive(name)]
    aside = masks.union(archives)
    classes = {name: _classes(name, interpretation) for name in names if name not in aside}
    inside = {name: found for name, found in classes.items() if found}
    strays = [name for name, found in classes.items() if not found]
    if not inside and not any(root.is_image(name) for name in strays):
        packed = f" ({len(archives)} archives in it are not looked into: unpack them)" if archives else ""
        raise UserError(f"{flag} holds no images: expected class folders such as covid/ and normal/{packed}")
    _check_strays(root, flag, strays, inside)
    _check_nested_classes(flag, inside)
    collection = Collection()
    collection.refuse(root.name, map(clean, sorted(masks)), MASK)
    collection.refuse(root.name, map(clean, strays), OUTSIDE)
    collection.refuse(root.name, map(clean, archives), ARCHIVE)
    collection.refuse(root.name, map(clean, root.escaping), ESCAPES)
    for name, found in inside.items():
        label = interpretation.label(root.name, clean(found[-1].name), found[-1].reading)
        if isinstance(label, str):
            collection.refuse(root.name, [clean(name)], label)
        else:
            collection.add(_record(root, name, clean(found[-1].name), label))
    interpretation.check(flag, [root.name], "its class folders")
    return collection


def _parents(name: str) -> list[str]:
    return name.split("/")[:-1]


def _classes(name: str, interpretation: Interpretation) -> list[ClassFolder]:
    """The folders on the way to a file that name a class, doubt one or cannot be understood, outermost first."""
    parents = _parents(name)
    folders = (_class_folder(part, at == len(parents) - 1, interpretation) for at, part in enumerate(parents))
    return [folder for folder in folders if folder is not None]


def _class_folder(part: str, holds_files: bool, interpretation: Interpretation) -> ClassFolder | None:
    """A folder as a class, None if its name says nothing of one: a split, a whole collection, `images`."""
    overridden = interpretation.overridden(part)
    if overridden:
        return ClassFolder(part, overridden)
    if split_of(part):
        return None
    reading = _read_folder(part)
    if reading.label is not None or (reading.reason and (holds_files or mentions_covid(part))):
        return ClassFolder(part, reading)
    is_unclear = not reading.is_understood and mentions_covid(part) and not is_container(part)
    return ClassFolder(part, reading) if is_unclear and holds_files else None


@lru_cache(maxsize=4096)
def _read_folder(part: str) -> LabelReading:
    return NOT_UNDERSTOOD if is_container(part) else read_label(part)


def _record(root: Root, name: str, finding: str, label: int) -> Record:
    return Record(
        source=root.name,
        label=label,
        finding=finding,
        file=clean(name),
        image=root.ref(name),
        split=next((split_of(part) for part in _parents(name) if split_of(part)), None),
    )


def _check_nested_classes(flag: str, inside: dict[str, list[ClassFolder]]) -> None:
    """Refuse a class inside the other class, unless the outer folder is a collection of both (`covid/train/normal`)."""
    labels_within = defaultdict(set)
    for classes in inside.values():
        labels_within[classes[0].name].add(classes[-1].reading.label)
    for name, classes in inside.items():
        outer, inner = classes[0], classes[-1]
        labels = {outer.reading.label, inner.reading.label}
        if None not in labels and len(labels) > 1 and len(labels_within[outer.name]) < len(LABELS):
            parent = PurePosixPath(name).parent
            raise UserError(
                f"{flag}: {parent}: {inner.name!r} lies inside {outer.name!r}, the other class; rename one of them, or "
                f"say what the inner one means with --label"
            )


def _check_strays(root: Root, flag: str, strays: Sequence[str], inside: dict[str, list[ClassFolder]]) -> None:
    """Tell a stray image, in the root, a split or above class folders, from a class that is unknown."""
    unknown = sorted(_unknown_classes(root, strays, inside))
    if unknown:
        listed = ", ".join(map(str, unknown[:_SHOWN])) + (", …" if len(unknown) > _SHOWN else "")
        first = unknown[0].name
        raise UserError(
            f"{flag}: unknown label: images lie in {listed}; call such a folder one of {known_labels()} or say what it "
            f"means with --label '{first}=COVID', '{first}=NON-COVID' or '{first}=out'"
        )


def _unknown_classes(
    root: Root, strays: Sequence[str], inside: dict[str, list[ClassFolder]]
) -> Iterator[PurePosixPath]:
    above = {parent for name in inside for parent in PurePosixPath(name).parents}
    asked: set[PurePosixPath] = set()
    for stray in strays:
        parent = PurePosixPath(stray).parent
        is_expected = parent in above or all(split_of(part) for part in _parents(stray))
        if not is_expected and parent not in asked and root.is_image(stray):
            asked.add(parent)
            yield parent
