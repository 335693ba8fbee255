"""Zips are opened here, and refused before they are read if their table of contents is absurd.

Python's `zipfile` builds an object for everything that the central directory lists, at 5 µs and 400 bytes each: a
directory of 150 MB takes a minute and more than a gigabyte.
"""

import io
import os
import struct
import zipfile
import zlib
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, NamedTuple

from cxr.errors import UnreadableImage

MAX_ENTRIES = 500_000
"""The largest public collections have 380,000 images."""

_MAX_DIRECTORY_BYTES = 96 << 20
_MAX_ENTRY_BYTES, _SPARE_BYTES = 512, 1 << 16
"""Of the central directory for each entry: encoders write a path, times and sizes, under 200 bytes."""

DAMAGED_ZIP = "is damaged or no zip"
ABSURD_ZIP = "is a zip whose table of contents is larger than any program writes"
BROKEN_ZIP = (OSError, EOFError, RuntimeError, NotImplementedError, ValueError, zipfile.BadZipFile, zlib.error)
"""What reading a zip, or an entry of one, may raise."""

_ENTRY, _END, _END_64, _LOCATOR_64 = b"PK\1\2", b"PK\5\6", b"PK\6\6", b"PK\6\7"
_END_RECORD = struct.Struct("<4s4H2LH")
_END_RECORD_64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR_64_BYTES, _MIN_ENTRY_BYTES = 20, 46
_MAX_COMMENT = 1 << 16


class _End(NamedTuple):
    """What the end of a zip says of its central directory, and where that starts (APPNOTE.TXT 4.3.14 to 4.3.16)."""

    entries: int
    size: int
    start: int


def open_zip(path: Path, most_entries: int = MAX_ENTRIES) -> zipfile.ZipFile:
    """Open a zip whose table of contents is that of a zip.

    Raises:
        UnreadableImage: if it is damaged, or lists more than `most_entries`, or what no program writes.
    """
    try:
        with path.open("rb") as stream:
            _check_directory(stream, most_entries)
        return zipfile.ZipFile(path)
    except BROKEN_ZIP as error:
        raise UnreadableImage(DAMAGED_ZIP, str(path)) from error


def kept_open(path: Path) -> zipfile.ZipFile:
    """A zip opened once in each process, and again after each change; the caller must not close it.

    Opening one takes as long as decoding an image, for every 4,000 entries. Threads may share it, processes may not: a
    shared file position would mix their reads. What a deleted zip takes of the disk is free after `close_kept`.

    Raises:
        UnreadableImage: as `open_zip`.
    """
    try:
        facts = path.stat()
    except OSError as error:
        raise UnreadableImage(DAMAGED_ZIP, str(path)) from error
    return _kept_open(path, (facts.st_mtime_ns, facts.st_size, facts.st_ino), os.getpid())


def close_kept() -> None:
    """Close the zips of `kept_open` that are not read from; the others close after their readers."""
    _kept_open.cache_clear()


@lru_cache(maxsize=8)
def _kept_open(path: Path, stamp: tuple[int, ...], process: int) -> zipfile.ZipFile:
    return open_zip(path)


def too_many(most_entries: int) -> str:
    """Why a zip with more entries is refused."""
    return f"is a zip of more than {most_entries:,} files"


def _check_directory(stream: BinaryIO, most_entries: int) -> None:
    """Refuse a central directory by its size, and by its number of entries, which the end of the zip need not tell.

    Raises:
        UnreadableImage: if it is absurd.
        ValueError: if there is none.
    """
    end = _end(stream)
    if end.start < 0 or end.entries * _MIN_ENTRY_BYTES > end.size:
        raise ValueError("the central directory is longer than the file, or shorter than its entries")
    if end.size > _MAX_DIRECTORY_BYTES:
        raise UnreadableImage(too_many(most_entries) if end.entries > most_entries else ABSURD_ZIP)
    stream.seek(end.start)
    entries = stream.read(end.size).count(_ENTRY)
    if entries > most_entries:
        raise UnreadableImage(too_many(most_entries))
    if end.size > entries * _MAX_ENTRY_BYTES + _SPARE_BYTES:
        raise UnreadableImage(ABSURD_ZIP)


def _end(stream: BinaryIO) -> _End:
    """The end of the central directory, as `zipfile` finds it.

    Raises:
        ValueError: if there is none.
    """
    length = stream.seek(0, io.SEEK_END)
    before = _LOCATOR_64_BYTES + _END_RECORD_64.size
    stream.seek(max(0, length - _MAX_COMMENT - _END_RECORD.size - before))
    tail = stream.read()
    at = len(tail) - _END_RECORD.size
    if not (tail[at:].startswith(_END) and tail.endswith(b"\0\0")):
        at = tail.rfind(_END)
    if at < 0 or len(tail) - at < _END_RECORD.size:
        raise ValueError("no end of a central directory")
    _, _, _, _, entries, size, _, _ = _END_RECORD.unpack_from(tail, at)
    start = length - len(tail) + at - size
    if (
        at >= before
        and tail[at - _LOCATOR_64_BYTES :].startswith(_LOCATOR_64)
        and tail[at - before :].startswith(_END_64)
    ):
        _, _, _, _, _, _, _, entries, size, _ = _END_RECORD_64.unpack_from(tail, at - before)
        start = length - len(tail) + at - before - size
    return _End(entries, size, start)
