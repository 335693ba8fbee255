"""The files of a folder or a zip, listed the same way for datasets and for answers.

Names are relative, with forward slashes. Links to folders are followed once; hidden and system files are left out. Zips
are read in place. A zip written without the UTF-8 mark holds names in the code page of its author, which nothing
states: the page under which all of its names read as words is taken (APPNOTE.TXT 4.4.4 and appendix D).
"""

import os
import re
import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePath, PurePosixPath
from typing import NamedTuple

from PIL import Image

from cxr.imaging.decoders import FORMATS
from cxr.imaging.file_type import HEAD_BYTES, looks_like_dicom, looks_like_image

ARCHIVE = "is an archive: unpack it, or name it by itself"
"""Why a zip in a folder or in another zip is not looked into."""

BROKEN_ZIP = (OSError, EOFError, RuntimeError, NotImplementedError, ValueError, zipfile.BadZipFile, zlib.error)
"""What reading a zip, or an entry of one, may raise."""

_ARCHIVES = (".zip", ".rar", ".7z", ".tar", ".gz", ".tgz", ".bz2", ".xz")
_UTF8_MARK = 0x800
_CODE_PAGES = (
    "utf-8",
    "cp437",
    "gb2312",
    "shift_jis",
    "euc_kr",
    "gb18030",
    "cp949",
    "big5",
    "cp866",
    "cp1251",
    "cp1252",
)
_HAN = "\u3400-\u9fff\uac00-\ud7a3"
_WITHIN_LATIN = re.compile(
    "(?<=[A-Za-z])[\u0370-\u052f]|[\u0370-\u052f](?=[A-Za-z])"
    f"|(?<=[A-Za-z])[{_HAN}](?![{_HAN}])|(?<![{_HAN}])[{_HAN}](?=[A-Za-z])"
)
"""A letter of another script, or a single ideograph, within a Latin word: an accented letter read in a wrong page."""


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
    known = {suffix for suffix, kind in Image.registered_extensions().items() if kind in FORMATS}
    return PurePath(name).suffix.casefold() in known | {".dcm"}


def is_image(name: str, head: bytes) -> bool:
    """Whether a file is an image by its name or its first bytes, readable or not; an index of DICOM files is none."""
    if PurePosixPath(name).name.upper() == "DICOMDIR":
        return False
    return has_image_suffix(name) or looks_like_image(head) or looks_like_dicom(head)


def head_of(path: Path) -> bytes:
    """The first bytes of a file, none if it cannot be read."""
    try:
        with path.open("rb") as stream:
            return stream.read(HEAD_BYTES)
    except OSError:
        return b""


class Entries(NamedTuple):
    """The files of a zip by their names, and the names of those that lead out of it."""

    files: dict[str, zipfile.ZipInfo]
    escaping: list[str]


def zip_entries(archive: zipfile.ZipFile, is_known: Callable[[str], bool] = lambda name: False) -> Entries:
    """What a zip holds, hidden and system files left out.

    Where several code pages give words, the one that gives most names that `is_known` knows is taken.
    """
    infos = [info for info in archive.infolist() if not info.is_dir()]
    page = _code_page([info for info in infos if not info.flag_bits & _UTF8_MARK], is_known)
    files, escaping = {}, []
    for info in infos:
        name = _entry_name(info, page)
        if name is None:
            escaping.append(info.filename)
        elif not any(is_clutter(part) for part in name.split("/")):
            files[name] = info
    return Entries(files, escaping)


def other_names(info: zipfile.ZipInfo) -> set[str]:
    """The names that an entry without the UTF-8 mark has under the other code pages."""
    if info.flag_bits & _UTF8_MARK or info.orig_filename.isascii():
        return set()
    names = (_decoded(info.orig_filename.split("\0")[0], page) for page in _CODE_PAGES)
    return {inside for name in names if name is not None and (inside := relative(name)) is not None}


def relative(file: str, root: str | None = None) -> str | None:
    """A name without `.` parts, relative to `root` where it is absolute; None if it leads out of the root."""
    name = PurePosixPath(file.replace("\\", "/"))
    if root and name.is_absolute() and name.is_relative_to(root):
        name = name.relative_to(root)
    leads_out = name.is_absolute() or ".." in name.parts or any(":" in part for part in name.parts[:1])
    return None if leads_out else name.as_posix()


def folded(name: str) -> str:
    """A name in composed letters and lower case: two that differ here only in how they are written mean one file."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _entry_name(info: zipfile.ZipInfo, page: str) -> str | None:
    if stat.S_ISLNK(info.external_attr >> 16):
        return None
    name = info.orig_filename.split("\0")[0]
    return relative(name if info.flag_bits & _UTF8_MARK else _decoded(name, page) or name)


def _code_page(infos: list[zipfile.ZipInfo], is_known: Callable[[str], bool]) -> str:
    names = [info.orig_filename for info in infos if not info.orig_filename.isascii()]
    if not names:
        return "cp437"
    if None not in (_decoded(name, "utf-8") for name in names):
        return "utf-8"
    decoded = {page: [_decoded(name, page) for name in names] for page in _CODE_PAGES}
    likely = [page for page in decoded if all(name is not None and _reads_as_words(name) for name in decoded[page])]
    return max(likely, key=lambda page: sum(is_known(name) for name in decoded[page] if name), default="cp437")


def _decoded(name: str, page: str) -> str | None:
    """A name that `zipfile` decoded by the standard's code page, decoded by another; None where it does not fit."""
    try:
        return name.encode("cp437").decode(page)
    except UnicodeError:
        return None


def _reads_as_words(name: str) -> bool:
    """Whether a name holds letters of one script beside ASCII, and no signs or rare letters that a wrong page gives."""
    scripts = {unicodedata.name(char, "?").split()[0] for char in name if not char.isascii()}
    is_one_script = len(scripts - {"HIRAGANA", "KATAKANA", "FULLWIDTH", "IDEOGRAPHIC", "KATAKANA-HIRAGANA"}) <= 1
    runs = re.findall("[\u0400-\u052f]+", name)
    if runs and max(map(len, runs)) == 1 and re.search("[A-Za-z]", str(PurePosixPath(name).with_suffix(""))):
        return False  # `Bild ä` of cp1252 is `Bild ф` in cp866
    return is_one_script and not _WITHIN_LATIN.search(name) and all(char.isascii() or _is_common(char) for char in name)


def _is_common(char: str) -> bool:
    """Letters of living scripts; halfwidth katakana, box drawings and private letters come of a wrong code page.

    So do Greek letters: no page here but cp437 holds them, in places where cp1252 has ä or é.
    """
    code = ord(char)
    is_latin = 0xC0 <= code < 0x180
    is_other = 0x400 <= code < 0x530 or 0x3000 <= code < 0x3100 or 0x4E00 <= code < 0xA000 or 0xAC00 <= code < 0xD7A4
    return (is_latin or is_other or 0xFF00 <= code < 0xFF60) and (char.isalpha() or code >= 0x3000)
