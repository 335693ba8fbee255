"""Collections that are a table beside folders of images; what differs between them is an entry of `LAYOUTS`.

CT and lateral views are left out and counted, as are pending findings and those that are unknown.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cxr.errors import UserError
from cxr.schema.labels import NON_COVID
from dataset_script.collections import tables, vocabulary
from dataset_script.collections.filesystem import ESCAPES, MISSING, TWICE, Root, descend, open_root
from dataset_script.collections.interpretation import Interpretation
from dataset_script.collections.label_text import UNDECIDED, LabelReading, read_label
from dataset_script.collections.tables import Cells
from dataset_script.records import Collection, Record, Refusal

_ENDINGS = (".jpg", ".png", ".jpeg", ".JPG", ".PNG", ".JPEG", ".dcm")


@dataclass(frozen=True)
class Layout:
    """What tells one collection from the others: the table's possible names and the columns that it must have.

    `columns` gives our field its column. `places` gives a row's file as names to try, in order, from the row and the
    folders that hold images; `folders` lists those. `label` reads a finding;
    `patient` gives a patient's cell the patient. `shape` describes the layout in an error.
    """

    source: str
    tables: tuple[str, ...]
    columns: dict[str, str]
    needed: tuple[str, ...]
    places: Callable[[Cells, list[str]], Iterator[str]]
    folders: Callable[[Root], list[str]] = lambda root: ["images"]
    label: Callable[[str], LabelReading] = read_label
    patient: Callable[[str], str] = str
    shape: str = "metadata.csv beside images/"

    def table_in(self, root: Root) -> str | None:
        """The name of the table that a root holds."""
        return next((name for name in self.tables if root.has(name)), None)


def figure1_patient(cell: str) -> str:
    """The patient of an image of Figure 1: `COVID-00003a` and `COVID-00003b` show one."""
    return re.sub(r"(?<=\d)[a-z]$", "", cell)


def _ieee8023_places(cells: Cells, folders: list[str]) -> Iterator[str]:
    yield f"{cells.get('folder') or 'images'}/{cells.get('filename', '')}"


def _by_column(column: str) -> Callable[[Cells, list[str]], Iterator[str]]:
    def places(cells: Cells, folders: list[str]) -> Iterator[str]:
        return (f"{folder}/{cells.get(column, '')}" for folder in folders)

    return places


def _figure1_places(cells: Cells, folders: list[str]) -> Iterator[str]:
    return (f"{folder}/{cells.get('patientid', '')}{ending}" for ending in _ENDINGS for folder in folders)


def _nih_folders(root: Root) -> list[str]:
    """`images` (as the NIH packs it), `images_001/images` … (as Kaggle does) or `images_001`."""
    parts = [name for name in root.folders() if name.casefold().startswith("images")]
    return [place for name in parts for place in (f"{name}/images", name)] or ["images"]


def _before_covid(finding: str) -> LabelReading:
    """Whatever the finding: all of the collection was taken before COVID-19."""
    return LabelReading(NON_COVID) if finding else LabelReading(reason=UNDECIDED)


_COHEN = {name: name for name in ("finding", "view", "sex", "age", "modality")} | {"patient_id": "patientid"}

LAYOUTS = {
    "ieee8023": Layout(
        source="ieee8023",
        tables=("metadata.csv",),
        columns=_COHEN | {"licence": "license"},
        needed=("patientid", "finding", "view", "filename"),
        places=_ieee8023_places,
    ),
    "actualmed": Layout(
        source="actualmed",
        tables=("metadata.csv",),
        columns=_COHEN,
        needed=("patientid", "imagename", "finding"),
        places=_by_column("imagename"),
    ),
    "figure1": Layout(
        source="figure1",
        tables=("metadata.csv",),
        columns=_COHEN,
        needed=("patientid", "finding"),
        places=_figure1_places,
        patient=figure1_patient,
    ),
    "nih": Layout(
        source="nih",
        tables=("Data_Entry_2017.csv", "Data_Entry_2017_v2020.csv"),
        columns={
            "patient_id": "patient id",
            "finding": "finding labels",
            "view": "view position",
            "sex": "patient gender",
            "age": "patient age",
        },
        needed=("image index", "finding labels", "patient id", "view position"),
        places=_by_column("image index"),
        folders=_nih_folders,
        label=_before_covid,
        shape="Data_Entry_2017.csv beside images_*/images",
    ),
}


def collect(name: str, path: str, interpretation: Interpretation) -> Collection:
    """Read the folder or zip at `path`, or its table, by the layout `name`.

    Raises:
        UserError: if there is no table, or it lacks a column or has no rows.
    """
    layout, flag = LAYOUTS[name], f"--source {name}={path}"
    root = descend(_root_of(layout, path, flag), lambda root: layout.table_in(root) is not None)
    file = layout.table_in(root)
    if file is None:
        raise UserError(f"{flag} holds no {layout.tables[0]} (the layout is {layout.shape})")
    table = tables.read_table(root, file, flag)
    columns = {ours: interpretation.columns.get(ours, theirs) for ours, theirs in layout.columns.items()}
    columns = {ours: theirs.casefold() for ours, theirs in columns.items()}
    for needed in layout.needed:
        if needed not in table.columns:
            raise UserError(f"{flag}: {file} has no column {needed!r}; its columns are {', '.join(table.columns)}")
    interpretation.note_columns(layout.source, table.columns, {k: v for k, v in columns.items() if v in table.columns})
    collection, files, folders = _collect_lines(layout, root, table, columns, interpretation)
    interpretation.check(flag, [layout.source], f"the column {columns['finding']!r} of {file}")
    if not files:
        raise UserError(f"{flag}: {file} has no rows below its header")
    collection.refuse(layout.source, _unlisted(root, files, folders), f"has no row in {file}")
    collection.refuse(layout.source, root.escaping, ESCAPES)
    return collection


def _root_of(layout: Layout, path: str, flag: str) -> Root:
    parent, _, name = path.replace("\\", "/").rpartition("/")
    return open_root(parent or ".", flag) if name in layout.tables else open_root(path, flag)


def _collect_lines(
    layout: Layout, root: Root, table: tables.Table, columns: dict[str, str], interpretation: Interpretation
) -> tuple[Collection, set[str], set[str]]:
    """What the rows hold, the files that they name, and the folders that may hold these."""
    folders = layout.folders(root)
    collection, files, used = Collection(), set(), set(folders)
    for number, cells in table.lines:
        file = _file_of(layout, root, cells, folders) or f"(line {number})"
        values = {ours: cells.get(column, "") for ours, column in columns.items()}
        item = _item(layout, root, file, values, interpretation)
        if isinstance(item, Record) and item.file in files:
            item = Refusal(layout.source, item.file, TWICE)
        elif isinstance(item, Record) and "licence" in layout.columns:
            collection.licences[layout.source, cells.get(layout.columns["licence"]) or "not stated"] += 1
        collection.add(item)
        files.add(file)
        used.add(file.split("/")[0])
    return collection, files, used


def _file_of(layout: Layout, root: Root, cells: Cells, folders: list[str]) -> str:
    """The first of a row's places that is there, else the first of all; empty where the row names no file."""
    places = [place for place in layout.places(cells, folders) if not place.endswith("/")]
    inside = ((place, root.inside(place)) for place in places)
    return next((name for _, name in inside if name and root.has(name)), places[0] if places else "")


