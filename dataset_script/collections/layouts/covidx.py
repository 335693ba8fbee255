"""COVIDx CXR lists (COVID-Net): `patientid filename class source`, one picture a line, beside `train/` and `test/`.

Both editions: three classes (normal, pneumonia, COVID-19) and two (negative, positive). The lists' own division is the
predefined split. A picture's collection is the one that COVIDx took it from: `covidx-cohen`, `covidx-rsna` and so on.
"""

import sys
from collections.abc import Iterator

from cxr.errors import UserError
from dataset_script.collections import paths, tables
from dataset_script.collections.filesystem import Root, descend, open_root, read_text
from dataset_script.collections.record import Collection, Record, Refusal
from dataset_script.collections.vocabulary import label_of, plain, split_of

SOURCE = "covidx"
SHORT = "is a line without patient, file and class"
_FIGURE1 = f"{SOURCE}-fig1"
NO_LINE = "stands in no list"
_FOLDERS = {"train": ("train",), "validation": ("val", "validation", "train"), "test": ("test",)}


def collect(path: str) -> Collection:
    """Read the folder or zip at `path`.

    Raises:
        UserError: if it holds no list, or two of the same split.
    """
    flag = f"--source covidx={path}"
    root = descend(open_root(path, flag), lambda root: bool(_lists(root)))
    lists = _lists(root)
    if not lists:
        raise UserError(f"{flag} holds no list such as train.txt and test.txt beside train/ and test/")
    found, named = Collection(), set()
    for split, names in lists.items():
        if len(names) > 1:
            raise UserError(f"{flag} holds {' and '.join(names)}: keep the lists of one edition")
        for line in tables.decode(read_text(root, names[0], flag)).splitlines():
            if line.strip():
                _add(found, named, _item(root, line.split(), split))
    places = sorted({place for split in lists for place in _FOLDERS[split]})
    strays = (name for place in places for name in root.walk(place) if name not in named)
    found.refusals += [Refusal(SOURCE, paths.clean(name), NO_LINE) for name in strays]
    found.refusals += [Refusal(SOURCE, name, paths.ESCAPES) for name in root.escaping]
    return found


def _lists(root: Root) -> dict[str, list[str]]:
    """By split, the lists: `train.txt`, `train_split.txt`, `test_COVIDx9B.txt` …"""
    found: dict[str, list[str]] = {}
    for name in root.walk():
        split = split_of(name.split(".")[0].split("_")[0])
        if "/" not in name and name.endswith(".txt") and split:
            found.setdefault(split, []).append(name)
    return found


def _add(found: Collection, named: set[str], item: Record | Refusal) -> None:
    if isinstance(item, Record) and item.file in named:
        item = Refusal(item.source, item.file, paths.TWICE)
    named.add(item.file)
    found.add(item)


def _item(root: Root, words: list[str], split: str) -> Record | Refusal:
    place = next((at for at in range(len(words) - 1, 1, -1) if _is_class(words[at])), len(words) - 1)
    if place < 2:
        return Refusal(SOURCE, " ".join(words), SHORT)
    source = sys.intern("-".join([SOURCE, *map(plain, words[place + 1 : place + 2])]))
    label, finding = tables.finding_label(words[place]), sys.intern(words[place])
    candidates = list(_names(words[:place]))
    inside = [(patient, name) for patient, file in candidates for name in _places(root, file, split)]
    patient, name = next((pair for pair in inside if root.has(pair[1])), (candidates[0][0], None))
    if name is None:
        escapes = root.inside(candidates[0][1]) is None
        return Refusal(source, candidates[0][1], paths.ESCAPES if escapes else paths.MISSING)
    if isinstance(label, str):
        return Refusal(source, name, label)
    if source == _FIGURE1:
        patient = tables.figure1_patient(patient)
    return Record(
        source, label, finding, paths.clean(name), root.opener(name), root.stamp(name), patient_id=patient, split=split
    )


def _is_class(word: str) -> bool:
    return label_of(word) is not None


def _names(words: list[str]) -> Iterator[tuple[str, str]]:
    """How the words before the class may part into patient and file; both may hold spaces."""
    return ((" ".join(words[:at]), " ".join(words[at:])) for at in range(1, len(words)))


def _places(root: Root, file: str, split: str) -> Iterator[str]:
    if root.inside(file) is None:
        return iter(())
    return (f"{folder}/{root.inside(file)}" for folder in _FOLDERS[split])
