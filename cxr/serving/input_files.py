"""Finding images among files, folders, patterns and zips: each image once, in order."""

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

MAX_ENTRY_BYTES = 1 << 28
"""Limit to what is unpacked of one zip entry: the size that a zip states for it cannot be trusted."""

_BROKEN_ZIP = (OSError, EOFError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class ImageFile:
    """An image file, or an entry of a zip, which is read in place."""

    path: Path
    entry: str = ""

    def __str__(self) -> str:
        return f"{self.path}/{self.entry}" if self.entry else str(self.path)

    @property
    def stem(self) -> str:
        """The file's name without folders and suffix."""
        return Path(self.entry or self.path).stem

    @property
    def source(self) -> bytes | Path:
        """The argument for `Predictor.read`: the file's path, or the content of the entry.

        Raises:
            UnreadableImage: if the entry cannot be unpacked.
        """
        if self.entry:
            return unpack(self.path, self.entry)
        return self.path


def find(paths: Sequence[str]) -> list[ImageFile]:
    """Files, and the images of folders and zips (searched to the bottom) and of patterns like `ward/*.png`.

    A path that does not exist stays in the list, so that it is reported like any other file that cannot be read.
    """
    return list(dict.fromkeys(file for path in paths for file in _expand(path)))


def _expand(path: str) -> Iterable[ImageFile]:
    if not Path(path).exists() and glob.has_magic(path):
        return (file for match in sorted(glob.glob(path, recursive=True)) for file in _images_in(Path(match)))
    return _images_in(Path(path))


def _images_in(path: Path) -> Iterable[ImageFile]:
    if path.is_dir():
        return (ImageFile(file) for file in _images_in_folder(path))
    if path.suffix.lower() == ".zip" and zipfile.is_zipfile(path):
        return _images_in_zip(path)
    return [ImageFile(path)]


def _images_in_folder(folder: Path) -> list[Path]:
    """Files with the suffix of an image, and DICOM, which often has no suffix; everything else is left out."""
    visible = (file for file in folder.rglob("*") if file.is_file() and not file.name.startswith("."))
    return sorted(file for file in visible if _has_suffix(file.name) or _may_be_dicom(file.name, file))


def _images_in_zip(path: Path) -> Iterator[ImageFile]:
    """The same for a zip; metadata that macOS adds (`__MACOSX/._a.png`) is left out."""
    with zipfile.ZipFile(path) as archive:
        names = sorted(entry.filename for entry in archive.infolist() if not entry.is_dir())
    for name in names:
        base = name.rpartition("/")[2]
        if not base.startswith(".") and (_has_suffix(base) or _may_be_dicom(base, _head(path, name))):
            yield ImageFile(path, name)


def _has_suffix(name: str) -> bool:
    known = {suffix for suffix, kind in Image.registered_extensions().items() if kind in decoders.FORMATS}
    return Path(name).suffix.lower() in known | {".dcm"}


def _may_be_dicom(name: str, source: bytes | Path) -> bool:
    return name.upper() != "DICOMDIR" and is_dicom(source)


def _head(path: Path, entry: str) -> bytes:
    try:
        with zipfile.ZipFile(path) as archive, archive.open(entry) as stream:
            return stream.read(HEAD_BYTES)
    except _BROKEN_ZIP:
        return b""


def unpack(path: Path, entry: str) -> bytes:
    """The content of an entry of a zip.

    Raises:
        UnreadableImage: if it cannot be unpacked, or is too large.
    """
    try:
        with zipfile.ZipFile(path) as archive, archive.open(entry) as stream:
            content = stream.read(MAX_ENTRY_BYTES + 1)
    except _BROKEN_ZIP as error:
        raise UnreadableImage("cannot be unpacked from its zip") from error
    if len(content) > MAX_ENTRY_BYTES:
        raise UnreadableImage(f"is larger than {MAX_ENTRY_BYTES >> 20} MiB")
    return content
