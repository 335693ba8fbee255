"""Finding pictures at a terminal: files, folders, patterns and zips, each picture once and in order."""

import glob
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from cxr.errors import UnreadableImage
from cxr.imaging import decoders
from cxr.imaging.file_type import HEAD_BYTES, is_dicom

LARGEST_ENTRY = 1 << 28
"""Bytes of one entry of a zip that are unpacked at most; a zip can promise any number."""

_BROKEN_ZIP = (OSError, EOFError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class Picture:
    """A file, or an entry of a zip, which is read in place."""

    path: Path
    entry: str = ""

    def __str__(self) -> str:
        return f"{self.path}/{self.entry}" if self.entry else str(self.path)

    @property
    def stem(self) -> str:
        """Its name without folders and ending."""
        return Path(self.entry or self.path).stem

    @property
    def source(self) -> bytes | Path:
        """What a reader takes.

        Raises:
            UnreadableImage: if it cannot be unpacked.
        """
        return _unpacked(self.path, self.entry) if self.entry else self.path


def find(paths: Sequence[str]) -> list[Picture]:
    """Files, the pictures of folders and zips (searched to the bottom) and of patterns like `ward/*.png`.

    A path that leads nowhere stays in the list, so that it gets its line like any other bad file.
    """
    return list(dict.fromkeys(picture for path in paths for picture in _expand(path)))


def _expand(path: str) -> Iterable[Picture]:
    if not Path(path).exists() and glob.has_magic(path):
        return (picture for match in sorted(glob.glob(path, recursive=True)) for picture in _inside(Path(match)))
    return _inside(Path(path))


def _inside(path: Path) -> Iterable[Picture]:
    if path.is_dir():
        return (Picture(file) for file in _pictures(path.rglob("*")))
    return _entries(path) if path.suffix.lower() == ".zip" and zipfile.is_zipfile(path) else [Picture(path)]


def _pictures(files: Iterable[Path]) -> list[Path]:
    """What a folder is searched for; other files in it are nobody's question. DICOM often has no suffix at all."""
    named = (file for file in files if file.is_file() and not file.name.startswith("."))
    return sorted(file for file in named if _has_suffix(file.name) or _may_be_dicom(file.name, file))


def _entries(path: Path) -> Iterator[Picture]:
    """The same for a zip; what Macs add to one (`__MACOSX/._a.png`) is no picture."""
    with zipfile.ZipFile(path) as archive:
        names = sorted(entry.filename for entry in archive.infolist() if not entry.is_dir())
    for name in names:
        base = name.rpartition("/")[2]
        if not base.startswith(".") and (_has_suffix(base) or _may_be_dicom(base, _beginning(path, name))):
            yield Picture(path, name)


def _has_suffix(name: str) -> bool:
    known = {suffix for suffix, kind in Image.registered_extensions().items() if kind in decoders.FORMATS}
    return Path(name).suffix.lower() in known | {".dcm"}


def _may_be_dicom(name: str, source: bytes | Path) -> bool:
    return name.upper() != "DICOMDIR" and is_dicom(source)


def _beginning(path: Path, entry: str) -> bytes:
    try:
        with zipfile.ZipFile(path) as archive, archive.open(entry) as stream:
            return stream.read(HEAD_BYTES)
    except _BROKEN_ZIP:
        return b""


def _unpacked(path: Path, entry: str) -> bytes:
    try:
        with zipfile.ZipFile(path) as archive, archive.open(entry) as stream:
            content = stream.read(LARGEST_ENTRY + 1)
    except _BROKEN_ZIP as error:
        raise UnreadableImage("cannot be unpacked from its zip") from error
    if len(content) > LARGEST_ENTRY:
        raise UnreadableImage(f"is larger than {LARGEST_ENTRY >> 20} MiB")
    return content
