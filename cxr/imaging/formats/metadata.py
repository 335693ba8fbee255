"""Metadata of image files: only the orientation matters, and nothing that is wrong with the rest hides the pixels."""

import re
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from cxr.errors import UnreadableImage

_Gray = NDArray[np.uint8]

_PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_PIXELS = (b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"acTL", b"fcTL", b"fdAT", b"eXIf")
"""Chunks that are kept: what the pixels are made of, and the small one that may hold their orientation."""

_XMP = b"XML:com.adobe.xmp\0"
_XMP_ORIENTATION = re.compile(rb'tiff:Orientation(?:="|>)([1-8])')
MAX_CHUNKS = 50_000
"""Encoders write one for every 8 kilobytes or more."""

TOO_MANY_CHUNKS = "is a PNG in more chunks than any encoder writes"
_MAX_TEXT, _MAX_EXIF, _MAX_XMP = 1 << 20, 1 << 16, 4

_WIDTHS = {1: 1, 3: 2, 4: 4}
"""Bytes of a whole number by its type in EXIF: BYTE, SHORT and LONG."""

_TURNS: dict[int, Callable[[_Gray], _Gray]] = {
    2: lambda gray: gray[:, ::-1],
    3: lambda gray: gray[::-1, ::-1],
    4: lambda gray: gray[::-1],
    5: lambda gray: gray.T,
    6: lambda gray: gray[::-1].T,
    7: lambda gray: gray[::-1, ::-1].T,
    8: lambda gray: gray.T[::-1],
}
SIDEWAYS = (5, 6, 7, 8)
"""EXIF orientations that swap width and height."""


def orientation(image: Image.Image) -> int:
    """The EXIF orientation of an image, 1 to 8; 1, which is upright, where none can be read."""
    stated = _orientation_in_exif(image.info.get("exif") or b"")
    if stated is not None:
        return stated
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # Pillow's errors over broken EXIF are of many kinds
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _orientation_in_exif(exif: bytes) -> int | None:
    """The orientation in the first directory, wherever other entries point to; None without a valid one.

    Pillow reads no entry behind a broken one.
    """
    exif = exif.removeprefix(b"Exif\0\0")
    order: Literal["little", "big"] = "big" if exif.startswith(b"MM") else "little"
    start = int.from_bytes(exif[4:8], order)
    count = int.from_bytes(exif[start : start + 2], order)
    for at in range(start + 2, min(start + 2 + 12 * count, len(exif)), 12):
        tag, kind = (int.from_bytes(exif[place : place + 2], order) for place in (at, at + 2))
        if tag == ExifTags.Base.Orientation and kind in _WIDTHS:
            value = int.from_bytes(exif[at + 8 : at + 8 + _WIDTHS[kind]], order)
            return value if 1 <= value <= 8 else None
    return None


def turn_upright(gray: _Gray, orientation: int) -> _Gray:
    """Undo an EXIF orientation of pixels (H, W)."""
    turn = _TURNS.get(orientation)
    return gray if turn is None else np.ascontiguousarray(turn(gray))


class _Chunk(NamedTuple):
    """A chunk of a PNG: its name, what it holds, and all of its bytes."""

    name: bytes
    data: bytes
    raw: bytes


def without_metadata(png: bytes) -> bytes:
    """The PNG with its pixels and orientation alone; a broken or huge chunk of anything else is gone.

    Bytes that are no PNG, or whose chunks end early, come back as far as they are understood.

    Raises:
        UnreadableImage: if there are so many chunks that reading them would take seconds.
    """
    kept, has_exif, orientation, texts = [png[:8]], False, 0, 0
    for number, chunk in enumerate(_chunks(png)):
        if number == MAX_CHUNKS:
            raise UnreadableImage(TOO_MANY_CHUNKS)
        if chunk.name == b"IEND" and orientation and not has_exif:
            kept.append(_exif_chunk(orientation))
        if chunk.name == b"eXIf":
            if not has_exif and len(chunk.raw) <= _MAX_EXIF:
                kept.append(chunk.raw)
            has_exif = True
        elif chunk.name in _PNG_PIXELS:
            kept.append(chunk.raw)
        elif chunk.name == b"iTXt" and chunk.data.startswith(_XMP) and texts < _MAX_XMP:
            orientation, texts = _orientation_in_xmp(chunk.data), texts + 1
    return b"".join(kept)


def _chunks(png: bytes) -> Iterator[_Chunk]:
    at = len(_PNG_START) if png.startswith(_PNG_START) else len(png)
    while at + 12 <= len(png):
        end = at + 12 + int.from_bytes(png[at : at + 4])
        yield _Chunk(png[at + 4 : at + 8], png[at + 8 : end - 4], png[at:end])
        at = end


def _orientation_in_xmp(text: bytes) -> int:
    """The orientation in the first megabyte of an iTXt chunk; 0 for none."""
    is_compressed, rest = text[len(_XMP)], text[len(_XMP) + 2 :].split(b"\0", 2)[-1]
    try:
        xmp = zlib.decompressobj().decompress(rest, _MAX_TEXT) if is_compressed else rest[:_MAX_TEXT]
    except zlib.error:
        return 0
    match = _XMP_ORIENTATION.search(xmp)
    return int(match[1]) if match else 0


def _exif_chunk(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    data = b"eXIf" + exif.tobytes().removeprefix(b"Exif\0\0")
    return struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data))
