"""Class-named folders: `covid/`, `Normal/`, `Train/noncovid/`, `Test/COVID-19/…`.

The class is the innermost known class name on the way from the root to the file, the split the first known split name
on that way. Folders of masks are left out. The collection is named after its folder.
"""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import PurePosixPath

from cxr.errors import UserError
from cxr.schema.labels import LABELS
from dataset_script.collections.filesystem import ESCAPES, Root, clean, open_root
from dataset_script.collections.vocabulary import known_labels, label_of, plain, split_of
from dataset_script.records import Collection, Record

OUTSIDE = "lies outside any class folder"
MASK = "is a mask, not a radiograph"


def collect(path: str) -> Collection:
    """Read the tree at `path`.

    Raises:
        UserError: if it is no folder or zip, holds no image in a class folder, or images of a class that is unknown.
    """
    flag = f"--source folder={path}"
    root = open_root(path, flag)
    names = list(root.walk())
    masks = {name for name in names if any(plain(part).endswith(("mask", "masks")) for part in _parents(name))}
    inside = [name for name in names if name not in masks and _classes(name)]
    strays = [name for name in names if name not in masks and not _classes(name)]
    if not inside and not any(root.is_image(name) for name in strays):
        raise UserError(f"{flag} holds no images: expected class folders such as covid/ and normal/")
    _check_strays(root, flag, strays, inside)
    _check_nested_classes(flag, inside)
    collection = Collection()
    collection.refuse(root.name, map(clean, sorted(masks)), MASK)
    collection.refuse(root.name, map(clean, strays), OUTSIDE)
    collection.refuse(root.name, map(clean, root.escaping), ESCAPES)
    for name in inside:
        collection.add(_record(root, name))
    return collection


def _parents(name: str) -> list[str]:
    return name.split("/")[:-1]


def _classes(name: str) -> list[tuple[str, int]]:
    """The class names on the way to a file, outermost first, and their labels."""
    labels = ((part, label_of(part)) for part in _parents(name))
    return [(part, label) for part, label in labels if label is not None]


def _record(root: Root, name: str) -> Record:
    finding, label = _classes(name)[-1]
    return Record(
        source=root.name,
        label=label,
        finding=clean(finding),
        file=clean(name),
        image=root.ref(name),
        split=next((split_of(part) for part in _parents(name) if split_of(part)), None),
    )


def _check_nested_classes(flag: str, inside: Sequence[str]) -> None:
    """Refuse a class inside the other class, unless the outer folder is a collection of both (`covid/train/normal`)."""
    labels_within = defaultdict(set)
    for name in inside:
        classes = _classes(name)
        labels_within[classes[0][0]].add(classes[-1][1])
    for name in inside:
        classes = _classes(name)
        (outer, outer_label), (inner, label) = classes[0], classes[-1]
        if outer_label != label and len(labels_within[outer]) < len(LABELS):
            parent = PurePosixPath(name).parent
            raise UserError(f"{flag}: {parent}: {inner!r} lies inside {outer!r}, the other class; rename one of them")


def _check_strays(root: Root, flag: str, strays: Sequence[str], inside: Sequence[str]) -> None:
    """Tell a stray image, in the root, a split or above class folders, from a class that is unknown."""
    above = {parent for name in inside for parent in PurePosixPath(name).parents}
    for stray in strays:
        parent = PurePosixPath(stray).parent
        is_expected = parent in above or all(split_of(part) for part in _parents(stray))
        if not is_expected and root.is_image(stray):
            raise UserError(f"{flag}: {parent}: unknown label; call the folder one of {known_labels()}")
