"""Reading tables written by people: encodings, separators, and the values of modality, view, sex and age."""

import csv
import json
import math
import re
from collections.abc import Iterator

from cxr.errors import UserError
from cxr.schema.labels import COVID, NON_COVID
from dataset_script.collections.paths import clean
from dataset_script.collections.vocabulary import label_of, plain

UNDECIDED = "has no finding yet"
UNKNOWN = "has a finding we do not know"

_X_RAY = {"", "xray", "cr", "dx", "dr", "cxr", "radiograph"}
_VIEWS = ("PA", "AP", "AP Supine", "AP Semi Erect", "AP Erect", "AP Upright", "AP Portable", "PA Erect")
_FRONTAL = {plain(name): name for name in _VIEWS} | {"posteroanterior": "PA", "anteroposterior": "AP"}
_NOT_FRONTAL = {"l", "ll", "lat", "lateral", "leftlateral", "rightlateral", "axial", "coronal", "sagittal", "oblique"}
_SEX = {"m": "M", "male": "M", "man": "M", "f": "F", "female": "F", "woman": "F"}
_UNDECIDED = {"", "unknown", "todo", "pending", "na", "nan", "none", "tba", "tbd", "undetermined", "inconclusive"}
_FINDINGS = """
    pneumonia viral bacterial fungal lipoid aspiration ards sars mers merscov mers_cov_2 h1n1 influenza herpes varicella
    adenovirus rsv staphylococcus streptococcus klebsiella legionella mycoplasma chlamydophila chlamydia e_coli ecoli
    mrsa nocardia pneumocystis aspergillosis tuberculosis swine_origin_influenza_a_h1n1_viral_pneumonia allergic
    chronic_eosinophilic_pneumonia eosinophilic organizing_pneumonia hypersensitivity
"""
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_KNOWN = {plain(name) for name in _FINDINGS.split()}

Row = tuple[int, dict[str, str]]
"""A line number and the stripped values by lower-case column."""


def decode(raw: bytes) -> str:
    """The text of a table in UTF-8, with or without a byte order mark, UTF-16 with one, or else Latin-1."""
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw.decode("utf-16", errors="replace")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def csv_rows(text: str, flag: str) -> tuple[list[str], Iterator[Row]]:
    """The columns and, read on demand, the rows that are not empty; the header tells what separates the columns.

    Raises:
        UserError: if it is no table at all.
    """
    header = text.split("\n", 1)[0]
    found = (line[0] for line in _LINE.finditer(text))  # a stream would hold four bytes a letter
    lines = csv.reader(found, delimiter=max(",;\t", key=header.count))
    numbered = _numbered(lines, flag)
    columns = [name.casefold() for name in next(numbered, (0, []))[1]]
    return columns, ((number, dict(zip(columns, row, strict=False))) for number, row in numbered if any(row))


def _numbered(lines: Iterator[list[str]], flag: str) -> Iterator[tuple[int, list[str]]]:
    try:
        for values in lines:
            yield lines.line_num, [value.strip() for value in values]
    except csv.Error as error:
        raise UserError(f"{flag}, line {lines.line_num}: is no CSV ({error})") from error


def json_rows(text: str, flag: str) -> tuple[list[str], Iterator[Row]]:
    """As `csv_rows`, of JSON Lines.

    Raises:
        UserError: if a line is no JSON object.
    """
    rows = [(number, _json_row(line, number, flag)) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    return list(dict.fromkeys(name for _, row in rows for name in row)), iter(rows)


def _json_row(line: str, number: int, flag: str) -> dict[str, str]:
    try:
        found = json.loads(line)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise UserError(f"{flag}, line {number}: expected one JSON object a line")
    return {
        name.strip().casefold(): "" if value is None else clean(str(value).strip()) for name, value in found.items()
    }


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


def figure1_patient(cell: str) -> str:
    """The patient of a picture of Figure 1: `COVID-00003a` and `COVID-00003b` show one."""
    return re.sub(r"(?<=\d)[a-z]$", "", cell)


def finding_label(finding: str) -> int | str:
    """The label that a finding stands for, or the reason for leaving its picture out.

    COVID for `COVID-19`, `COVID-19, ARDS` and `Pneumonia/Viral/COVID-19`; a list or path is known by any of its parts.
    """
    name = plain(finding)
    if name in _UNDECIDED:
        return UNDECIDED
    if label_of(finding) == COVID:
        return COVID
    if "covid" in name:
        return NON_COVID if name.startswith(("no", "neg")) or name.endswith("negative") else COVID
    parts = [plain(part) for part in re.split(r"[/,;|]", finding)]
    known = any(part in _KNOWN or label_of(part) == NON_COVID for part in parts)
    return NON_COVID if known else UNKNOWN
