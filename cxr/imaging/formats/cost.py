"""What a file costs to decode, judged by its first bytes: whether that is plainly little, whatever the rest holds.

Decoders are fast on what encoders write and may take minutes over what a stranger writes: millions of chunks, scans or
elements, or metadata that points at itself. A file is cheap if the loops of its decoder are bounded by its pixels and
by a few hundred kilobytes of everything else. What is not cheap may still be harmless; it is decoded elsewhere.
"""

import struct
from collections.abc import Callable

from cxr.imaging.dicom import cost as dicom_cost
from cxr.imaging.formats import gif
from cxr.imaging.formats.file_type import HEAD_BYTES, looks_like_dicom

CHEAP_BYTES = 64 << 20
"""Pixels as stored, and the file itself: 21 megapixels in RGB, 32 in 16 bits."""

_MAX_CHUNKS, _MAX_OTHER_CHUNKS, _MAX_SEGMENTS = 4096, 32, 256
_MAX_EXIF, _MAX_METADATA = 1 << 16, 1 << 20
_MAX_CHEAP_SCANS, _MAX_SCANNED = 24, 200_000_000
_MAX_GIF_PIXELS = 1 << 24
_MAX_TIFF_ENTRIES, _MAX_STRIPS = 64, 4096

_PNG_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_PNG_PIXELS = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
_BASELINE, _EXTENDED, _PROGRESSIVE = 0xC0, 0xC1, 0xC2
_OTHER_FRAMES = {*range(0xC3, 0xD0)} - {0xC4, 0xC8, 0xCC}
_SCAN, _END, _MARKER, _EXIF = 0xDA, 0xD9, 0xFF, 0xE1
_PARAMETERLESS = {0x01, *range(0xD0, 0xD9)}
_WEBP_ALPHA, _WEBP_PROFILE = 0x10, 0x20

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _SAMPLES = 256, 257, 258, 259, 277
_STRIP_TAGS = (273, 279, 324, 325)
_BASELINE_TAGS = {*range(254, 267), *range(269, 275), *range(277, 286), 290, 291, 296, 297, 305, 306, *range(315, 326)}
_BASELINE_TAGS |= {*range(338, 342), 33432}
_TIFF_FORMATS = {1: "B", 2: "s", 3: "H", 4: "I", 5: "Q", 6: "b", 7: "s", 8: "h", 9: "i", 10: "q", 11: "f", 12: "d"}
"""By the type of a tag's values, of the size that one takes (TIFF 6.0, section 2)."""


def is_cheap(raw: bytes) -> bool:
    """Whether a file takes at most about a second and a few hundred megabytes to decode or to refuse.

    Of TIFF that is the plainest kind: elsewhere directories are loops and pointers. What no decoder knows is refused at
    once.
    """
    if len(raw) > CHEAP_BYTES:
        return False
    try:
        if looks_like_dicom(raw[:HEAD_BYTES]):
            return dicom_cost.is_cheap(raw)
        return next((judge(raw) for start, judge in _JUDGES.items() if raw.startswith(start)), True)
    except (struct.error, LookupError):  # cut off within its header, or without a size
        return False


