"""The covid-chestxray-dataset layout (Cohen et al. 2020): `metadata.csv` beside `images/`, several images a patient.

CT and lateral views are left out and counted, as are findings that nobody has made yet.
"""

from pathlib import Path

from cxr.cli import UserError
from cxr.labels import COVID, NON_COVID
from dataset_script import fields
from dataset_script.names import plain
from dataset_script.record import Collection, Record, Refusal, opener_of, stamp_of, walk

SOURCE = "ieee8023"
NO_FINDING_YET = "has no finding yet"
NOT_X_RAY = "is no X-ray (CT or other modality)"
NOT_FRONTAL = "is no frontal view"
NO_ROW = "has no row in metadata.csv"
_NEEDED = ("patientid", "finding", "view", "filename")
_UNDECIDED = {"", "unknown", "todo", "pending", "na", "nan", "none", "tba", "tbd"}
_XRAY = {"", "xray", "cr", "dx", "cxr"}


def collect(path: str) -> Collection:
    """Read the folder at `path`, or its `metadata.csv`.

    Raises:
        UserError: if there is no `metadata.csv`, or it lacks a column or has no rows.
    """
    root, flag = Path(path), f"--source ieee8023={path}"
    root = root.parent if root.is_file() else root
    table = root / "metadata.csv"
    if not root.is_dir():
        raise UserError(f"{flag}: no such folder")
    if not table.is_file():
        raise UserError(f"{flag} holds no metadata.csv (the layout is metadata.csv beside images/)")
    rows = iter(fields.csv_rows(fields.read_text(table, flag)))
    _check_columns(next(rows, (1, {}))[1], flag)
    found = Collection()
    named = set()
    for _, row in rows:
        file = f"{row.get('folder') or 'images'}/{row.get('filename', '')}"
        named.add(file)
        item = _record(root, file, row)
        if isinstance(item, Record):
            found.records.append(item)
            found.licences[SOURCE, row.get("license") or "not stated"] += 1
        else:
            found.refusals.append(item)
    if not named:
        raise UserError(f"{flag}: metadata.csv has no rows below its header")
    found.refusals += _without_row(root, named)
    return found


def _check_columns(columns: dict[str, str], flag: str) -> None:
    missing = [name for name in _NEEDED if name not in columns]
    if missing:
        raise UserError(f"{flag}: metadata.csv has no column {missing[0]!r} (its columns: {', '.join(columns)})")


def _record(root: Path, file: str, row: dict[str, str]) -> Record | Refusal:
    reason, path = _reason(row), fields.inside(root, file)
    if path is None:
        reason = fields.ESCAPES
    elif reason is None and not path.is_file():
        reason = fields.MISSING
    if reason:
        return Refusal(SOURCE, file, reason)
    return Record(
        source=SOURCE,
        label=_label(row["finding"]),
        finding=row["finding"],
        file=path.relative_to(root).as_posix(),
        opener=opener_of(path),
        stamp=stamp_of(path),
        patient_id=row.get("patientid", ""),
        view=fields.frontal_view(row["view"]),
        sex=fields.sex_of(row.get("sex", "")),
        age=fields.age_of(row.get("age", "")),
    )


def _reason(row: dict[str, str]) -> str | None:
    """Why a row is left out; None if it stays."""
    if plain(row.get("modality", "")) not in _XRAY:
        return NOT_X_RAY
    if fields.frontal_view(row.get("view", "")) is None:
        return NOT_FRONTAL
    if plain(row.get("finding", "")) in _UNDECIDED:
        return NO_FINDING_YET
    return None


def _label(finding: str) -> int:
    """COVID for `COVID-19`, `COVID-19, ARDS` and the later `Pneumonia/Viral/COVID-19`; every other finding is not."""
    return COVID if "covid" in plain(finding) and not plain(finding).startswith(("no", "neg")) else NON_COVID


def _without_row(root: Path, named: set[str]) -> list[Refusal]:
    folders = sorted({file.split("/")[0] for file in named if fields.inside(root, file)})
    files = (path.relative_to(root).as_posix() for folder in folders for path in walk(root / folder))
    return [Refusal(SOURCE, file, NO_ROW) for file in files if file not in named]
