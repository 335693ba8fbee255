"""Class-named folders: `covid/`, `Normal/`, `Train/noncovid/`, `Test/COVID-19/…`.

The class is the known class name on the way from the root to the file, the split a known split name on that way. What
lies under a folder of masks is left out. The collection is called like its folder.
"""

from pathlib import Path

from cxr.cli import UserError
from cxr.radiograph import looks_like_image
from dataset_script.names import known_labels, label_of, plain, split_of
from dataset_script.record import Collection, Record, Refusal, opener_of, stamp_of, walk

OUTSIDE = "lies outside any class folder"
MASK = "is a mask, not a radiograph"


def collect(path: str) -> Collection:
    """Read the tree at `path`.

    Raises:
        UserError: if it is no folder, holds no picture in a class folder, or pictures in a class we do not know.
    """
    root = Path(path)
    if not root.is_dir():
        raise UserError(f"--source folder={path}: no such folder")
    found, name, strays = Collection(), root.resolve().name or "folder", []
    for file in walk(root):
        relative = file.relative_to(root)
        folders = relative.parts[:-1]
        classes = [folder for folder in folders if label_of(folder) is not None]
        if any(plain(folder).endswith(("mask", "masks")) for folder in folders):
            found.refusals.append(Refusal(name, relative.as_posix(), MASK))
        elif classes:
            found.records.append(_record(name, relative, file, classes))
        else:
            strays.append(relative)
    _check_strays(root, strays, found)
    found.refusals += [Refusal(name, stray.as_posix(), OUTSIDE) for stray in strays]
    if not found.records:
        raise UserError(f"--source folder={path} holds no pictures in class folders such as covid/ and normal/")
    return found


def _record(source: str, relative: Path, file: Path, classes: list[str]) -> Record:
    labels = {label_of(folder) for folder in classes}
    if len(labels) > 1:
        raise UserError(f"{file.parent} lies in folders of both classes ({', '.join(classes)}): rename one of them")
    splits = [split_of(folder) for folder in relative.parts[:-1] if split_of(folder)]
    return Record(
        source=source,
        label=labels.pop(),
        finding=classes[-1],
        file=relative.as_posix(),
        opener=opener_of(file),
        stamp=stamp_of(file),
        split=splits[0] if splits else None,
    )


def _check_strays(root: Path, strays: list[Path], found: Collection) -> None:
    """Tell a stray picture from a class that we do not know: strays lie in the root, a split or above class folders."""
    above = {parent for record in found.records for parent in Path(record.file).parents}
    for stray in strays:
        expected = stray.parent in above or all(split_of(folder) for folder in stray.parts[:-1])
        if not expected and looks_like_image(root / stray):
            raise UserError(f"{root / stray.parent}: unknown label; the folder must be called one of {known_labels()}")
