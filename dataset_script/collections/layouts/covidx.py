"""COVIDx CXR lists (COVID-Net): `patientid filename class source`, one image a line, beside `train/` and `test/`.

Both editions: three classes (normal, pneumonia, COVID-19) and two (negative, positive). The lists' own splits are kept.
An image's collection is the one that COVIDx took it from: `covidx-cohen`, `covidx-rsna` and so on.
"""

import sys
from collections.abc import Iterator

from cxr.errors import UserError
from dataset_script.collections import tables
from dataset_script.collections.filesystem import ESCAPES, MISSING, TWICE, Root, clean, descend, open_root
from dataset_script.collections.interpretation import Interpretation
from dataset_script.collections.label_text import read_label
from dataset_script.collections.layouts.metadata import figure1_patient
from dataset_script.collections.vocabulary import plain, split_of
from dataset_script.records import Collection, Record, Refusal

SOURCE = "covidx"
SHORT = "is a line without patient, file and class"
NO_LINE = "stands in no list"
_FIGURE1 = f"{SOURCE}-fig1"
_FOLDERS = {"train": ("train",), "validation": ("val", "validation", "train"), "test": ("test",)}


def collect(path: str, interpretation: Interpretation) -> Collection:
    """Read the folder or zip at `path`.

    Raises:
        UserError: if it holds no list, or two of the same split.
    """
    flag = f"--source covidx={path}"
    root = descend(open_root(path, flag), lambda root: bool(_lists(root)))
    lists = _lists(root)
    if not lists:
        raise UserError(f"{flag} holds no list such as train.txt and test.txt beside train/ and test/")
    collection, files = Collection(), set()
    for split, names in lists.items():
        if len(names) > 1:
            raise UserError(f"{flag} holds {' and '.join(names)}: keep the lists of one edition")
        for line in tables.read_text(root, names[0], flag).splitlines():
            if line.strip():
                item = _item(root, line.split(), split, interpretation)
                if isinstance(item, Record) and item.file in files:
                    item = Refusal(item.source, item.file, TWICE)
                files.add(item.file)
                collection.add(item)
    interpretation.check(flag, collection.sources(), "the class of its lists")
    folders = sorted({folder for split in lists for folder in _FOLDERS[split]})
    unlisted = (clean(name) for folder in folders for name in root.walk(folder) if name not in files)
    collection.refuse(SOURCE, unlisted, NO_LINE)
    collection.refuse(SOURCE, root.escaping, ESCAPES)
    return collection


def _lists(root: Root) -> dict[str, list[str]]:
    """By split, the lists: `train.txt`, `train_split.txt`, `test_COVIDx9B.txt` …"""
    lists: dict[str, list[str]] = {}
    for name in root.walk():
        split = split_of(name.split(".")[0].split("_")[0])
        if "/" not in name and name.endswith(".txt") and split:
            lists.setdefault(split, []).append(name)
    return lists


def _item(root: Root, words: list[str], split: str, interpretation: Interpretation) -> Record | Refusal:
    is_class = [read_label(word).is_understood or interpretation.overridden(word) is not None for word in words]
    at = next(
        (at for at in range(len(words) - 1, 1, -1) if is_class[at]),
        len(words) - 2 if len(words) > 3 else len(words) - 1,
    )
    if at < 2:
        return Refusal(SOURCE, " ".join(words), SHORT)
    source = sys.intern("-".join([SOURCE, *map(plain, words[at + 1 : at + 2])]))
    label, finding = interpretation.label(source, words[at], read_label(words[at])), sys.intern(words[at])
    candidates = list(_patients_and_files(words[:at]))
    inside = [(patient, name) for patient, file in candidates for name in _places(root, file, split)]
    patient, name = next((pair for pair in inside if root.has(pair[1])), (candidates[0][0], None))
    if name is None:
        is_outside = root.inside(candidates[0][1]) is None
        return Refusal(source, candidates[0][1], ESCAPES if is_outside else MISSING)
    if isinstance(label, str):
        return Refusal(source, name, label)
    if source == _FIGURE1:
        patient = figure1_patient(patient)
    return Record(source, label, finding, clean(name), root.ref(name), patient_id=patient, split=split)


def _patients_and_files(words: list[str]) -> Iterator[tuple[str, str]]:
    """How the words before the class may part into patient and file; both may hold spaces."""
    return ((" ".join(words[:at]), " ".join(words[at:])) for at in range(1, len(words)))


def _places(root: Root, file: str, split: str) -> Iterator[str]:
    name = root.inside(file)
    if name is not None:
        yield from (f"{folder}/{name}" for folder in _FOLDERS[split])
