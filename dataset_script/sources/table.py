"""A table of pictures, CSV or JSON Lines: `file` and `label`, and as many of the other columns as are known.

`file` is relative to the table's folder. A row's `source` names its collection, else the table's own name does.
"""

from collections.abc import Iterable
from pathlib import Path

from cxr.cli import UserError
from cxr.labels import ID2LABEL
from dataset_script import fields, files
from dataset_script.names import known_labels, label_of, split_of
from dataset_script.record import Collection, Record, Refusal

_LABEL_NUMBERS = {str(number): number for number in ID2LABEL}


def collect(path: str) -> Collection:
    """Read the table at `path`.

    Raises:
        UserError: if it is missing, lacks a column, has no rows, or names a label or split that we do not know.
    """
    table, flag = Path(path).expanduser(), f"--source table={path}"
    if not table.is_file():
        raise UserError(f"{flag}: no such file (a table is a CSV or JSON Lines file)")
    text = fields.read_text(table, flag)
    columns, rows = (fields.json_rows if text.lstrip().startswith("{") else fields.csv_rows)(text, flag)
    for needed in ("file", "label"):
        if needed not in columns:
            listed = ", ".join(columns)[:200] or "none"
            raise UserError(f"{flag} has no column {needed!r}: it needs file and label; its columns are {listed}")
    if not rows:
        raise UserError(f"{flag} has no rows below its header")
    return _collect_rows(table.absolute().parent, table.stem, rows, flag)


def _collect_rows(root: Path, name: str, rows: Iterable[fields.Row], flag: str) -> Collection:
    found, seen = Collection(), {}
    for number, row in rows:
        item = _record(root, row, row.get("source") or name, f"{flag}, line {number}")
        if isinstance(item, Refusal):
            found.refusals.append(item)
            continue
        earlier = seen.setdefault((item.source, item.file), item)
        if earlier is item:
            found.records.append(item)
        elif earlier.label == item.label:
            found.refusals.append(Refusal(item.source, item.file, files.TWICE))
        else:
            raise UserError(f"{flag}, line {number}: {item.file} stands above with the other label")
    return found


def _record(root: Path, row: dict[str, str], source: str, where: str) -> Record | Refusal:
    label, split, file = _label(row.get("label", ""), where), _split(row.get("split", ""), where), row.get("file", "")
    name, view = files.inside(root, file), row.get("view", "")
    reason = files.ESCAPES if name is None else _reason(root / name, row)
    if reason:
        return Refusal(source, file or where, reason)
    return Record(
        source=source,
        label=label,
        finding=row.get("finding", ""),
        file=name.as_posix(),
        opener=files.opener_of(root / name),
        stamp=files.stamp_of(root / name),
        patient_id=row.get("patient_id", ""),
        view=fields.frontal_view(view) or view,
        sex=fields.sex_of(row.get("sex", "")),
        age=fields.age_of(row.get("age", "")),
        split=split,
    )


def _reason(path: Path, row: dict[str, str]) -> str | None:
    """Why a row is left out; None if it stays."""
    if not fields.is_x_ray(row.get("modality", "")):
        return fields.NOT_X_RAY
    if fields.is_not_frontal(row.get("view", "")):
        return fields.NOT_FRONTAL
    return None if path.is_file() else files.MISSING


def _label(value: str, where: str) -> int:
    label = _LABEL_NUMBERS.get(value, label_of(value))
    if label is None:
        raise UserError(f"{where}: unknown label {value!r}; known are 0, 1, {known_labels()}")
    return label


def _split(value: str, where: str) -> str | None:
    split = split_of(value)
    if value and split is None:
        raise UserError(f"{where}: unknown split {value!r}; known are train, validation and test")
    return split
