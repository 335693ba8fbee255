"""Reading tables written by people: encodings, separators, and the values of modality, view, sex and age."""

import csv
import io
import json
import math
from pathlib import Path

from cxr.cli import UserError
from dataset_script.names import plain

NOT_X_RAY = "is no X-ray (CT or other modality)"
NOT_FRONTAL = "is no frontal view"

_X_RAY = {"", "xray", "cr", "dx", "dr", "cxr", "radiograph"}
_VIEWS = ("PA", "AP", "AP Supine", "AP Semi Erect", "AP Erect", "AP Upright", "AP Portable", "PA Erect")
_FRONTAL = {plain(name): name for name in _VIEWS} | {"posteroanterior": "PA", "anteroposterior": "AP"}
_NOT_FRONTAL = {"l", "ll", "lat", "lateral", "leftlateral", "rightlateral", "axial", "coronal", "sagittal", "oblique"}
_SEX = {"m": "M", "male": "M", "man": "M", "f": "F", "female": "F", "woman": "F"}

Row = tuple[int, dict[str, str]]
"""A line number and the stripped values by lower-case column."""


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


def csv_rows(text: str, flag: str) -> tuple[list[str], list[Row]]:
    """The columns and the rows that are not empty; the header tells whether comma, semicolon or tab separates.

    Raises:
        UserError: if it is no table at all.
    """
    header = text.split("\n", 1)[0]
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=header.count))
    try:
        numbered = [(lines.line_num, [value.strip() for value in values]) for values in lines]
    except csv.Error as error:
        raise UserError(f"{flag}, line {lines.line_num}: is no CSV ({error})") from error
    columns = [name.casefold() for name in numbered[0][1]] if numbered else []
    return columns, [(number, dict(zip(columns, row, strict=False))) for number, row in numbered[1:] if any(row)]


def json_rows(text: str, flag: str) -> tuple[list[str], list[Row]]:
    """As `csv_rows`, of JSON Lines.

    Raises:
        UserError: if a line is no JSON object.
    """
    rows = [(number, _json_row(line, number, flag)) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    return list(dict.fromkeys(name for _, row in rows for name in row)), rows


def _json_row(line: str, number: int, flag: str) -> dict[str, str]:
    try:
        found = json.loads(line)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise UserError(f"{flag}, line {number}: expected one JSON object a line")
    return {name.strip().casefold(): "" if value is None else str(value).strip() for name, value in found.items()}


def is_x_ray(modality: str) -> bool:
    """Whether a modality is X-ray or not stated."""
    return plain(modality) in _X_RAY


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
