"""Telling DICOM by its first bytes, without pydicom: with the preamble of a file, or bare as some archives write it."""

import re
import struct

HEAD = 256
"""How many of a file's first bytes are enough."""

_LONG_VRS = (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")
_FIRST_GROUPS = (0x0002, 0x0008)
_FIRST_LENGTH = 100


def looks_like_dicom(head: bytes) -> bool:
    """Whether a file that begins with `head` (`HEAD` bytes of it will do) is DICOM, readable or not.

    A bare data set is one if its first two elements follow each other as they must: group 2 or 8, a short first
    value, tags that ascend.
    """
    return head[128:132] == b"DICM" or any(_two_elements(head, order) for order in "<>")


def _two_elements(head: bytes, order: str) -> bool:
    try:
        first, start = _tag(head, 0, order), _after_element(head, order)
        second = _tag(head, start, order)
    except struct.error:
        return False
    return first[0] in _FIRST_GROUPS and first < second and second[0] in (*_FIRST_GROUPS, 0x0009, 0x0010)


def _tag(head: bytes, at: int, order: str) -> tuple[int, int]:
    return struct.unpack_from(f"{order}HH", head, at)


def _after_element(head: bytes, order: str) -> int:
    """Where the second element begins (PS3.5 7.1).

    Raises:
        struct.error: if the first is too long to be one.
    """
    kind = head[4:6]
    if not re.fullmatch(rb"[A-Z]{2}", kind):
        length, value = struct.unpack_from(f"{order}I", head, 4)[0], 8
    elif kind in _LONG_VRS:
        length, value = struct.unpack_from(f"{order}I", head, 8)[0], 12
    else:
        length, value = struct.unpack_from(f"{order}H", head, 6)[0], 8
    if length > _FIRST_LENGTH:
        raise struct.error("no first element")
    return value + length
