"""Reading tables that people's programs wrote: CSV and JSON Lines in any common encoding, with any separator."""

import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from cxr.errors import UserError
from dataset_script.collections.filesystem import Root, clean

Cells = dict[str, str]
"""The stripped values of one line by lower-case column."""

_LARGEST_TABLE = 1 << 31
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
"""How the files of Excel, LibreOffice and Numbers begin."""

_BLANK_LINES = re.compile(r"([ \t,;|]*(\r\n|\r|\n))*")
_STATED = re.compile(r"\"?sep=([,;|\t])\"?[,;]*[ \t]*(\r\n|\r|\n|$)", re.IGNORECASE)
_QUOTED = re.compile(r'"[^"]*"')
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")


class Table(NamedTuple):
    """The names of the columns, in lower case, and the lines that are not empty, each with its number in the file.

    Lines are read on demand, once.
    """

    columns: Sequence[str]
    lines: Iterator[tuple[int, Cells]]


def read_table(root: Root, name: str, flag: str) -> Table:
    """The table in a file: JSON Lines if it begins with a brace, else CSV, whose header tells the separator.

    Raises:
        UserError: if it cannot be read or is no table; lines raise it when they are reached.
    """
    text = read_text(root, name, flag)
    return _json_lines(text, flag) if text.lstrip().startswith("{") else _csv(text, flag)


def read_text(root: Root, name: str, flag: str) -> str:
    """The text of a file in UTF-8, with or without a byte order mark, UTF-16 with one, or else Latin-1.

    Raises:
        UserError: if it cannot be read.
    """
    try:
        raw = root.ref(name).read()
    except OSError as error:
        raise UserError(f"{flag}: {name} cannot be read ({error.strerror or error})") from error
    if raw.startswith(b"\x1f\x8b"):
        raw = _unpacked(raw, f"{flag}: {clean(name)}")
    if raw.startswith(_WORKBOOKS):
        raise UserError(f"{flag}: {clean(name)} is a spreadsheet workbook: save it as CSV and name that file")
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw.decode("utf-16", errors="replace")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _unpacked(raw: bytes, where: str) -> bytes:
    """The content of a gzip file.

    Raises:
        UserError: if it is damaged, or larger than a table can be.
    """
    try:
        with gzip.open(io.BytesIO(raw)) as stream:
            text = stream.read(_LARGEST_TABLE + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{where} is damaged: download it again") from error
    if len(text) > _LARGEST_TABLE:
        raise UserError(f"{where} holds more than {_LARGEST_TABLE >> 30} GiB: that is no table")
    return text


def _csv(text: str, flag: str) -> Table:
    start, stated = _beginning(text)
    header = _QUOTED.sub("", text[start:].split("\n", 1)[0])
    separate = (line[0] for line in _LINE.finditer(text, start))  # a stream would hold four bytes a letter
    skipped = text.count("\n", 0, start)
    numbered = _numbered(separate, stated or max(",;\t|", key=header.count), skipped, flag)
    columns = [name.casefold() for name in next(numbered, (0, []))[1]]
    lines = ((number, dict(zip(columns, values, strict=False))) for number, values in numbered if any(values))
    return Table(columns, lines)


def _beginning(text: str) -> tuple[int, str | None]:
    """Where the header begins, behind blank lines and Excel's `sep=;`, and the separator that this states."""
    start = _end_of_blank_lines(text, 0)
    stated = _STATED.match(text, start)
    return (_end_of_blank_lines(text, stated.end()), stated[1]) if stated else (start, None)


def _end_of_blank_lines(text: str, start: int) -> int:
    match = _BLANK_LINES.match(text, start)
    return match.end() if match else start


def _numbered(text: Iterator[str], delimiter: str, skipped: int, flag: str) -> Iterator[tuple[int, list[str]]]:
    rows = csv.reader(text, delimiter=delimiter)
    try:
        for values in rows:
            yield rows.line_num + skipped, [value.strip() for value in values]
    except csv.Error as error:
        raise UserError(f"{flag}, line {rows.line_num + skipped}: is no CSV ({error})") from error


def _json_lines(text: str, flag: str) -> Table:
    numbered = ((number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip())
    lines = [(number, _json_cells(line, f"{flag}, line {number}")) for number, line in numbered]
    return Table(list(dict.fromkeys(name for _, cells in lines for name in cells)), iter(lines))


def _json_cells(line: str, where: str) -> Cells:
    try:
        values = json.loads(line)
    except ValueError:
        values = None
    if not isinstance(values, dict):
        raise UserError(f"{where}: expected one JSON object a line")
    return {
        name.strip().casefold(): "" if value is None else clean(str(value).strip()) for name, value in values.items()
    }
