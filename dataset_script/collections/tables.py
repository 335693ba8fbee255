"""Reading tables that people's programs wrote: CSV and JSON Lines in any common encoding, with any separator."""

import csv
import json
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from cxr.errors import UserError
from dataset_script.collections.filesystem import Root, clean

Cells = dict[str, str]
"""The stripped values of one line by lower-case column."""

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
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw.decode("utf-16", errors="replace")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _csv(text: str, flag: str) -> Table:
    header = text.split("\n", 1)[0]
    separate = (line[0] for line in _LINE.finditer(text))  # a stream would hold four bytes a letter
    numbered = _numbered(separate, max(",;\t", key=header.count), flag)
    columns = [name.casefold() for name in next(numbered, (0, []))[1]]
    lines = ((number, dict(zip(columns, values, strict=False))) for number, values in numbered if any(values))
    return Table(columns, lines)


def _numbered(text: Iterator[str], delimiter: str, flag: str) -> Iterator[tuple[int, list[str]]]:
    rows = csv.reader(text, delimiter=delimiter)
    try:
        for values in rows:
            yield rows.line_num, [value.strip() for value in values]
    except csv.Error as error:
        raise UserError(f"{flag}, line {rows.line_num}: is no CSV ({error})") from error


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
