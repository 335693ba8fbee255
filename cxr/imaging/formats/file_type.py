"""File types by their first bytes; DICOM without pydicom, with the preamble of a file or as a bare data set."""

import re
import struct
from pathlib import Path

HEAD_BYTES = 256
"""How many of a file's first bytes decide."""

TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
IMAGE_SIGNATURES = (b"\x89PNG", b"\xff\xd8\xff", b"BM", b"GIF8", b"RIFF", *TIFF_SIGNATURES)

LONG_VRS = (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")
"""Value representations whose length takes four bytes (PS3.5 7.1.2)."""

_FIRST_GROUPS = (0x0002, 0x0008)
_MAX_FIRST_LENGTH = 100


def looks_like_image(head: bytes) -> bool:
    """Whether a file that starts with `head` (`HEAD_BYTES` suffice) looks like an image or DICOM, readable or not."""
    return head.startswith(IMAGE_SIGNATURES) or looks_like_dicom(head)


def looks_like_dicom(head: bytes) -> bool:
    """Whether a file that starts with `head` (`HEAD_BYTES` suffice) is DICOM, readable or not.

    A bare data set is recognised by its first two elements: group 2 or 8, a short first value, ascending tags.
    """
    return head[128:132] == b"DICM" or any(_starts_data_set(head, order) for order in "<>")


def is_dicom(source: bytes | Path) -> bool:
    """Whether a file is DICOM, readable or not, so that neither its name nor its bytes may be published."""
    return looks_like_dicom(source[:HEAD_BYTES] if isinstance(source, bytes) else head_of(source))


def head_of(path: Path) -> bytes:
    """The first bytes of a file, none if it cannot be read."""
    try:
        with path.open("rb") as stream:
            return stream.read(HEAD_BYTES)
    except OSError:
        return b""


def _starts_data_set(head: bytes, order: str) -> bool:
    try:
        first, start = _tag(head, 0, order), _end_of_first_element(head, order)
        second = _tag(head, start, order)
    except struct.error:
        return False
    return first[0] in _FIRST_GROUPS and first < second and second[0] in (*_FIRST_GROUPS, 0x0009, 0x0010)


def _tag(head: bytes, at: int, order: str) -> tuple[int, int]:
    return struct.unpack_from(f"{order}HH", head, at)


def _end_of_first_element(head: bytes, order: str) -> int:
    """Where the second element starts (PS3.5 7.1).

    Raises:
        struct.error: if the first one is longer than `_MAX_FIRST_LENGTH`, and so is none.
    """
    vr = head[4:6]
    if not re.fullmatch(rb"[A-Z]{2}", vr):
        length, value = struct.unpack_from(f"{order}I", head, 4)[0], 8
    elif vr in LONG_VRS:
        length, value = struct.unpack_from(f"{order}I", head, 8)[0], 12
    else:
        length, value = struct.unpack_from(f"{order}H", head, 6)[0], 8
    if length > _MAX_FIRST_LENGTH:
        raise struct.error("no first element")
    return value + length
