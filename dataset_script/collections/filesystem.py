"""Where a collection lies: a folder or a `.zip`, listed and read alike.

Names inside are relative to the collection's root, with forward slashes. Nothing is ever unpacked to disk, and no name
in a table or a zip may lead out of the root.
"""

import hashlib
import os
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from cxr.errors import UnreadableImage, UserError
from cxr.imaging.files.image_files import folded, is_clutter, relative, walk_folder, zip_entries
from cxr.imaging.files.zip_files import BROKEN_ZIP, kept_open, open_zip
from cxr.imaging.files.zip_names import other_names
from cxr.imaging.formats.file_type import HEAD_BYTES, head_of, looks_like_image
from dataset_script.collections.label_text import read_label
from dataset_script.records import FileRef

LARGEST_FILE = 1 << 29
"""Bytes of one file, or of one zip entry, that are read at most: a zip can promise any number, a device never ends."""

TOO_LARGE = f"is larger than {LARGEST_FILE >> 20} MiB"

ESCAPES = "points outside the collection's folder"
MISSING = "is not there"
TWICE = "is listed more than once"

_DEPTH = 2
_MANY_FOLDERS = 1000


@dataclass(frozen=True)
class Folder:
    """A collection in a folder."""

    path: Path

    @property
    def name(self) -> str:
        """What the collection is called where nothing else names it."""
        return clean(self.path.resolve().name or "folder")

    @property
    def escaping(self) -> Sequence[str]:
        """Files that lie outside: none, because links are followed."""
        return ()

    def walk(self, under: str = "") -> Iterator[str]:
        """Every file below `under` in a fixed order.

        Links are followed once. Hidden and system files are left out, and so are datasets that this package prepared.
        """
        prefix = f"{under}/" if under else ""
        return (prefix + name for name in walk_folder(self.path / under))

    def folders(self) -> list[str]:
        """The folders right below, in order."""
        names = (entry.name for entry in os.scandir(self.path) if entry.is_dir())
        return sorted(name for name in names if not is_clutter(name))

    def below(self, name: str) -> "Folder":
        """One of its folders, as a root."""
        return Folder(self.path / name)

    def has(self, name: str) -> bool:
        """Whether there is such a file."""
        return (self.path / name).is_file()

    def ref(self, name: str) -> FileRef:
        """A reference to a file."""
        return FileRef(self, name, _stamp(self.path / name))

    def read(self, name: str) -> bytes:
        """The bytes of a file.

        Raises:
            OSError: if it cannot be read.
        """
        path = self.path / name
        if not path.is_file() and path.exists():  # reading a pipe or a device might never end
            raise OSError(0, "is not a regular file")
        with path.open("rb") as stream:
            content = stream.read(LARGEST_FILE + 1)
        if len(content) > LARGEST_FILE:
            raise OSError(0, TOO_LARGE)
        return content

    def inside(self, file: str) -> str | None:
        """The file that a table names, whatever the case and the composition of its letters; None if it leads out."""
        name = relative(file, self.path.as_posix())
        return _named(name, self.has, lambda: _folder_index(self.path))

    def is_image(self, name: str) -> bool:
        """Whether a file begins like an image; its name does not matter."""
        return looks_like_image(head_of(self.path / name))


@dataclass(frozen=True)
class ZipFile:
    """What reads the entries of a zip; it holds no list of them, so that it can be sent to other processes."""

    path: str

    def read(self, name: str) -> bytes:
        """The bytes of an entry.

        Raises:
            OSError: if it cannot be read, whatever is wrong with it.
        """
        try:
            archive = self.opened()
            if archive.getinfo(name).file_size > LARGEST_FILE:
                raise OSError(0, TOO_LARGE)
            return archive.read(name)
        except OSError:
            raise
        except UnreadableImage as error:
            raise OSError(0, error.reason) from error
        except (*BROKEN_ZIP, KeyError) as error:
            raise OSError(0, "damaged inside its zip") from error

    def opened(self) -> zipfile.ZipFile:
        """The zip, which must not be closed.

        Raises:
            UnreadableImage: if it is no longer the zip that it was.
        """
        return kept_open(Path(self.path))


