"""Whether a DICOM file is plainly cheap to decode: small, uncompressed, gray, and little beside its pixels."""

import struct

from cxr.imaging.formats.file_type import LONG_VRS

CHEAP_BYTES = 1 << 25
"""Of pixels as stored: 16 megapixels in 16 bits, more than detectors have."""

_MAX_ELEMENTS, _MAX_OTHER_BYTES, _MAX_PIXELS = 1000, 1 << 18, 1 << 24
_META, _SYNTAX, _PIXELS = 0x0002, (0x0002, 0x0010), (0x7FE0, 0x0010)
_ROWS, _COLUMNS, _BITS, _PHOTOMETRIC = (0x0028, 0x0010), (0x0028, 0x0011), (0x0028, 0x0100), (0x0028, 0x0004)
_READ = (_SYNTAX, _ROWS, _COLUMNS, _BITS, _PHOTOMETRIC)
_IMPLICIT, _EXPLICIT = b"1.2.840.10008.1.2", b"1.2.840.10008.1.2.1"


def is_cheap(raw: bytes) -> bool:
    """Whether the file's elements, walked without looking into sequences, are few and short but for the pixels.

    Sequences of undefined length, and files without a preamble, do not count as cheap.

    Raises:
        struct.error: if the file ends within an element's header.
    """
    if raw[128:132] != b"DICM":
        return False
    at, others, values = 132, 0, dict[tuple[int, int], bytes]()
    for _ in range(_MAX_ELEMENTS):
        if at >= len(raw):
            return False
        tag, start, length = _element(raw, at, values.get(_SYNTAX, b""))
        if tag == _PIXELS:
            others += max(0, len(raw) - start - length)
            return others <= _MAX_OTHER_BYTES and length <= CHEAP_BYTES and _is_plain_gray(values)
        others += start - at + length
        if others > _MAX_OTHER_BYTES:
            return False
        if tag in _READ:
            value = raw[start : start + length]
            values[tag] = value.strip(b" \0") if tag in (_SYNTAX, _PHOTOMETRIC) else value
        at = start + length
    return False


def _element(raw: bytes, at: int, syntax: bytes) -> tuple[tuple[int, int], int, int]:
    """An element's tag, and where its value starts and how long it is (PS3.5 7.1)."""
    group, element = struct.unpack_from("<HH", raw, at)
    if group != _META and syntax == _IMPLICIT:
        return (group, element), at + 8, struct.unpack_from("<I", raw, at + 4)[0]
    if raw[at + 4 : at + 6] in LONG_VRS:
        return (group, element), at + 12, struct.unpack_from("<I", raw, at + 8)[0]
    return (group, element), at + 8, struct.unpack_from("<H", raw, at + 6)[0]


def _is_plain_gray(values: dict[tuple[int, int], bytes]) -> bool:
    rows, columns, bits = (int.from_bytes(values.get(tag, b""), "little") for tag in (_ROWS, _COLUMNS, _BITS))
    is_gray = values.get(_PHOTOMETRIC, b"").startswith(b"MONOCHROME")
    is_plain = values.get(_SYNTAX) in (_IMPLICIT, _EXPLICIT) and bits in (8, 16)
    return is_plain and is_gray and rows * columns <= _MAX_PIXELS
