"""A table of pictures, CSV or JSON Lines: `file` and `label`, and as many of the other columns as are known.

`file` is relative to the table's folder. A row's `source` names its collection, else the table's own name does.
"""

from collections.abc import Iterable
from pathlib import Path

from cxr import labels
from cxr.cli import UserError
from dataset_script import fields
from dataset_script.names import known_labels, label_of, split_of
from dataset_script.record import Collection, Record, Refusal, opener_of, stamp_of

NOT_FRONTAL = "is no frontal view"
TWICE = "is listed more than once"
_LABEL_NUMBERS = {str(number): number for number in labels.ID2LABEL}


def collect(path: str) -> Collection:
    """Read the table at `path`.

    Raises:
        UserError: if it is missing, lacks a column, has no rows, or names a label or split that we do not know.
    """
    table, flag = Path(path), f"--source table={path}"
    if not table.is_file():
        raise UserError(f"{flag}: no such file")
    text = fields.read_text(table, flag)
    is_json = table.suffix.casefold() in (".jsonl", ".ndjson", ".json") or text.lstrip().startswith("{")
    rows = iter(fields.json_rows(text, flag) if is_json else fields.csv_rows(text))
    _check_columns(next(rows)[1], flag)
    found = _collect_rows(table, rows, flag)
    if not found.records and not found.refusals:
        raise UserError(f"{flag} has no rows below its header")
    return found


def _check_columns(columns: Iterable[str], flag: str) -> None:
    for needed in ("file", "label"):
        if needed not in columns:
            listed = ", ".join(columns) or "none"
            raise UserError(f"{flag} has no column {needed!r} (it needs file and label; its columns: {listed})")


def _collect_rows(table: Path, rows: Iterable[tuple[int, dict[str, str]]], flag: str) -> Collection:
    found, seen = Collection(), {}
    for number, row in rows:
        item = _record(table, row, f"{flag}, line {number}")
        if isinstance(item, Refusal):
            found.refusals.append(item)
            continue
        earlier = seen.setdefault((item.source, item.file), item)
        if earlier is item:
            found.records.append(item)
        elif earlier.label == item.label:
            found.refusals.append(Refusal(item.source, item.file, TWICE))
        else:
            raise UserError(f"{flag}, line {number}: {item.file} stands above with the other label")
    return found


def _record(table: Path, row: dict[str, str], where: str) -> Record | Refusal:
    source, file = row.get("source") or table.stem, row.get("file", "")
    label = _label(row.get("label", ""), where)
    path = fields.inside(table.parent, file)
    if path is None:
        return Refusal(source, file, fields.ESCAPES)
    if not path.is_file():
        return Refusal(source, file, fields.MISSING)
    view = row.get("view", "")
    if fields.is_not_frontal(view):
        return Refusal(source, file, NOT_FRONTAL)
    return Record(
        source=source,
        label=label,
        finding=row.get("finding", ""),
        file=path.relative_to(table.parent).as_posix(),
        opener=opener_of(path),
        stamp=stamp_of(path),
        patient_id=row.get("patient_id", ""),
        view=fields.frontal_view(view) or view,
        sex=fields.sex_of(row.get("sex", "")),
        age=fields.age_of(row.get("age", "")),
        split=_split(row.get("split", ""), where),
    )


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