def _png(raw: bytes) -> bool:
    width, height, depth, colour = struct.unpack_from(">IIBB", raw, 16)
    if width * height * _PNG_SAMPLES.get(colour, 4) * max(1, depth // 8) > CHEAP_BYTES:
        return False
    at, others, metadata = 8, 0, 0
    for _ in range(_MAX_CHUNKS):
        if at + 8 > len(raw):
            return True
        length, name = struct.unpack_from(">I4s", raw, at)
        if name == b"IEND":
            return True
        if name not in _PNG_PIXELS:
            others, metadata = others + 1, metadata + length
            if others > _MAX_OTHER_CHUNKS or metadata > (_MAX_EXIF if name == b"eXIf" else _MAX_METADATA):
                return False
        at += 12 + length
    return False


def _jpeg(raw: bytes) -> bool:
    at, exif, metadata, samples = 2, 0, 0, 0
    for _ in range(_MAX_SEGMENTS):
        if raw[at] != _MARKER:
            return False
        marker, length = raw[at + 1], int.from_bytes(raw[at + 2 : at + 4])
        if marker == _SCAN:
            return 0 < samples <= CHEAP_BYTES and _has_few_scans(raw, samples)
        if marker in _OTHER_FRAMES or marker == _END:
            return False
        if marker in (_BASELINE, _EXTENDED, _PROGRESSIVE):
            depth, height, width, components = struct.unpack_from(">BHHB", raw, at + 4)
            samples = height * width * components if depth == 8 else 0
        elif marker >= 0xE0 and marker != _MARKER:  # APPn and comments
            metadata += length
            exif += length if marker == _EXIF else 0
            if exif > _MAX_EXIF or metadata > _MAX_METADATA:
                return False
        at += 1 if marker == _MARKER else 2 if marker in _PARAMETERLESS else 2 + length
    return False


def _has_few_scans(raw: bytes, samples: int) -> bool:
    scans = raw.count(b"\xff\xda")
    return scans <= _MAX_CHEAP_SCANS and scans * samples <= _MAX_SCANNED


def _webp(raw: bytes) -> bool:
    """Lossy, lossless, or extended by alpha or a profile alone (RFC 9649)."""
    if raw[8:12] != b"WEBP":
        return False
    kind, flags = raw[12:16], raw[20]
    if kind == b"VP8 ":
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", raw, 26))
    elif kind == b"VP8L":
        bits = int.from_bytes(raw[21:25], "little")
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    elif kind == b"VP8X" and not flags & ~(_WEBP_ALPHA | _WEBP_PROFILE):
        width, height = (int.from_bytes(raw[start : start + 3], "little") + 1 for start in (24, 27))
    else:
        return False
    return width * height * 4 <= CHEAP_BYTES


def _bmp(raw: bytes) -> bool:
    """Uncompressed, with one of the usual headers."""
    if int.from_bytes(raw[14:18], "little") not in (40, 108, 124):
        return False
    width, height, _, bits, compression = struct.unpack_from("<iiHHI", raw, 18)
    return compression == 0 and bits >= 8 and abs(width * height) * 4 <= CHEAP_BYTES


def _gif(raw: bytes) -> bool:
    """One frame."""
    frames = gif.first_frames(raw, 2)
    width, height = struct.unpack_from("<HH", raw, 6)
    areas = [width * height, *(right * bottom for right, bottom in frames)]
    return len(frames) == 1 and max(areas) <= _MAX_GIF_PIXELS


def _tiff(raw: bytes) -> bool:
    """One page of baseline tags (TIFF 6.0, appendix A), not compressed."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(raw[:4])
    if order is None:
        return False
    (at,) = struct.unpack_from(f"{order}I", raw, 4)
    (count,) = struct.unpack_from(f"{order}H", raw, at)
    (other_page,) = struct.unpack_from(f"{order}I", raw, at + 2 + 12 * count)
    if count > _MAX_TIFF_ENTRIES or other_page:
        return False
    found = (struct.unpack_from(f"{order}HHI4s", raw, at + 2 + 12 * index) for index in range(count))
    entries = [(tag, _TIFF_FORMATS.get(kind, ""), number, value) for tag, kind, number, value in found]
    if any(tag not in _BASELINE_TAGS or not kind for tag, kind, _, _ in entries):
        return False
    if any(number > _MAX_STRIPS for tag, _, number, _ in entries if tag in _STRIP_TAGS):
        return False
    numbers = [entry for entry in entries if entry[1] in "HI"]
    values = {tag: _first_value(raw, order, kind, number, value) for tag, kind, number, value in numbers}
    samples, bits = values[_WIDTH] * values[_HEIGHT] * values.get(_SAMPLES, 1), values.get(_BITS, 1)
    is_small = samples * max(8, bits) / 8 <= CHEAP_BYTES and samples * bits / 8 <= len(raw)
    metadata = sum(number * struct.calcsize(kind) for _, kind, number, _ in entries)
    return is_small and metadata <= _MAX_METADATA and values.get(_COMPRESSION, 1) == 1


def _first_value(raw: bytes, order: str, kind: str, number: int, value: bytes) -> int:
    """Of a tag of whole numbers, which stand in the entry itself if they fit."""
    is_inline = number * struct.calcsize(kind) <= len(value)
    at, source = (0, value) if is_inline else (struct.unpack(f"{order}I", value)[0], raw)
    return int(struct.unpack_from(order + kind, source, at)[0])


_JUDGES: dict[bytes, Callable[[bytes], bool]] = {
    b"\x89PNG": _png,
    b"\xff\xd8": _jpeg,
    b"RIFF": _webp,
    b"BM": _bmp,
    b"GIF8": _gif,
    b"II": _tiff,
    b"MM": _tiff,
}