def _item(layout: Layout, root: Root, file: str, values: Cells, interpretation: Interpretation) -> Record | Refusal:
    name, finding = root.inside(file), values["finding"]
    label = interpretation.label(layout.source, finding, layout.label(finding))
    if name is None:
        return Refusal(layout.source, file, ESCAPES)
    reason = vocabulary.reason_to_refuse(values)
    if reason:
        return Refusal(layout.source, file, reason)
    if isinstance(label, str):
        return Refusal(layout.source, file, label)
    if not root.has(name):
        return Refusal(layout.source, file, MISSING)
    return Record(
        source=layout.source,
        label=label,
        finding=values["finding"],
        file=name,
        image=root.ref(name),
        patient_id=layout.patient(values.get("patient_id", "")),
        view=interpretation.view(layout.source, values.get("view", "")),
        sex=vocabulary.sex_of(values.get("sex", "")),
        age=vocabulary.age_of(values.get("age", "")),
    )


def _unlisted(root: Root, files: set[str], folders: set[str]) -> Iterator[str]:
    """The files of the folders in use that no row names."""
    for folder in sorted(folders):
        is_nested = any(folder != other and folder.startswith(f"{other}/") for other in folders)
        if root.inside(folder) and not is_nested:
            yield from (file for file in root.walk(folder) if file not in files)
