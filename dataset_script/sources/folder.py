"""Class-named folders: `covid/`, `Normal/`, `Train/noncovid/`, `Test/COVID-19/…`.

The class is the known class name on the way from the root to the file, the split a known split name on that way. What
lies under a folder of masks is left out. The collection is called like its folder.
"""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from cxr.cli import UserError
from cxr.labels import LABELS
from cxr.radiograph import looks_like_image
from dataset_script import files
from dataset_script.names import known_labels, label_of, plain, split_of
from dataset_script.record import Collection, Record, Refusal

OUTSIDE = "lies outside any class folder"
MASK = "is a mask, not a radiograph"


def collect(path: str) -> Collection:
    """Read the tree at `path`.

    Raises:
        UserError: if it is no folder, holds no picture in a class folder, or pictures in a class we do not know.
    """
    root = Path(path).expanduser()
    if not root.is_dir():
        raise UserError(f"--source folder={path}: no such folder")
    name, paths = (
        files.name_of(Path(root.resolve().name or "folder")),
        [file.relative_to(root) for file in files.walk(root)],
    )
    masks = [file for file in paths if any(plain(part).endswith(("mask", "masks")) for part in file.parts[:-1])]
    pictures = [file for file in paths if file not in set(masks)]
    inside = [file for file in pictures if _classes(file)]
    strays = [file for file in pictures if not _classes(file)]
    if not inside and not any(looks_like_image(root / file) for file in strays):
        raise UserError(f"--source folder={path} holds no pictures: expected class folders such as covid/ and normal/")
    _check_strays(root, strays, inside)
    _check_classes(root, inside)
    left_out = [Refusal(name, files.name_of(file), MASK) for file in masks]
    left_out += [Refusal(name, files.name_of(file), OUTSIDE) for file in strays]
    return Collection([_record(name, root, file) for file in inside], left_out)


def _classes(file: Path) -> list[str]:
    """The class names on the way to a file, outermost first."""
    return [part for part in file.parts[:-1] if label_of(part) is not None]


def _record(source: str, root: Path, file: Path) -> Record:
    finding = _classes(file)[-1]
    return Record(
        source=source,
        label=label_of(finding),
        finding=files.name_of(Path(finding)),
        file=files.name_of(file),
        opener=files.opener_of(root / file),
        stamp=files.stamp_of(root / file),
        split=next((split_of(part) for part in file.parts[:-1] if split_of(part)), None),
    )


def _check_classes(root: Path, inside: Sequence[Path]) -> None:
    """Refuse a class inside the other class, unless the outer folder is a collection of both (`covid/train/normal`)."""
    within = defaultdict(set)
    for file in inside:
        within[_classes(file)[0]].add(label_of(_classes(file)[-1]))
    for file in inside:
        outer, inner = _classes(file)[0], _classes(file)[-1]
        if label_of(outer) != label_of(inner) and len(within[outer]) < len(LABELS):
            raise UserError(
                f"{root / file.parent}: {inner!r} lies inside {outer!r}, the other class; rename one of them"
            )


def _check_strays(root: Path, strays: Sequence[Path], inside: Sequence[Path]) -> None:
    """Tell a stray picture, in the root, a split or above class folders, from a class that we do not know."""
    above = {parent for file in inside for parent in file.parents}
    for stray in strays:
        expected = stray.parent in above or all(split_of(part) for part in stray.parts[:-1])
        if not expected and looks_like_image(root / stray):
            raise UserError(f"{root / stray.parent}: unknown label; call the folder one of {known_labels()}")
