"""From what a visitor uploaded to the pictures in it, each under the name that the visitor gave it."""

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cxr.errors import UnreadableImage, UserError
from cxr.serving.input_files import Picture, find

MOST = 200
"""Pictures that the page answers at a time."""

TOO_LARGE_MARK = b"cxr: this file was larger than the page takes\n"
"""What the page's script sends in place of a file over the limit, so that it gets its line like any other."""

_MOST_ENTRIES = 2000
_LONGEST_NAME = 200


@dataclass(frozen=True)
class Upload:
    """A file on this server's disk, or an entry of a zip there, and the visitor's name for it."""

    path: Path
    name: str
    entry: str = ""

    def __str__(self) -> str:
        """The name, shortened in its middle where it would fill the page."""
        whole = f"{self.name}/{self.entry}" if self.entry else self.name
        half = _LONGEST_NAME // 2
        return whole if len(whole) <= _LONGEST_NAME else f"{whole[:half]}…{whole[-half:]}"

    def read(self, limit: str) -> bytes:
        """Its bytes.

        Raises:
            UnreadableImage: if they cannot be had, or it was larger than `limit`.
        """
        if self.entry:
            return Picture(self.path, self.entry).source
        try:
            content = self.path.read_bytes()
        except OSError as error:
            raise UnreadableImage(f"cannot be opened ({error.strerror})") from error
        if content == TOO_LARGE_MARK:
            raise UnreadableImage(f"is larger than {limit}")
        return content


def pictures(uploads: Sequence[Upload]) -> list[Upload]:
    """All pictures, those in zips included, in order.

    Raises:
        UserError: if there are none, or more than the page answers at a time.
    """
    found = [picture for upload in uploads for picture in _inside(upload)]
    if not found:
        raise UserError("no file was given: send one picture, or several")
    if len(found) > MOST:
        more = f"more than {MOST} pictures were given, the most that this page answers at a time: send fewer"
        raise UserError(f"{more}, or ask `python predict.py`, which knows no limit")
    return found


def _inside(upload: Upload) -> list[Upload]:
    if upload.path.suffix != ".zip" or not zipfile.is_zipfile(upload.path):
        return [upload]
    try:
        with zipfile.ZipFile(upload.path) as archive:
            entries = len(archive.infolist())
        if entries > _MOST_ENTRIES:
            raise UserError(f"{upload} holds {entries:,} files, and at most {_MOST_ENTRIES:,} can be looked through")
        found = [Upload(upload.path, upload.name, picture.entry) for picture in find([str(upload.path)])]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return [upload]
    return found or [upload]
