"""The covid-chestxray-dataset layout (Cohen et al. 2020): `metadata.csv` beside `images/`, several images a patient.

CT and lateral views are left out and counted, as are findings that nobody has made yet.
"""

from pathlib import Path

from cxr.cli import UserError
from cxr.labels import COVID, NON_COVID
from dataset_script import fields, files
from dataset_script.names import plain
from dataset_script.record import Collection, Record, Refusal

SOURCE = "ieee8023"
UNDECIDED = "has no finding yet"
NO_ROW = "has no row in metadata.csv"
_COLUMNS = ("patientid", "finding", "view", "filename")
_UNDECIDED = {"", "unknown", "todo", "pending", "na", "nan", "none", "tba", "tbd", "undetermined"}


def collect(path: str) -> Collection:
    """Read the folder at `path`, or its `metadata.csv`.

    Raises:
        UserError: if there is no `metadata.csv`, or it lacks a column or has no rows.
    """
    root, flag = Path(path).expanduser().absolute(), f"--source ieee8023={path}"
    root = root.parent if root.is_file() else root
    table = root / "metadata.csv"
    if not root.is_dir():
        raise UserError(f"{flag}: no such folder")
    if not table.is_file():
        raise UserError(f"{flag} holds no metadata.csv (the layout is metadata.csv beside images/)")
    columns, rows = fields.csv_rows(fields.read_text(table, flag), flag)
    for needed in _COLUMNS:
        if needed not in columns:
            raise UserError(f"{flag}: metadata.csv has no column {needed!r}; its columns are {', '.join(columns)}")
    if not rows:
        raise UserError(f"{flag}: metadata.csv has no rows below its header")
    return _collect_rows(root, rows)


def _collect_rows(root: Path, rows: list[fields.Row]) -> Collection:
    found, named = Collection(), set()
    for number, row in rows:
        file = f"{row.get('folder') or 'images'}/{row.get('filename') or f'(line {number})'}"
        item = _record(root, file, row)
        if isinstance(item, Refusal):
            found.refusals.append(item)
        elif item.file in named:
            found.refusals.append(Refusal(SOURCE, item.file, files.TWICE))
        else:
            found.records.append(item)
            found.licences[SOURCE, row.get("license") or "not stated"] += 1
        named.add(file)
    found.refusals += _without_row(root, named)
    return found


def _record(root: Path, file: str, row: dict[str, str]) -> Record | Refusal:
    name = files.inside(root, file)
    reason = files.ESCAPES if name is None else _reason(root / name, row)
    if reason:
        return Refusal(SOURCE, file, reason)
    return Record(
        source=SOURCE,
        label=_label(row["finding"]),
        finding=row["finding"],
        file=name.as_posix(),
        opener=files.opener_of(root / name),
        stamp=files.stamp_of(root / name),
        patient_id=row.get("patientid", ""),
        view=fields.frontal_view(row["view"]),
        sex=fields.sex_of(row.get("sex", "")),
        age=fields.age_of(row.get("age", "")),
    )


def _reason(path: Path, row: dict[str, str]) -> str | None:
    """Why a row is left out; None if it stays."""
    if not fields.is_x_ray(row.get("modality", "")):
        return fields.NOT_X_RAY
    if fields.frontal_view(row.get("view", "")) is None:
        return fields.NOT_FRONTAL
    if plain(row.get("finding", "")) in _UNDECIDED:
        return UNDECIDED
    return None if path.is_file() else files.MISSING


def _label(finding: str) -> int:
    """COVID for `COVID-19`, `COVID-19, ARDS` and the later `Pneumonia/Viral/COVID-19`; every other finding is not."""
    name = plain(finding)
    return COVID if "covid" in name and not name.startswith(("no", "neg")) else NON_COVID


def _without_row(root: Path, named: set[str]) -> list[Refusal]:
    folders = sorted({file.split("/")[0] for file in named if files.inside(root, file)})
    found = (files.name_of(path.relative_to(root)) for folder in folders for path in files.walk(root / folder))
    return [Refusal(SOURCE, file, NO_ROW) for file in found if file not in named]
