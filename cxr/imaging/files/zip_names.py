"""Names of zip entries in the code page of their author, which nothing states.

The standard knows cp437 and, with a mark, UTF-8 (APPNOTE.TXT 4.4.4 and appendix D); most programs write the page of
their system instead. All names of a zip are taken to be in one page: the one under which most of them are words that
the caller knows, then most of them read as words at all, then the one that chardet's letter statistics prefer.
"""

import re
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from pathlib import PurePosixPath

_UTF8_MARK = 0x800
_STANDARD = "cp437"
_WESTERN = (_STANDARD, "cp850", "cp1252")
_DOS = ("cp720", "cp737", "cp852", "cp857", "cp862", "cp866")
_WINDOWS = ("cp874", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256")
_EAST_ASIAN = ("cp932", "gb18030", "cp949", "big5hkscs")
_CODE_PAGES = (*_WESTERN, *_DOS, *_WINDOWS, *_EAST_ASIAN)

_WESTERN_WEIGHT = 1.6
"""Statistics of a few words do not tell French from Czech: the commoner pages are preferred."""

_MOST_BYTES = 1 << 16
"""Of all names together that are looked at."""

_UNICODE_PATH, _EXTRA, _CRC = 0x7075, struct.Struct("<HH"), struct.Struct("<BI")

_OTHER = "\u0370-\u0e7f"
_HAN = "\u3400-\u9fff\uac00-\ud7a3"
_ACCENTED = "\u00c0-\u017f"
_NO_WORD = re.compile(
    f"(?<=[A-Za-z])[{_OTHER}]|[{_OTHER}](?=[A-Za-z])|[ךםןףץ](?=[\u05d0-\u05ea])"
    f"|(?<=[a-z])[{_HAN}](?![{_HAN}])|(?<![{_HAN}])[{_HAN}](?=[a-z]|[A-Z]{{2}})|(?<=[A-Z])[{_HAN}](?=[A-Z])"
    f"|[{_ACCENTED}]{{4}}|(?<![A-Za-z{_ACCENTED}])[{_ACCENTED}]{{3}}(?![A-Za-z{_ACCENTED}])"
)
"""What a wrong page gives: letters of another script or single ideographs in Latin words, accents alone, final letters
within Hebrew words."""

_IN_USE = {_STANDARD: "latin-1", "gb18030": "gb2312", "cp949": "euc_kr"}
"""The part of a page that names are written in: no Greek letters of cp437, no rare ideographs."""

_RARE_LATIN = "ðÐþÞÿ"
"""Icelandic letters stand where Turkish pages have ğ, ş and İ, which far more archives hold."""

_SCRIPTS = (
    *((0xC0, 0x180), (0x386, 0x3D0), (0x400, 0x530), (0x5D0, 0x5EB), (0x621, 0x64B), (0xE01, 0xE4F)),
    *((0x3000, 0x3100), (0x4E00, 0xA000), (0xAC00, 0xD7A4), (0xFF00, 0xFF60)),
)
_JAPANESE = {"HIRAGANA", "KATAKANA", "FULLWIDTH", "IDEOGRAPHIC", "KATAKANA-HIRAGANA"}


def entry_name(info: zipfile.ZipInfo, page: str) -> str:
    """The name of an entry: in UTF-8 where it says so, else in the code page of its zip, else in the standard's."""
    name = info.orig_filename.split("\0")[0]
    if _is_marked(info) or (name.isascii() and not info.extra):
        return name
    return _unicode_path(info) or _decoded(_written(info), page) or name


def other_names(info: zipfile.ZipInfo) -> set[str]:
    """The names that an entry without the UTF-8 mark has in the code pages that it may be in."""
    if _is_marked(info) or info.orig_filename.isascii():
        return set()
    names = (_decoded(_written(info), page) for page in ("utf-8", *_CODE_PAGES))
    return {name for name in names if name is not None}


def code_page(infos: Iterable[zipfile.ZipInfo], is_known: Callable[[str], bool]) -> str:
    """The code page of the names in a zip; `is_known` says whether a folder is called like a class."""
    parts = _distinct_parts(info for info in infos if not _is_marked(info) and not _unicode_path(info))
    if not parts:
        return _STANDARD
    if all(_decoded(part, "utf-8") is not None for part in parts):
        return "utf-8"
    ranked = _by_statistics(parts)

    def merit(page: str) -> tuple[int, int, int]:
        names = [name for part in parts if (name := _decoded(part, page)) is not None]
        rank = ranked.index(page) if page in ranked else len(_CODE_PAGES)
        return sum(map(is_known, names)), sum(_reads_as_words(name, page) for name in names), -rank

    return max(_CODE_PAGES, key=merit)


def _is_marked(info: zipfile.ZipInfo) -> bool:
    return bool(info.flag_bits & _UTF8_MARK)


def _unicode_path(info: zipfile.ZipInfo) -> str | None:
    """The name in UTF-8 that some programs add beside the one in a code page (APPNOTE.TXT 4.6.9); None without one."""
    extra, at = info.extra, 0
    while at + _EXTRA.size <= len(extra):
        kind, length = _EXTRA.unpack_from(extra, at)
        start, at = at + _EXTRA.size, at + _EXTRA.size + length
        if kind == _UNICODE_PATH and length > _CRC.size and at <= len(extra):
            version, crc = _CRC.unpack_from(extra, start)
            if version == 1 and crc == zlib.crc32(_written(info)):
                return _decoded(extra[start + _CRC.size : at].split(b"\0")[0], "utf-8") or None
    return None


def _written(info: zipfile.ZipInfo) -> bytes:
    """A name as it stands in the zip: `zipfile` decodes it by the standard's page, which holds every byte."""
    return info.orig_filename.split("\0")[0].encode(_STANDARD)


def _decoded(name: bytes, page: str) -> str | None:
    try:
        return name.decode(page)
    except UnicodeError:
        return None


def _distinct_parts(infos: Iterable[zipfile.ZipInfo]) -> list[bytes]:
    """The folders and files on the paths that are not ASCII, each once; in every page a slash is one byte."""
    found: dict[bytes, None] = {}
    size = 0
    for info in infos:
        if info.orig_filename.isascii():
            continue
        for part in _written(info).split(b"/"):
            if not part.isascii() and part not in found:
                found[part] = None
                size += len(part)
        if size > _MOST_BYTES:
            break
    return list(found)


def _by_statistics(parts: Sequence[bytes]) -> list[str]:
    """The code pages that chardet finds possible, the likeliest first."""
    import chardet  # takes a tenth of a second

    text = b"\n" + b"\n".join(parts)
    found = chardet.detect_all(text, ignore_threshold=True, compat_names=False, include_encodings=_CODE_PAGES)
    weights = {page: each["confidence"] for each in found if (page := each["encoding"]) in _CODE_PAGES}
    return sorted(weights, key=lambda page: -weights[page] * (_WESTERN_WEIGHT if page in _WESTERN else 1))


def _reads_as_words(name: str, page: str) -> bool:
    """Whether a name in a code page holds letters of one script beside ASCII, and nothing that a wrong page gives."""
    scripts = {unicodedata.name(char, "?").split()[0] for char in name if not char.isascii()}
    if len(scripts - _JAPANESE) > 1 or not all(char.isascii() or _is_common(char) for char in name):
        return False
    if _NO_WORD.search(name) or any(_changes_case(*pair) for pair in pairwise(name)):
        return False
    runs = re.findall(f"[{_OTHER}]+", name)
    if runs and max(map(len, runs)) == 1 and re.search("[A-Za-z]", str(PurePosixPath(name).with_suffix(""))):
        return False  # `Bild ä` of cp1252 is `Bild ф` in cp866
    return page not in _IN_USE or _encodes(name, _IN_USE[page])


def _encodes(name: str, page: str) -> bool:
    try:
        name.encode(page)
    except UnicodeError:
        return False
    return True


def _changes_case(char: str, following: str) -> bool:
    """Whether a capital follows a small letter, and one of them is not ASCII."""
    return char.islower() and following.isupper() and not (char + following).isascii()


def _is_common(char: str) -> bool:
    """Letters of living scripts; halfwidth katakana, box drawings and private letters come of a wrong code page."""
    is_letter = unicodedata.category(char)[0] in "LM" or ord(char) >= 0x3000
    return is_letter and char not in _RARE_LATIN and any(first <= ord(char) < last for first, last in _SCRIPTS)
