"""COVID-CXNet: a folder of COVID-19 images whose names tell more.

`12-.jpg` shows no abnormality: the patient had COVID-19, so it stays COVID, with a finding of its own. `12p.jpg` shows
a child and is left out: age would tell the classes apart.
"""

import re
from pathlib import PurePosixPath

from cxr.errors import UserError
from cxr.schema.labels import COVID
from dataset_script.collections.filesystem import ESCAPES, Root, clean, open_root
from dataset_script.collections.interpretation import Interpretation
from dataset_script.collections.label_text import LabelReading
from dataset_script.records import Collection, Record, Refusal

SOURCE = "cxnet"
PAEDIATRIC = "is paediatric"
UNNAMED = "is not named like an image of this collection"
_NAME = re.compile(r"\d+[ _]?(?P<suffix>[a-z-]*)", re.IGNORECASE)


def collect(path: str, interpretation: Interpretation) -> Collection:
    """Read the folder or zip at `path`.

    Raises:
        UserError: if it holds no image with a number for a name.
    """
    flag = f"--source cxnet={path}"
    root = open_root(path, flag)
    collection = Collection()
    for name in root.walk():
        collection.add(_item(root, name, interpretation))
    if not collection.records:
        raise UserError(f"{flag} holds no images named like 12.jpg, 12-.jpg or 12p.jpg")
    collection.refuse(SOURCE, root.escaping, ESCAPES)
    return collection


def _item(root: Root, name: str, interpretation: Interpretation) -> Record | Refusal:
    match = _NAME.fullmatch(PurePosixPath(name).stem)
    if match is None:
        return Refusal(SOURCE, clean(name), UNNAMED)
    suffix = match["suffix"].casefold()
    if "p" in suffix:
        return Refusal(SOURCE, clean(name), PAEDIATRIC)
    finding = "COVID-19, no abnormality seen" if suffix.endswith("-") else "COVID-19"
    label = interpretation.label(SOURCE, finding, LabelReading(COVID))
    if isinstance(label, str):
        return Refusal(SOURCE, clean(name), label)
    return Record(SOURCE, label, finding, clean(name), root.ref(name))
