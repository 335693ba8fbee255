"""COVID-19 Radiography Database: four class folders, each with `images/` and, pixel for pixel, lung `masks/`."""

from cxr.errors import UserError
from cxr.schema.labels import COVID, NON_COVID
from dataset_script.collections import paths
from dataset_script.collections.filesystem import Root, descend, open_root
from dataset_script.collections.record import Collection, Record, Refusal
from dataset_script.collections.vocabulary import plain

SOURCE = "radiography"
_CLASSES = {"covid": COVID, "normal": NON_COVID, "lungopacity": NON_COVID, "viralpneumonia": NON_COVID}


def collect(path: str) -> Collection:
    """Read the folder or zip at `path`.

    Raises:
        UserError: if it holds no class folder with pictures.
    """
    flag = f"--source radiography={path}"
    root = descend(open_root(path, flag), lambda root: len(_classes(root)) > 1)
    found = Collection(refusals=[Refusal(SOURCE, name, paths.ESCAPES) for name in root.escaping])
    found.records.extend(_record(root, folder, name) for folder in _classes(root) for name in _pictures(root, folder))
    if not found.records:
        raise UserError(f"{flag} holds no COVID/images, Normal/images, Lung_Opacity/images or Viral Pneumonia/images")
    return found


def _classes(root: Root) -> list[str]:
    return [name for name in root.folders() if plain(name) in _CLASSES]


def _pictures(root: Root, folder: str) -> list[str]:
    """The pictures of a class, which the first edition kept without `images/`."""
    return list(root.walk(f"{folder}/images")) or [
        name for name in root.walk(folder) if name.count("/") == folder.count("/") + 1
    ]


def _record(root: Root, folder: str, name: str) -> Record:
    mask = name.replace("/images/", "/masks/")
    return Record(
        source=SOURCE,
        label=_CLASSES[plain(folder)],
        finding=folder,
        file=paths.clean(name),
        opener=root.opener(name),
        stamp=root.stamp(name),
        mask=root.opener(mask) if mask != name and root.has(mask) else None,
    )
