"""A table of pictures, CSV or JSON Lines: `file` and `label`, and as many of the other columns as are known.

`file` is relative to the table's folder. A row's `source` names its collection, else the table's own name does.
"""

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from cxr.errors import UserError
from cxr.schema.dataset import NOT_FRONTAL, NOT_X_RAY
from cxr.schema.labels import ID2LABEL
from dataset_script.collections import paths, tables
from dataset_script.collections.filesystem import Folder, Root, descend, open_root, read_text
from dataset_script.collections.record import Collection, Record, Refusal
from dataset_script.collections.vocabulary import known_labels, label_of, split_of

_LABEL_NUMBERS = {str(number): number for number in ID2LABEL}


def collect(path: str) -> Collection:
    """Read the table at `path`, or the only one in the folder or zip at `path`.

    Raises:
        UserError: if it is missing, lacks a column, has no rows, or names a label or split that we do not know.
    """
    flag = f"--source table={path}"
    root, name = _locate(path, flag)
    text = tables.decode(read_text(root, name, flag))
    columns, rows = (tables.json_rows if text.lstrip().startswith("{") else tables.csv_rows)(text, flag)
    for needed in ("file", "label"):
        if needed not in columns:
            listed = ", ".join(columns)[:200] or "none"
            raise UserError(f"{flag} has no column {needed!r}: it needs file and label; its columns are {listed}")
    found = _collect_rows(root, PurePosixPath(name).stem, rows, flag)
    if not found.records and not found.refusals:
        raise UserError(f"{flag} has no rows below its header")
    escaping = [Refusal(PurePosixPath(name).stem, entry, paths.ESCAPES) for entry in root.escaping]
    return Collection(found.records, found.refusals + escaping, found.licences)


def _locate(path: str, flag: str) -> tuple[Root, str]:
    table = Path(path).expanduser()
    if table.is_file() and table.suffix.casefold() != ".zip":
        return Folder(table.absolute().parent), table.name
    if not table.exists():
        raise UserError(f"{flag}: no such file (a table is a CSV or JSON Lines file)")
    root = descend(open_root(path, flag), lambda root: bool(_tables(root)))
    found = _tables(root)
    if len(found) != 1:
        raise UserError(f"{flag} holds {len(found)} tables (.csv, .jsonl) where one was expected: name it, or keep one")
    return root, found[0]


def _tables(root: Root) -> list[str]:
    names = ("manifest.csv", "metadata.csv", "metadata.jsonl")
    known = [name for name in names if root.has(name)]
    top = [name for name in root.walk() if "/" not in name and name.casefold().endswith((".csv", ".tsv", ".jsonl"))]
    return known[:1] or top


def _collect_rows(root: Root, name: str, rows: Iterable[tables.Row], flag: str) -> Collection:
    found, seen = Collection(), {}
    for number, row in rows:
        item = _record(root, row, row.get("source") or name, f"{flag}, line {number}")
        if isinstance(item, Refusal):
            found.refusals.append(item)
            continue
        key = hash((item.source, item.file))  # 64 bits: the names themselves would take five times as much
        if key not in seen:
            seen[key] = item.label
            found.records.append(item)
        elif seen[key] == item.label:
            found.refusals.append(Refusal(item.source, item.file, paths.TWICE))
        else:
            raise UserError(f"{flag}, line {number}: {item.file} stands above with the other label")
    return found


def _record(root: Root, row: dict[str, str], source: str, where: str) -> Record | Refusal:
    label, split, file = _label(row.get("label", ""), where), _split(row.get("split", ""), where), row.get("file", "")
    name, view = root.inside(file), row.get("view", "")
    reason = paths.ESCAPES if name is None else _reason(root, name, row)
    if reason:
        return Refusal(source, file or where, reason)
    return Record(
        source=source,
        label=label,
        finding=row.get("finding", ""),
        file=name,
        opener=root.opener(name),
        stamp=root.stamp(name),
        patient_id=row.get("patient_id", ""),
        view=tables.frontal_view(view) or view,
        sex=tables.sex_of(row.get("sex", "")),
        age=tables.age_of(row.get("age", "")),
        split=split,
    )


def _reason(root: Root, name: str, row: dict[str, str]) -> str | None:
    """Why a row is left out; None if it stays."""
    if not tables.is_x_ray(row.get("modality", "")):
        return NOT_X_RAY
    if tables.is_not_frontal(row.get("view", "")):
        return NOT_FRONTAL
    return None if root.has(name) else paths.MISSING


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
