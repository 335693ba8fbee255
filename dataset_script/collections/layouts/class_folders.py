"""Collections that are class folders with `images/` and, pixel for pixel, lung `masks/`: entries of `LAYOUTS`."""

from collections.abc import Mapping
from dataclasses import dataclass

from cxr.errors import UserError
from cxr.schema.labels import COVID, NON_COVID
from dataset_script.collections.filesystem import ESCAPES, Root, clean, descend, open_root
from dataset_script.collections.interpretation import Interpretation
from dataset_script.collections.label_text import LabelReading
from dataset_script.collections.vocabulary import plain
from dataset_script.records import Collection, Record


@dataclass(frozen=True)
class Layout:
    """A collection's name and its class folders, as the collection spells them, with their labels."""

    source: str
    classes: Mapping[str, int]

    def folders(self, root: Root) -> dict[str, int]:
        """The class folders of a root, however they are spelt, and their labels."""
        labels = {plain(name): label for name, label in self.classes.items()}
        return {name: labels[plain(name)] for name in root.folders() if plain(name) in labels}


LAYOUTS = {
    # COVID-19 Radiography Database
    "radiography": Layout(
        "radiography", {"COVID": COVID, "Normal": NON_COVID, "Lung_Opacity": NON_COVID, "Viral Pneumonia": NON_COVID}
    ),
}


def collect(name: str, path: str, interpretation: Interpretation) -> Collection:
    """Read the folder or zip at `path` by the layout `name`.

    Raises:
        UserError: if it holds no class folder with images.
    """
    layout, flag = LAYOUTS[name], f"--source {name}={path}"
    root = descend(open_root(path, flag), lambda root: len(layout.folders(root)) > 1)
    collection = Collection()
    collection.refuse(layout.source, root.escaping, ESCAPES)
    for folder, of_class in layout.folders(root).items():
        for name in _images(root, folder):
            label = interpretation.label(layout.source, folder, LabelReading(of_class))
            if isinstance(label, str):
                collection.refuse(layout.source, [clean(name)], label)
            else:
                collection.add(_record(root, name, layout.source, folder, label))
    if not collection.records:
        *folders, last = (f"{folder}/images" for folder in layout.classes)
        raise UserError(f"{flag} holds no {', '.join(folders)} or {last}")
    return collection


def _images(root: Root, folder: str) -> list[str]:
    """The images of a class, which some editions keep without `images/`."""
    right_below = folder.count("/") + 1
    return list(root.walk(f"{folder}/images")) or [name for name in root.walk(folder) if name.count("/") == right_below]


def _record(root: Root, name: str, source: str, finding: str, label: int) -> Record:
    mask = name.replace("/images/", "/masks/")
    return Record(
        source=source,
        label=label,
        finding=finding,
        file=clean(name),
        image=root.ref(name),
        mask=root.ref(mask) if mask != name and root.has(mask) else None,
    )
