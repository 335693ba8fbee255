"""The files of a folder or a zip, listed the same way for datasets and for answers.

Names are relative, with forward slashes. Links to folders are followed once; hidden and system files are left out. Zips
are read in place.
"""

import os
import stat
import unicodedata
import zipfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from PIL import Image

from cxr.imaging.decoders import FORMATS
from cxr.imaging.files.zip_names import code_page, entry_name
from cxr.imaging.formats.file_type import looks_like_image

ARCHIVE = "is an archive: unpack it, or name it by itself"
"""Why a zip in a folder or in another zip is not looked into."""

_ARCHIVES = (".zip", ".rar", ".7z", ".tar", ".gz", ".tgz", ".bz2", ".xz")


def walk_folder(root: Path) -> Iterator[str]:
    """Every file below a folder in a fixed order, dangling links included."""
    seen = set()
    for folder, folders, names in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen or _is_prepared(Path(folder)):
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not is_clutter(name))
        files = (Path(folder, name) for name in sorted(names) if not is_clutter(name))
        yield from (file.relative_to(root).as_posix() for file in files if file.is_file() or not file.exists())


def _is_prepared(folder: Path) -> bool:
    """Whether a folder is a dataset that this project prepared: its output may lie inside its own source."""
    return (folder / "report.json").is_file() and any(folder.glob("data/train-*-of-*.parquet"))


def is_clutter(name: str) -> bool:
    """Whether a name is hidden or the system's own."""
    return name.startswith(".") or name.casefold() in ("__macosx", "thumbs.db", "desktop.ini")


def is_archive(name: str) -> bool:
    """Whether a file is an archive by its name."""
    return name.casefold().endswith(_ARCHIVES)


def has_image_suffix(name: str) -> bool:
    """Whether a file's name ends like that of an image, in whatever case."""
    return os.path.splitext(name)[1].casefold() in _image_suffixes()


@cache
def _image_suffixes() -> frozenset[str]:
    known = {suffix for suffix, kind in Image.registered_extensions().items() if kind in FORMATS}
    return frozenset(known | {".dcm"})


def is_image(name: str, head: Callable[[], bytes]) -> bool:
    """Whether a file is an image by its name or its first bytes, readable or not; an index of DICOM files is none."""
    if name.rpartition("/")[2].upper() == "DICOMDIR":
        return False
    return has_image_suffix(name) or looks_like_image(head())


class Entries(NamedTuple):
    """The files of a zip by their names, and the names of those that lead out of it."""

    files: dict[str, zipfile.ZipInfo]
    escaping: list[str]


def zip_entries(archive: zipfile.ZipFile, is_known: Callable[[str], bool] = lambda name: False) -> Entries:
    """What a zip holds, hidden and system files left out; `is_known` helps to tell its code page (`zip_names`)."""
    infos = [info for info in archive.infolist() if not info.filename.endswith("/")]
    page = code_page(infos, is_known)
    files: dict[str, zipfile.ZipInfo] = {}
    escaping = []
    for info in infos:
        name = _entry_name(info, page)
        if name is None:
            escaping.append(info.filename)
        elif not any(is_clutter(part) for part in name.split("/")):
            if name in files and files[name].filename != info.filename:  # some pages write one letter in two ways
                name = relative(info.filename) or name
            files[name] = info
    return Entries(files, escaping)


def relative(file: str, root: str | None = None) -> str | None:
    """A name without `.` parts, relative to `root` where it is absolute; None if it leads out of the root."""
    name = file.replace("\\", "/")
    if root and name.startswith("/") and PurePosixPath(name).is_relative_to(root):
        name = PurePosixPath(name).relative_to(root).as_posix()
    parts = [part for part in name.split("/") if part not in ("", ".")]
    leads_out = name.startswith("/") or ".." in parts or ":" in "".join(parts[:1])
    return None if leads_out else "/".join(parts) or "."


def folded(name: str) -> str:
    """A name in composed letters and lower case: two that differ here only in how they are written mean one file."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _entry_name(info: zipfile.ZipInfo, page: str) -> str | None:
    return None if stat.S_ISLNK(info.external_attr >> 16) else relative(entry_name(info, page))
