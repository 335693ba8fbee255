"""A dataset on the Hub: an `image` and a `label` column with our class names or ones we know.

Its splits are kept. Of Contract 1 it may have further columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cxr.errors import UserError, one_line
from dataset_script.collections import vocabulary
from dataset_script.records import Collection, FileRef, Record, Refusal, stamp_of

if TYPE_CHECKING:
    import datasets

NO_IMAGE = "has no image"
NO_LABEL = "has a label we do not know"
_OURS = ("patient_id", "finding", "view", "sex", "age", "source", "file")


@dataclass(frozen=True)
class HubImages:
    """The image column of one Arrow file of a dataset in the cache; a name is a row's number."""

    file: str
    column: str

    def read(self, name: str) -> bytes:
        """The encoded image of a row.

        Raises:
            OSError: if the row has none.
        """
        image = _opened(self.file, self.column)[int(name)][self.column]
        if image is None or image["bytes"] is None:
            raise OSError(0, NO_IMAGE)
        return image["bytes"]


def collect(repo_id: str, cache: Path | None = None) -> Collection:
    """Fetch the dataset `USER/NAME` at its newest commit, or `USER/NAME@REVISION`, into `cache` or the user's own.

    Raises:
        UserError: if it cannot be fetched, has no image and label column, or a class that is unknown.
    """
    import datasets  # here, because its import takes seconds

    from cxr import hub

    flag, (name, _, revision) = f"--source hub={repo_id}", repo_id.partition("@")
    if name.count("/") != 1:
        raise UserError(f"{flag}: expected USER/NAME or USER/NAME@REVISION")
    sha = hub.resolve(name, revision or None, repo_type="dataset")
    try:
        loaded = datasets.load_dataset(name, revision=sha, cache_dir=str(cache / "hub") if cache else None)
    except (*hub.HUB_ERRORS, datasets.exceptions.DatasetsError) as error:
        raise UserError(f"{flag} cannot be read: {one_line(error)}") from error
    collection = Collection()
    for split, part in loaded.items():
        _collect_split(collection, part, f"{name}@{sha}", split, flag)
    return collection


def _collect_split(collection: Collection, part: datasets.Dataset, name: str, split: str, flag: str) -> None:
    import datasets

    column = next((name for name, kind in part.features.items() if isinstance(kind, datasets.Image)), None)
    if column is None or "label" not in part.features:
        raise UserError(f"{flag}: its {split} split needs an image and a label column; it has {list(part.features)}")
    class_names = getattr(part.features["label"], "names", None)
    _check_names(class_names, flag)
    files = [cached["filename"] for cached in part.cache_files]
    images = ((HubImages(file, column), str(at)) for file in files for at in range(len(_opened(file, column))))
    columns = part.select_columns([key for key in ("label", *_OURS) if key in part.features])
    for index, ((place, at), row) in enumerate(zip(images, columns, strict=True)):
        image = FileRef(place, at, stamp_of(name, split, index))
        collection.add(_item(row, class_names, name.split("@")[0], f"{split}/{index}", image))


def _check_names(names: list[str] | None, flag: str) -> None:
    for name in names or []:
        if vocabulary.label_of(name) is None:
            raise UserError(f"{flag}: unknown label {name!r}; known are {vocabulary.known_labels()}")


def _item(row: dict[str, Any], names: list[str] | None, repo: str, place: str, image: FileRef) -> Record | Refusal:
    file, finding = row.get("file") or place, _class_name(row["label"], names)
    label = None if finding is None else vocabulary.label_of(finding)
    if finding is None or label is None:
        return Refusal(repo, file, NO_LABEL)
    patient = row.get("patient_id") or ""
    return Record(
        source=row.get("source") or repo,
        label=label,
        finding=row.get("finding") or finding,
        file=file,
        image=image,
        patient_id="" if patient.startswith("file:") else str(patient),
        view=vocabulary.frontal_view(row.get("view") or "") or "",
        sex=vocabulary.sex_of(row.get("sex") or ""),
        age=vocabulary.age_of(str(row.get("age"))),
        split=vocabulary.split_of(place.split("/")[0]),
    )


def _class_name(value: int | str, names: list[str] | None) -> str | None:
    """The name of a class; None for a number that has none, because 0 and 1 mean what somebody else decided."""
    if names and isinstance(value, int):
        return names[value] if 0 <= value < len(names) else None
    return None if str(value).isdecimal() else str(value)


@lru_cache(maxsize=4)
def _opened(file: str, column: str) -> datasets.Dataset:
    """One column of an Arrow file, its images not decoded."""
    import datasets

    return datasets.Dataset.from_file(file).select_columns(column).cast_column(column, datasets.Image(decode=False))