@dataclass(frozen=True)
class Archive:
    """A collection in a zip, or in a folder inside one (`prefix` ends with a slash).

    `entries` are its files by their names from the zip's root, `escaping` those that lead out of it.
    """

    path: Path
    entries: dict[str, zipfile.ZipInfo]
    escaping: Sequence[str]
    prefix: str = ""

    @cached_property
    def _index(self) -> dict[str, str]:
        depth = self.prefix.count("/")
        named = _by_folded_name(self.walk())
        for name in self.walk():
            for other in other_names(self.entries[self.prefix + name]):
                below = (relative(other) or "").split("/")[depth:]
                named.setdefault(folded("/".join(below)), name)
        return named

    @property
    def _place(self) -> ZipFile:
        return ZipFile(str(self.path))

    @property
    def name(self) -> str:
        """What the collection is called where nothing else names it: the zip's name without its ending."""
        return clean(self.path.stem)

    def walk(self, under: str = "") -> Iterator[str]:
        """Every file below `under` in a fixed order."""
        start = self.prefix + (f"{under}/" if under else "")
        names = sorted((name for name in self.entries if name.startswith(start)), key=lambda name: name.split("/"))
        return (name[len(self.prefix) :] for name in names)

    def folders(self) -> list[str]:
        """The folders right below, in order."""
        inner = (name[len(self.prefix) :].split("/") for name in self.entries if name.startswith(self.prefix))
        return sorted({parts[0] for parts in inner if len(parts) > 1})

    def below(self, name: str) -> "Archive":
        """One of its folders, as a root."""
        return Archive(self.path, self.entries, self.escaping, f"{self.prefix}{name}/")

    def has(self, name: str) -> bool:
        """Whether there is such a file."""
        return self.prefix + name in self.entries

    def ref(self, name: str) -> FileRef:
        """A reference to a file; its stamp stays when other files are added to the zip."""
        entry = self.entries[self.prefix + name]
        return FileRef(self._place, entry.filename, stamp_of(entry.file_size, entry.CRC))

    def inside(self, file: str) -> str | None:
        """The file that a table names, whatever the case and the composition of its letters; None if it leads out."""
        return _named(relative(file), self.has, lambda: self._index)

    def is_image(self, name: str) -> bool:
        """Whether a file begins like an image; its name does not matter."""
        try:
            with self._place.opened().open(self.entries[self.prefix + name].filename) as stream:
                return looks_like_image(stream.read(HEAD_BYTES))
        except (*BROKEN_ZIP, UnreadableImage):
            return False


Root = Folder | Archive


def open_root(path: str, flag: str) -> Root:
    """The folder or zip at `path`.

    Raises:
        UserError: if there is neither, or the zip is damaged or encrypted.
    """
    place = Path(path).expanduser().absolute()
    if place.is_dir():
        return Folder(place)
    if place.is_file() and (place.suffix.casefold() == ".zip" or zipfile.is_zipfile(place)):
        return _open_zip(place, flag)
    raise UserError(f"{flag}: no such folder or zip")


def descend(root: Root, holds: Callable[[Root], bool]) -> Root:
    """The root itself, or the one folder at most two levels below that holds what is looked for; else the root."""
    level = [root]
    for _ in range(_DEPTH + 1):
        holders = [inner for inner in level if holds(inner)]
        if holders:
            return holders[0] if len(holders) == 1 else root
        level = [inner.below(name) for inner in level for name in inner.folders()][:_MANY_FOLDERS]
    return root


def stamp_of(*values: str | int) -> str:
    """16 hexadecimal digits that change with any of the values: what tells, unread, that a file's bytes changed."""
    return hashlib.blake2b(repr(values).encode(), digest_size=8).hexdigest()


def clean(name: str) -> str:
    """A name as text that any file can hold: bytes of a name that are no UTF-8 become question marks."""
    return name if name.isascii() else name.encode("utf-8", "replace").decode()


def _stamp(path: Path) -> str:
    """By size and times of modification and of change, which no program can set."""
    try:
        status = path.stat()
    except OSError:
        return stamp_of("missing")
    return stamp_of(status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _open_zip(path: Path, flag: str) -> Archive:
    try:
        with open_zip(path) as archive:
            entries = zip_entries(archive, _names_a_class)
    except UnreadableImage as error:
        raise UserError(f"{flag} {error.reason}: download it again, or unpack it and name the folder") from error
    if any(info.flag_bits & 1 for info in entries.files.values()):
        raise UserError(f"{flag} is encrypted: unpack it with its password and name the folder")
    return Archive(path, entries.files, entries.escaping)


def _names_a_class(name: str) -> bool:
    """Whether a folder is called like a class: then its name was decoded as it was written."""
    return read_label(name).label is not None


def _named(name: str | None, has: Callable[[str], bool], folded_names: Callable[[], dict[str, str]]) -> str | None:
    """The file that a table means by `name`: the one called so, else the only one that differs in case or accents."""
    if name is None or has(name):
        return name
    return folded_names().get(folded(name), name)


def _by_folded_name(names: Iterable[str]) -> dict[str, str]:
    """Names by how they fold, less those that fold alike, because which of them is meant is unknown."""
    found: dict[str, str] = {}
    twice = set()
    for name in names:
        if found.setdefault(folded(name), name) != name:
            twice.add(folded(name))
    return {key: name for key, name in found.items() if key not in twice}


@lru_cache(maxsize=4)
def _folder_index(folder: Path) -> dict[str, str]:
    return _by_folded_name(walk_folder(folder))
