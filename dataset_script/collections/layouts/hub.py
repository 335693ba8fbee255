"""A dataset on the Hub: an image and a label column of any type, and as many others as are known.

Its splits are kept.
"""

from __future__ import annotations

import glob
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cxr.errors import UserError
from dataset_script.collections import vocabulary
from dataset_script.collections.filesystem import clean, stamp_of
from dataset_script.collections.interpretation import Interpretation
from dataset_script.collections.label_text import read_in_column
from dataset_script.collections.tables import Cells
from dataset_script.records import Collection, FileRef, Record, Refusal

if TYPE_CHECKING:
    import datasets

NO_IMAGE = "has no image"
NO_LABEL = "has a label we do not know"
_FIELDS = ("label", "finding", "patient_id", "view", "sex", "age", "source", "file", "modality", "reference_standard")
_ABOUT = ("README.md", ".huggingface.yaml", "dataset_infos.json")
"""The files from which `datasets` learns what a repo holds."""

_ARGUMENT = re.compile(r"(?P<name>[^/:@]+/[^/:@]+)(:(?P<config>[^@]+))?(@(?P<revision>.+))?")


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


def collect(argument: str, interpretation: Interpretation, cache: Path | None = None) -> Collection:
    """Fetch `USER/NAME[:CONFIG][@REVISION]`, at its newest commit without one, into `cache` or the user's own.

    Raises:
        UserError: if it cannot be fetched, has no image and label column, or a class that is not understood.
    """
    import datasets  # here, because its import takes seconds

    from cxr import hub

    flag = f"--source hub={argument}"
    match = _ARGUMENT.fullmatch(argument)
    if match is None:
        raise UserError(
            f"{flag}: expected USER/NAME, USER/NAME:CONFIG, USER/NAME@REVISION or USER/NAME:CONFIG@REVISION"
        )
    name, config = match["name"], match["config"]
    sha = hub.resolve(name, match["revision"], repo_type="dataset")
    try:
        _fetch(name, config, sha)
        loaded = datasets.load_dataset(name, config, revision=sha, cache_dir=str(cache / "hub") if cache else None)
    except (*hub.HUB_ERRORS, datasets.exceptions.DatasetsError) as error:
        reason = hub.explain(error, name, match["revision"])
        raise UserError(f"{flag} cannot be read: {reason}") from error
    collection = Collection()
    place = f"{name}:{config}" if config else name
    for split, part in loaded.items():
        _collect_split(collection, part, f"{place}@{sha}", split, flag, interpretation)
    interpretation.check(flag, collection.sources() | {name}, "its label column")
    return collection


def _fetch(name: str, config: str | None, sha: str) -> None:
    """Bring the files of a dataset into the cache where `datasets` looks for them, each compared with its hash."""
    import datasets

    from cxr import hub

    hub.fetch(name, sha, _ABOUT, repo_type="dataset")
    files = datasets.load_dataset_builder(name, config, revision=sha).config.data_files or {}
    start = f"hf://datasets/{name}@{sha}/"
    names = [glob.escape(file.removeprefix(start)) for part in files.values() for file in part]
    hub.fetch(name, sha, names, repo_type="dataset")


def _collect_split(
    collection: Collection,
    part: datasets.Dataset,
    name: str,
    split: str,
    flag: str,
    interpretation: Interpretation,
) -> None:
    import datasets

    image = next((name for name, kind in part.features.items() if isinstance(kind, datasets.Image)), None)
    repo = re.split("[:@]", name)[0]
    others = [name for name in part.features if name != image]
    columns = interpretation.find_columns(repo, others, _FIELDS, flag)
    if image is None or "label" not in columns:
        raise UserError(
            f"{flag}: its {split} split needs an image and a label column; it has {list(part.features)} "
            "(--column label=NAME names one)"
        )
    read = {ours: _reader(part.features[theirs]) for ours, theirs in columns.items()}
    files = [cached["filename"] for cached in part.cache_files]
    images = ((HubImages(file, image), str(at)) for file in files for at in range(len(_opened(file, image))))
    rows = part.select_columns(list(columns.values()))
    for index, ((where, at), row) in enumerate(zip(images, rows, strict=True)):
        cells = {ours: read[ours](row[theirs]) for ours, theirs in columns.items()}
        ref = FileRef(where, at, stamp_of(name, split, index))
        collection.add(_item(cells, columns["label"], repo, f"{split}/{index}", ref, interpretation))


def _reader(feature: object) -> Callable[[Any], str]:
    """A function from a value of a column to its text: a class's name, a list joined by commas, a number as written."""
    names = getattr(feature, "names", None)
    return lambda value: _text(value, names)


def _text(value: object, names: Sequence[str] | None) -> str:
    if value is None or value == -1:  # -1 is how `datasets` writes a class that is not known
        return ""
    if isinstance(value, list | tuple):
        return ", ".join(_text(item, names) for item in value)
    if names and isinstance(value, int):
        return names[value] if 0 <= value < len(names) else ""
    if isinstance(value, float) and (math.isnan(value) or value.is_integer()):
        return "" if math.isnan(value) else str(int(value))
    return clean(str(value).strip())


def _item(
    cells: Cells, column: str, repo: str, place: str, image: FileRef, interpretation: Interpretation
) -> Record | Refusal:
    source, file = cells.get("source") or repo, cells.get("file") or place
    label = interpretation.label(source, cells["label"], read_in_column(cells["label"], column))
    patient = cells.get("patient_id", "")
    reason = vocabulary.reason_to_refuse(cells) or (label if isinstance(label, str) else None)
    if isinstance(label, str) or reason:
        return Refusal(source, file, reason or NO_LABEL)
    return Record(
        source=source,
        label=label,
        finding=cells.get("finding") or cells["label"],
        file=file,
        image=image,
        patient_id="" if patient.startswith("file:") else patient,
        view=interpretation.view(source, cells.get("view", "")),
        sex=vocabulary.sex_of(cells.get("sex", "")),
        age=vocabulary.age_of(cells.get("age", "")),
        split=vocabulary.split_of(place.split("/")[0]),
        reference_standard=cells.get("reference_standard", ""),
    )


@lru_cache(maxsize=4)
def _opened(file: str, column: str) -> datasets.Dataset:
    """One column of an Arrow file, its images not decoded."""
    import datasets

    return datasets.Dataset.from_file(file).select_columns(column).cast_column(column, datasets.Image(decode=False))
