"""Collections that are a table beside folders of pictures; what differs between them is an entry of `LAYOUTS`.

CT and lateral views are left out and counted, as are findings that nobody has made yet or that we do not know.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cxr.errors import UserError
from cxr.schema.dataset import NOT_FRONTAL, NOT_X_RAY
from cxr.schema.labels import NON_COVID
from dataset_script.collections import paths, tables
from dataset_script.collections.filesystem import Root, descend, open_root, read_text
from dataset_script.collections.record import Collection, Record, Refusal

_ENDINGS = (".jpg", ".png", ".jpeg", ".JPG", ".PNG", ".JPEG", ".dcm")


@dataclass(frozen=True)
class Layout:
    """What tells one collection from the others: the table's possible names and the columns that it must have.

    `columns` gives our field its column. `places` gives a row's file as names to try, in order, from the row and the
    folders that hold pictures; `folders` lists those. `label` gives a finding its label, or the reason to leave it out;
    `patient` gives a patient's cell the patient. Where `says_views` is false, a picture of unknown view stays.
    """

    source: str
    tables: tuple[str, ...]
    columns: dict[str, str]
    needed: tuple[str, ...]
    places: Callable[[dict[str, str], list[str]], Iterator[str]]
    folders: Callable[[Root], list[str]] = lambda root: ["images"]
    label: Callable[[str], int | str] = tables.finding_label
    patient: Callable[[str], str] = str
    says_views: bool = True
    licence: str = ""
    shape: str = "metadata.csv beside images/"

    def table_in(self, root: Root) -> str | None:
        """The name of the table that a root holds."""
        return next((name for name in self.tables if root.has(name)), None)


def _ieee8023_places(row: dict[str, str], folders: list[str]) -> Iterator[str]:
    yield f"{row.get('folder') or 'images'}/{row.get('filename', '')}"


def _by_column(column: str) -> Callable[[dict[str, str], list[str]], Iterator[str]]:
    def places(row: dict[str, str], folders: list[str]) -> Iterator[str]:
        return (f"{folder}/{row.get(column, '')}" for folder in folders)

    return places


def _figure1_places(row: dict[str, str], folders: list[str]) -> Iterator[str]:
    return (f"{folder}/{row.get('patientid', '')}{ending}" for ending in _ENDINGS for folder in folders)


def _nih_folders(root: Root) -> list[str]:
    """`images` (as the NIH packs it), `images_001/images` … (as Kaggle does) or `images_001`."""
    parts = [name for name in root.folders() if name.casefold().startswith("images")]
    return [place for name in parts for place in (f"{name}/images", name)] or ["images"]


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
        says_views=False,
    ),
    "figure1": Layout(
        source="figure1",
        tables=("metadata.csv",),
        columns=_COHEN,
        needed=("patientid", "finding"),
        places=_figure1_places,
        patient=tables.figure1_patient,
        says_views=False,
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
        label=lambda finding: NON_COVID if finding else tables.UNDECIDED,
        shape="Data_Entry_2017.csv beside images_*/images",
    ),
}


def collect(name: str, path: str) -> Collection:
    """Read the folder or zip at `path`, or its table, by the layout `name`.

    Raises:
        UserError: if there is no table, or it lacks a column or has no rows.
    """
    layout, flag = LAYOUTS[name], f"--source {name}={path}"
    root = descend(_root_of(layout, path, flag), lambda root: layout.table_in(root) is not None)
    table = layout.table_in(root)
    if table is None:
        raise UserError(f"{flag} holds no {layout.tables[0]} (the layout is {layout.shape})")
    columns, rows = tables.csv_rows(tables.decode(read_text(root, table, flag)), flag)
    for needed in layout.needed:
        if needed not in columns:
            raise UserError(f"{flag}: {table} has no column {needed!r}; its columns are {', '.join(columns)}")
    found = _collect_rows(layout, root, table, rows)
    if not found.records and not found.refusals:
        raise UserError(f"{flag}: {table} has no rows below its header")
    return found


def _root_of(layout: Layout, path: str, flag: str) -> Root:
    parent, _, name = path.replace("\\", "/").rpartition("/")
    return open_root(parent or ".", flag) if name in layout.tables else open_root(path, flag)


def _collect_rows(layout: Layout, root: Root, table: str, rows: Iterator[tables.Row]) -> Collection:
    folders = layout.folders(root)
    found, named, used, any_row = Collection(), set(), set(folders), False
    for number, row in rows:
        any_row = True
        file = _place(layout, root, row, folders) or f"(line {number})"
        item = _record(layout, root, file, {ours: row.get(column, "") for ours, column in layout.columns.items()})
        if isinstance(item, Refusal):
            found.refusals.append(item)
        elif item.file in named:
            found.refusals.append(Refusal(layout.source, item.file, paths.TWICE))
        else:
            found.records.append(item)
            if "licence" in layout.columns:
                found.licences[layout.source, row.get(layout.columns["licence"]) or "not stated"] += 1
        named.add(file)
        used.add(file.split("/")[0])
    if any_row:
        without_row = f"has no row in {table}"
        found.refusals += [Refusal(layout.source, file, without_row) for file in _others(root, used, named)]
        found.refusals += [Refusal(layout.source, name, paths.ESCAPES) for name in root.escaping]
    return found


def _place(layout: Layout, root: Root, row: dict[str, str], folders: list[str]) -> str:
    """The first of a row's places that is there, else the first of all; empty where the row names no file."""
    places = [place for place in layout.places(row, folders) if not place.endswith("/")]
    inside = ((place, root.inside(place)) for place in places)
    return next((name for _, name in inside if name and root.has(name)), places[0] if places else "")


def _record(layout: Layout, root: Root, file: str, row: dict[str, str]) -> Record | Refusal:
    name, label = root.inside(file), layout.label(row["finding"])
    reason = paths.ESCAPES if name is None else _reason(layout, row, label)
    reason = reason or (None if root.has(name) else paths.MISSING)
    if reason:
        return Refusal(layout.source, file, reason)
    return Record(
        source=layout.source,
        label=label,
        finding=row["finding"],
        file=name,
        opener=root.opener(name),
        stamp=root.stamp(name),
        patient_id=layout.patient(row.get("patient_id", "")),
        view=tables.frontal_view(row.get("view", "")) or "",
        sex=tables.sex_of(row.get("sex", "")),
        age=tables.age_of(row.get("age", "")),
    )


def _reason(layout: Layout, row: dict[str, str], label: int | str) -> str | None:
    """Why a row is left out; None if it stays."""
    if not tables.is_x_ray(row.get("modality", "")):
        return NOT_X_RAY
    is_unsaid = not layout.says_views and not row.get("view")
    if tables.frontal_view(row.get("view", "")) is None and not is_unsaid:
        return NOT_FRONTAL
    return label if isinstance(label, str) else None


def _others(root: Root, used: set[str], named: set[str]) -> Iterator[str]:
    """The files of the folders in use that no row names."""
    for folder in sorted(used):
        if root.inside(folder) and not any(folder != other and folder.startswith(f"{other}/") for other in used):
            yield from (file for file in root.walk(folder) if file not in named)
