"""COVID-CXNet: a folder of COVID-19 pictures whose names say more.

`12-.jpg` shows no abnormality: the patient had COVID-19, so it stays COVID, with a finding of its own. `12p.jpg` shows
a child and is left out: age would tell the classes apart.
"""

import re
from pathlib import PurePosixPath

from cxr.errors import UserError
from cxr.schema.labels import COVID
from dataset_script.collections import paths
from dataset_script.collections.filesystem import Root, open_root
from dataset_script.collections.record import Collection, Record, Refusal

SOURCE = "cxnet"
PAEDIATRIC = "is paediatric"
UNNAMED = "is not named like a picture of this collection"
_NAME = re.compile(r"\d+[ _]?(?P<suffix>[a-z-]*)", re.IGNORECASE)


def collect(path: str) -> Collection:
    """Read the folder or zip at `path`.

    Raises:
        UserError: if it holds no picture with a number for a name.
    """
    flag = f"--source cxnet={path}"
    root = open_root(path, flag)
    found = Collection()
    for name in root.walk():
        found.add(_item(root, name))
    if not found.records:
        raise UserError(f"{flag} holds no pictures named like 12.jpg, 12-.jpg or 12p.jpg")
    found.refusals += [Refusal(SOURCE, name, paths.ESCAPES) for name in root.escaping]
    return found


def _item(root: Root, name: str) -> Record | Refusal:
    named = _NAME.fullmatch(PurePosixPath(name).stem)
    suffix = named["suffix"].casefold() if named else ""
    if named is None or "p" in suffix:
        return Refusal(SOURCE, paths.clean(name), PAEDIATRIC if named else UNNAMED)
    finding = "COVID-19, no abnormality seen" if suffix.endswith("-") else "COVID-19"
    return Record(SOURCE, COVID, finding, paths.clean(name), root.opener(name), root.stamp(name))
