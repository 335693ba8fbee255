"""Finding images among files, folders, patterns and zips: each image once, in order."""

import glob
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cxr.errors import UnreadableImage
from cxr.imaging.files.image_files import ARCHIVE, is_archive, is_image, walk_folder, zip_entries
from cxr.imaging.files.zip_files import BROKEN_ZIP, kept_open, open_zip
from cxr.imaging.formats.file_type import HEAD_BYTES, head_of

MAX_ENTRY_BYTES = 1 << 28
"""Limit to what is unpacked of one zip entry: the size that a zip states for it cannot be trusted."""


@dataclass(frozen=True)
class ImageFile:
    """An image file, or an entry of a zip, which is read in place; `name` is the entry's for people.

    `refusal` is why a zip could not be looked into.
    """

    path: Path
    entry: str = ""
    name: str = ""
    refusal: str = ""

    def __str__(self) -> str:
        return f"{self.path}/{self.name or self.entry}" if self.entry else str(self.path)

    @property
    def stem(self) -> str:
        """The file's name without folders and suffix."""
        return Path(self.name or self.entry or self.path).stem

    @property
    def source(self) -> bytes | Path:
        """The argument for `Predictor.read`: the file's path, or the content of the entry.

        Raises:
            UnreadableImage: if the entry cannot be unpacked, or is an archive itself.
        """
        if self.refusal:
            raise UnreadableImage(self.refusal, str(self))
        if is_archive(self.name or self.path.name) and self.path.exists():
            raise UnreadableImage(ARCHIVE, str(self))
        return unpack(self.path, self.entry) if self.entry else self.path

    def read(self) -> bytes:
        """The content.

        Raises:
            UnreadableImage: if it cannot be had.
        """
        source = self.source
        return source if isinstance(source, bytes) else source.read_bytes()


def find(paths: Sequence[str]) -> list[ImageFile]:
    """Files, and the images of folders and zips (searched to the bottom) and of patterns like `ward/*.png`.

    A path that does not exist stays in the list, so that it is reported like any other file that cannot be read; so
    does an archive inside a folder or a zip.
    """
    return list(dict.fromkeys(file for path in paths for file in _expand(path)))


def _expand(path: str) -> Iterable[ImageFile]:
    if not Path(path).exists() and glob.has_magic(path):
        return (file for match in _matches(path) for file in _images_in(Path(match)))
    return _images_in(Path(path))


def _matches(pattern: str) -> list[str]:
    """What a pattern matches; folders that exist as they are written, such as `scans [2]`, are no pattern."""
    parts, literal = Path(pattern).parts, Path()
    for at, part in enumerate(parts):
        if not (literal / part).exists():
            return sorted(glob.glob(str(Path(glob.escape(str(literal)), *parts[at:])), recursive=True))
        literal /= part
    return [pattern]


def _images_in(path: Path) -> Iterable[ImageFile]:
    if path.is_dir():
        names = (
            name for name in walk_folder(path) if is_archive(name) or is_image(name, partial(head_of, path / name))
        )
        return [ImageFile(path / name) for name in sorted(names) if (path / name).exists()]
    if path.suffix.lower() != ".zip" or not path.is_file():
        return [ImageFile(path)]
    try:
        return list(_images_in_zip(path))
    except UnreadableImage as error:
        return [ImageFile(path, refusal=error.reason)]


def _images_in_zip(path: Path) -> Iterator[ImageFile]:
    with open_zip(path) as archive:
        entries = zip_entries(archive)
        # what leads out of the zip is read as well, because nothing is unpacked to where a name points
        outside = {name: archive.getinfo(name) for name in entries.escaping}
        for name, info in sorted((outside | entries.files).items()):
            if is_archive(name) or is_image(name, partial(_head, archive, info)):
                yield ImageFile(path, info.filename, name)


def _head(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    try:
        with archive.open(info) as stream:
            return stream.read(HEAD_BYTES)
    except BROKEN_ZIP:
        return b""


def unpack(path: Path, entry: str) -> bytes:
    """The content of an entry of a zip.

    Raises:
        UnreadableImage: if it cannot be unpacked, or is too large.
    """
    try:
        with kept_open(path).open(entry) as stream:
            content = stream.read(MAX_ENTRY_BYTES + 1)
    except BROKEN_ZIP as error:
        raise UnreadableImage("cannot be unpacked from its zip") from error
    if len(content) > MAX_ENTRY_BYTES:
        raise UnreadableImage(f"is larger than {MAX_ENTRY_BYTES >> 20} MiB")
    return content
