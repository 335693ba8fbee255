"""A dataset on the Hub: an `image` and a `label` (or `finding`) column with our class names or ones we know.

Its splits are kept as predefined ones. What is downloaded goes below the dataset's own cache, not into the user's.
"""

from functools import lru_cache, partial
from pathlib import Path

import datasets

from cxr import hub
from cxr.errors import UserError, one_line
from dataset_script.collections import tables
from dataset_script.collections.record import Collection, Record, Refusal
from dataset_script.collections.vocabulary import known_labels, label_of, split_of

NO_PICTURE = "has no picture"
NO_LABEL = "has a label we do not know"
_OURS = ("patient_id", "finding", "view", "sex", "age", "source", "file")


def collect(repo_id: str, cache: Path = Path(".cache")) -> Collection:
    """Fetch the dataset `USER/NAME` at its newest commit, or `USER/NAME@REVISION`.

    Raises:
        UserError: if it cannot be had, has no image and label column, or a class that we do not know.
    """
    flag, (name, _, revision) = f"--source hub={repo_id}", repo_id.partition("@")
    if name.count("/") != 1:
        raise UserError(f"{flag}: expected USER/NAME or USER/NAME@REVISION")
    sha = hub.resolve(name, revision or None, repo_type="dataset")
    try:
        loaded = datasets.load_dataset(name, revision=sha, cache_dir=str(cache / "hub"))
    except (*hub.HUB_ERRORS, datasets.exceptions.DatasetsError) as error:
        raise UserError(f"{flag} cannot be read: {one_line(error)}") from error
    found = Collection()
    for split, part in loaded.items():
        _collect_split(found, part, f"{name}@{sha}", split, flag)
    return found


def _collect_split(found: Collection, part: datasets.Dataset, name: str, split: str, flag: str) -> None:
    image = next((key for key, kind in part.features.items() if isinstance(kind, datasets.Image)), None)
    if image is None or "label" not in part.features:
        raise UserError(f"{flag}: its {split} split needs an image and a label column; it has {list(part.features)}")
    names = getattr(part.features["label"], "names", None)
    _check_names(names, flag)
    places = ((cached["filename"], at) for cached in part.cache_files for at in range(len(_opened(cached["filename"]))))
    facts = part.select_columns([key for key in ("label", *_OURS) if key in part.features])
    for index, ((file, at), row) in enumerate(zip(places, facts, strict=True)):
        found.add(_item(row, names, name, f"{split}/{index}", partial(_bytes, file, image, at)))


def _check_names(names: list[str] | None, flag: str) -> None:
    for name in names or []:
        if label_of(name) is None:
            raise UserError(f"{flag}: unknown label {name!r}; known are {known_labels()}")


def _item(row: dict, names: list[str] | None, name: str, place: str, opener: partial) -> Record | Refusal:
    repo, file, value = name.split("@")[0], row.get("file") or place, row["label"]
    spelt = names[value] if names and isinstance(value, int) and 0 <= value < len(names) else str(value)
    label = label_of(spelt) if names or not spelt.isdecimal() else None
    if label is None:
        return Refusal(repo, file, NO_LABEL)
    patient = row.get("patient_id") or ""
    return Record(
        source=row.get("source") or repo,
        label=label,
        finding=row.get("finding") or spelt,
        file=file,
        opener=opener,
        stamp=f"{name}-{place}",
        patient_id="" if patient.startswith("file:") else str(patient),
        view=tables.frontal_view(row.get("view") or "") or "",
        sex=tables.sex_of(row.get("sex") or ""),
        age=tables.age_of(str(row.get("age"))),
        split=split_of(place.split("/")[0]),
    )


def _bytes(file: str, column: str, index: int) -> bytes:
    image = _opened(file)[index][column]
    if image is None or image["bytes"] is None:
        raise OSError(0, NO_PICTURE)
    return image["bytes"]


@lru_cache(maxsize=4)
def _opened(file: str) -> datasets.Dataset:
    part = datasets.Dataset.from_file(file)
    images = (key for key, kind in part.features.items() if isinstance(kind, datasets.Image))
    for key in images:
        part = part.cast_column(key, datasets.Image(decode=False))
    return part
