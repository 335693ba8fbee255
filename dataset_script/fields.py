"""Reading tables written by people: encodings, separators, and the values of view, sex and age."""

import csv
import io
import json
import math
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from cxr.cli import UserError
from dataset_script.names import plain

_FRONTAL = {
    plain(name): name
    for name in ("PA", "AP", "AP Supine", "AP Semi Erect", "AP Erect", "AP Upright", "AP Portable", "PA Erect")
} | {"posteroanterior": "PA", "anteroposterior": "AP", "apsemierect": "AP Semi Erect", "apsemiupright": "AP Semi Erect"}
_NOT_FRONTAL = {"l", "ll", "lat", "lateral", "leftlateral", "rightlateral", "axial", "coronal", "sagittal", "oblique"}
_SEX = {"m": "M", "male": "M", "man": "M", "f": "F", "female": "F", "woman": "F"}
ESCAPES = "points outside the collection's folder"
MISSING = "is not there"


def read_text(path: Path, flag: str) -> str:
    """The text of a table in UTF-8, with or without a byte order mark, UTF-16 with one, or else Latin-1.

    Raises:
        UserError: if the file cannot be read.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UserError(f"{flag}: cannot be read ({error.strerror})") from error
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw.decode("utf-16", errors="replace")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def csv_rows(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """The line number and the stripped values, by lower-case column, of each row; the header tells the separator."""
    header = text.split("\n", 1)[0]
    separator = max(",;\t", key=header.count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    columns = [name.strip().casefold() for name in next(rows, [])]
    yield 1, dict.fromkeys(columns, "")
    for values in rows:
        if any(value.strip() for value in values):
            yield rows.line_num, dict(zip(columns, (value.strip() for value in values), strict=False))


def json_rows(text: str, flag: str) -> Iterator[tuple[int, dict[str, str]]]:
    """As `csv_rows`, of JSON Lines.

    Raises:
        UserError: if a line is no JSON object.
    """
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            rows.append((number, _json_object(line, number, flag)))
    yield 1, {name: "" for _, row in rows for name in row}
    yield from rows


def _json_object(line: str, number: int, flag: str) -> dict[str, str]:
    try:
        found = json.loads(line)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise UserError(f"{flag}, line {number}: not a JSON object; expected one object a line")
    return {name.strip().casefold(): "" if value is None else str(value).strip() for name, value in found.items()}


def frontal_view(value: str) -> str | None:
    """The frontal view that a value names, as `PA`, `AP`, `AP Supine` …; None for every other value."""
    return _FRONTAL.get(plain(value))


def is_not_frontal(value: str) -> bool:
    """Whether a value plainly names a lateral view or a slice."""
    return plain(value) in _NOT_FRONTAL


def sex_of(value: str) -> str:
    """`M`, `F` or, unknown, an empty string."""
    return _SEX.get(value.casefold(), "")


def age_of(value: str) -> float | None:
    """Age in years, None where it is unknown or impossible; `045Y` and `90+` are understood."""
    try:
        age = float(value.casefold().rstrip("y+ "))
    except ValueError:
        return None
    return age if math.isfinite(age) and 0 <= age <= 120 else None


def inside(root: Path, file: str) -> Path | None:
    """The path of a file named relative to `root`, None if the name leaves it."""
    relative = PurePosixPath(file.replace("\\", "/"))
    if relative.is_absolute() or ".." in relative.parts or ":" in relative.parts[:1]:
        return None
    return root.joinpath(*relative.parts)
