"""A table of images, CSV or JSON Lines: a column with files, one with labels, and as many others as are known.

`file` is relative to the table's folder. A row's `source` names its collection, else the table's own name does. A
`boxes.csv` beside the table may say where a person marked opacities.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from cxr.errors import UserError
from cxr.schema.labels import ID2LABEL
from dataset_script.collections import boxes, tables, vocabulary
from dataset_script.collections.filesystem import ESCAPES, MISSING, TWICE, Folder, Root, descend, open_root
from dataset_script.collections.interpretation import FIELDS, Interpretation
from dataset_script.collections.label_text import LabelReading, denies_or_doubts_covid, read_in_column
from dataset_script.collections.tables import Cells
from dataset_script.records import Box, Collection, Record, Refusal

_LABEL_NUMBERS = {str(number): number for number in ID2LABEL}
_USUAL_NAMES = ("manifest.csv", "metadata.csv", "metadata.jsonl")
_FIELDS = [name for name in FIELDS if name != "licence"]


def collect(path: str, interpretation: Interpretation) -> Collection:
    """Read the table at `path`, or the only one in the folder or zip at `path`.

    Raises:
        UserError: if it is missing, lacks a column, has no rows, or holds a label or split that is not understood.
    """
    flag = f"--source table={path}"
    root, name = _locate(path, flag)
    table = tables.read_table(root, name, flag)
    stem = PurePosixPath(name).stem
    columns = interpretation.find_columns(stem, table.columns, _FIELDS, flag)
    for needed in ("file", "label"):
        if needed not in columns:
            listed = ", ".join(table.columns)[:200] or "none"
            raise UserError(
                f"{flag} has no column {needed!r}: it needs file and label; its columns are {listed} "
                f"(--column {needed}=NAME names one)"
            )
    reader = _Reader(root, flag, columns, interpretation, boxes.read_boxes(root, flag))
    collection = reader.collect(stem, table.lines)
    interpretation.check(flag, collection.sources(), f"its column {columns['label']!r}")
    if not collection.records and not collection.refusals:
        raise UserError(f"{flag} has no rows below its header")
    collection.refuse(stem, root.escaping, ESCAPES)
    return collection


def _locate(path: str, flag: str) -> tuple[Root, str]:
    table = Path(path).expanduser().absolute()
    if table.is_file() and table.suffix.casefold() != ".zip":
        return Folder(table.parent), table.name
    if not table.exists():
        raise UserError(f"{flag}: no such file (a table is a CSV or JSON Lines file)")
    root = descend(open_root(path, flag), lambda root: bool(_tables(root)))
    names = _tables(root)
    if len(names) != 1:
        raise UserError(f"{flag} holds {len(names)} tables (.csv, .jsonl) where one was expected: name it, or keep one")
    return root, names[0]


def _tables(root: Root) -> list[str]:
    usual = [name for name in _USUAL_NAMES if root.has(name)]
    top = [name for name in root.walk() if "/" not in name and name.casefold().endswith((".csv", ".tsv", ".jsonl"))]
    return usual[:1] or [name for name in top if name != boxes.TABLE]


@dataclass(frozen=True)
class _Reader:
    """What turns the lines of a table into records: where its files lie, the names of its columns, and its boxes."""

    root: Root
    flag: str
    columns: Mapping[str, str]
    interpretation: Interpretation
    boxes: Mapping[str, tuple[Box, ...]]

    def collect(self, name: str, lines: Iterable[tuple[int, Cells]]) -> Collection:
        """The images of all lines; `name` is the collection of those that state none."""
        collection, labels = Collection(), dict[int, int]()
        for number, cells in lines:
            where = f"{self.flag}, line {number}"
            values = {ours: cells.get(theirs, "") for ours, theirs in self.columns.items()}
            item = self._item(values, values.get("source") or name, where)
            collection.add(_once(item, labels, where) if isinstance(item, Record) else item)
        return collection

    def _item(self, cells: Cells, source: str, where: str) -> Record | Refusal:
        reading = _read_label(cells["label"], self.columns["label"])
        label = self.interpretation.label(source, cells["label"], reading)
        split = _split(cells.get("split", ""), where)
        file, name = cells.get("file", ""), self.root.inside(cells.get("file", ""))
        if name is None:
            return Refusal(source, file or where, ESCAPES)
        reason = _reason_to_refuse(self.root, name, cells)
        if reason or isinstance(label, str):
            return Refusal(source, file or where, reason or str(label))
        return Record(
            source=source,
            label=label,
            finding=cells.get("finding", ""),
            file=name,
            image=self.root.ref(name),
            patient_id=cells.get("patient_id", ""),
            view=self.interpretation.view(source, cells.get("view", "")),
            sex=vocabulary.sex_of(cells.get("sex", "")),
            age=vocabulary.age_of(cells.get("age", "")),
            split=split,
            boxes=self.boxes.get(name, ()),
            reference_standard=cells.get("reference_standard", ""),
        )


def _once(record: Record, labels: dict[int, int], where: str) -> Record | Refusal:
    """The record, or a refusal where an earlier line lists its file; `labels` holds the label of every file so far."""
    key = hash((record.source, record.file))  # 64 bits: the names themselves would take five times as much
    if key not in labels:
        labels[key] = record.label
        return record
    if labels[key] != record.label:
        raise UserError(f"{where}: {record.file} stands above with the other label")
    return Refusal(record.source, record.file, TWICE)


def _reason_to_refuse(root: Root, name: str, cells: Cells) -> str | None:
    """Why a row is left out; None if it stays."""
    return vocabulary.reason_to_refuse(cells) or (None if root.has(name) else MISSING)


def _read_label(value: str, column: str) -> LabelReading:
    """0 and 1 are the numbers that `config.json` gives the classes, unless the column names the disease otherwise."""
    reading = read_in_column(value, column)
    is_number = value in _LABEL_NUMBERS and not denies_or_doubts_covid(column)
    return LabelReading(_LABEL_NUMBERS[value]) if is_number else reading


def _split(value: str, where: str) -> str | None:
    split = vocabulary.split_of(value)
    if value and split is None:
        raise UserError(f"{where}: unknown split {value!r}; known are train, validation and test")
    return split
