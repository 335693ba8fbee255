"""Where a collection lies: a folder or a `.zip`, walked, asked and read alike."""

import os
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from pathlib import Path, PurePosixPath

from cxr.errors import UserError
from cxr.imaging.file_type import HEAD_BYTES, looks_like_image
from dataset_script.collections import paths

LARGEST_FILE = 1 << 30
"""Bytes of one entry that are unpacked at most; a zip can promise any number."""

_DEPTH = 2
_MANY_FOLDERS = 1000


class Folder:
    """A folder; names are relative, with forward slashes."""

    escaping: Sequence[str] = ()

    def __init__(self, path: Path):
        self.path = path.absolute()

    @property
    def name(self) -> str:
        """What the collection is called where nothing else names it."""
        return paths.name_of(Path(self.path.resolve().name or "folder"))

    def walk(self, under: str = "") -> Iterator[str]:
        """Every file below `under` in a fixed order."""
        return (file.relative_to(self.path).as_posix() for file in paths.walk(self.path / under))

    def folders(self) -> list[str]:
        """The folders right below, in order."""
        found = (entry.name for entry in os.scandir(self.path) if entry.is_dir())
        return sorted(name for name in found if not paths.is_clutter(name))

    def below(self, name: str) -> "Folder":
        """One of its folders, as a root."""
        return Folder(self.path / name)

    def has(self, name: str) -> bool:
        """Whether there is such a file."""
        return (self.path / name).is_file()

    def opener(self, name: str) -> Callable[[], bytes]:
        """A picklable function that reads a file."""
        return partial(_read_file, str(self.path), name)

    def stamp(self, name: str) -> str:
        """What changes when the file does."""
        return paths.stamp_of(self.path / name)

    def inside(self, file: str) -> str | None:
        """What a table calls a file, as a name here; None if it leads out of the folder."""
        return paths.inside(self.path, file)

    def is_image(self, name: str) -> bool:
        """Whether a file begins like a picture; its name is not asked."""
        try:
            with (self.path / name).open("rb") as stream:
                return looks_like_image(stream.read(HEAD_BYTES))
        except OSError:
            return False


class Archive:
    """A zip, or a folder inside one (`prefix` ends with a slash); nothing is ever unpacked to disk."""

    def __init__(self, path: Path, entries: dict[str, zipfile.ZipInfo], escaping: Sequence[str], prefix: str = ""):
        self.path, self.entries, self.escaping, self.prefix = path, entries, escaping, prefix

    @property
    def name(self) -> str:
        """The zip's name without its ending."""
        return paths.name_of(Path(self.path.stem))

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

    def opener(self, name: str) -> Callable[[], bytes]:
        """A picklable function that reads a file."""
        return partial(_read_entry, str(self.path), self.entries[self.prefix + name].filename)

    def stamp(self, name: str) -> str:
        """What changes when the file does, but not when the zip gains another."""
        entry = self.entries[self.prefix + name]
        return f"{entry.file_size}-{entry.CRC:08x}"

    def inside(self, file: str) -> str | None:
        """What a table calls a file, as a name here; None if it leads out of the zip."""
        return paths.inside(None, file)

    def is_image(self, name: str) -> bool:
        """Whether a file begins like a picture; its name is not asked."""
        try:
            with _archive(str(self.path)).open(self.entries[self.prefix + name].filename) as stream:
                return looks_like_image(stream.read(HEAD_BYTES))
        except (OSError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError):
            return False


Root = Folder | Archive


def open_root(path: str, flag: str) -> Root:
    """The folder or zip at `path`.

    Raises:
        UserError: if there is neither, or the zip is damaged or encrypted.
    """
    found = Path(path).expanduser()
    if found.is_dir():
        return Folder(found)
    if found.is_file() and (found.suffix.casefold() == ".zip" or zipfile.is_zipfile(found)):
        return _open_zip(found.absolute(), flag)
    raise UserError(f"{flag}: no such folder or zip")


def descend(root: Root, holds: Callable[[Root], bool]) -> Root:
    """The root itself, or the one folder at most two levels below that holds what is looked for; else the root."""
    level = [root]
    for _ in range(_DEPTH + 1):
        found = [inner for inner in level if holds(inner)]
        if found:
            return found[0] if len(found) == 1 else root
        level = [inner.below(name) for inner in level for name in inner.folders()][:_MANY_FOLDERS]
    return root


def read_text(root: Root, name: str, flag: str) -> bytes:
    """The bytes of a table.

    Raises:
        UserError: if it cannot be read.
    """
    try:
        return root.opener(name)()
    except OSError as error:
        raise UserError(f"{flag}: {name} cannot be read ({error.strerror or error})") from error


def _open_zip(path: Path, flag: str) -> Archive:
    try:
        with zipfile.ZipFile(path) as archive:
            infos = [info for info in archive.infolist() if not info.is_dir()]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise UserError(f"{flag} is damaged or no zip: download it anew, or unpack it and name the folder") from error
    if any(info.flag_bits & 1 for info in infos):
        raise UserError(f"{flag} is encrypted: unpack it with its password and name the folder")
    entries, escaping = {}, []
    for info in infos:
        name = _entry_name(info)
        if name is None:
            escaping.append(info.filename)
        elif not any(paths.is_clutter(part) for part in name.split("/")):
            entries[name] = info
    return Archive(path, entries, escaping)


def _entry_name(info: zipfile.ZipInfo) -> str | None:
    """The entry's name without `.` parts; None if it is a link, absolute or leads out of the zip."""
    name = info.orig_filename.split("\0")[0].replace("\\", "/")
    parts = PurePosixPath(name).parts
    leads_out = name.startswith("/") or ".." in parts or any(":" in part for part in parts[:1])
    return None if leads_out or stat.S_ISLNK(info.external_attr >> 16) else PurePosixPath(name).as_posix()


def _read_file(folder: str, name: str) -> bytes:
    return Path(folder, name).read_bytes()


def _read_entry(path: str, entry: str) -> bytes:
    """The bytes of a zip's entry; what is wrong with it is an OSError as for a file."""
    try:
        archive = _archive(path)
        if archive.getinfo(entry).file_size > LARGEST_FILE:
            raise OSError(0, "is larger than a gigabyte")
        return archive.read(entry)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, KeyError) as error:
        raise OSError(0, "damaged inside its zip") from error


def _archive(path: str) -> zipfile.ZipFile:
    """The zip, opened once in each process (a shared file position would mix their reads) and anew once it changed."""
    return _opened(path, paths.stamp_of(Path(path)), os.getpid())


@lru_cache(maxsize=8)
def _opened(path: str, stamp: str, process: int) -> zipfile.ZipFile:
    return zipfile.ZipFile(path)
