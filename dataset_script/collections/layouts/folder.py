"""Class-named folders: `covid/`, `Normal/`, `Train/noncovid/`, `Test/COVID-19/…`.

The class is the known class name on the way from the root to the file, the split a known split name on that way. What
lies under a folder of masks is left out. The collection is called like its folder.
"""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import PurePosixPath

from cxr.errors import UserError
from cxr.schema.labels import LABELS
from dataset_script.collections import paths
from dataset_script.collections.filesystem import Root, open_root
from dataset_script.collections.record import Collection, Record, Refusal
from dataset_script.collections.vocabulary import known_labels, label_of, plain, split_of

OUTSIDE = "lies outside any class folder"
MASK = "is a mask, not a radiograph"


def collect(path: str) -> Collection:
    """Read the tree at `path`.

    Raises:
        UserError: if it is no folder or zip, holds no picture in a class folder, or pictures in a class unknown to us.
    """
    flag = f"--source folder={path}"
    root = open_root(path, flag)
    names = list(root.walk())
    masks = {name for name in names if any(plain(part).endswith(("mask", "masks")) for part in _parents(name))}
    inside = [name for name in names if name not in masks and _classes(name)]
    strays = [name for name in names if name not in masks and not _classes(name)]
    if not inside and not any(root.is_image(name) for name in strays):
        raise UserError(f"{flag} holds no pictures: expected class folders such as covid/ and normal/")
    _check_strays(root, flag, strays, inside)
    _check_classes(flag, inside)
    left_out = [Refusal(root.name, paths.clean(name), MASK) for name in sorted(masks)]
    left_out += [Refusal(root.name, paths.clean(name), OUTSIDE) for name in strays]
    left_out += [Refusal(root.name, paths.clean(name), paths.ESCAPES) for name in root.escaping]
    found = Collection(refusals=left_out)
    found.records.extend(_record(root, name) for name in inside)
    return found


def _parents(name: str) -> list[str]:
    return name.split("/")[:-1]


def _classes(name: str) -> list[str]:
    """The class names on the way to a file, outermost first."""
    return [part for part in _parents(name) if label_of(part) is not None]


def _record(root: Root, name: str) -> Record:
    finding = _classes(name)[-1]
    return Record(
        source=root.name,
        label=label_of(finding),
        finding=paths.clean(finding),
        file=paths.clean(name),
        opener=root.opener(name),
        stamp=root.stamp(name),
        split=next((split_of(part) for part in _parents(name) if split_of(part)), None),
    )


def _check_classes(flag: str, inside: Sequence[str]) -> None:
    """Refuse a class inside the other class, unless the outer folder is a collection of both (`covid/train/normal`)."""
    within = defaultdict(set)
    for name in inside:
        within[_classes(name)[0]].add(label_of(_classes(name)[-1]))
    for name in inside:
        outer, inner = _classes(name)[0], _classes(name)[-1]
        if label_of(outer) != label_of(inner) and len(within[outer]) < len(LABELS):
            parent = PurePosixPath(name).parent
            raise UserError(f"{flag}: {parent}: {inner!r} lies inside {outer!r}, the other class; rename one of them")


def _check_strays(root: Root, flag: str, strays: Sequence[str], inside: Sequence[str]) -> None:
    """Tell a stray picture, in the root, a split or above class folders, from a class that we do not know."""
    above = {parent for name in inside for parent in PurePosixPath(name).parents}
    for stray in strays:
        parent = PurePosixPath(stray).parent
        expected = parent in above or all(split_of(part) for part in _parents(stray))
        if not expected and root.is_image(stray):
            raise UserError(f"{flag}: {parent}: unknown label; call the folder one of {known_labels()}")
