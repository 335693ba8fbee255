"""Size limits, and how the errors of image decoders become one refusal."""

import logging
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from PIL import Image

from cxr.errors import UnreadableImage

MAX_PIXELS = 100_000_000
"""Larger images are refused before they are decoded: detectors stay below 20 megapixels."""

DAMAGED = "is damaged or cut off"
TOO_LARGE = f"is larger than {MAX_PIXELS // 1_000_000} megapixels"

MAX_SCANS = 200
"""Progressive JPEGs have about ten."""

_USUAL_SCANS, _FEW_SCANS, _MAX_SCANNED = 4, 20, 500_000_000
TOO_MANY_SCANS = "is a JPEG in more scans than any encoder writes"
_START_OF_SCAN, _END_OF_IMAGE, _MARKER, _RESTARTS = b"\xff\xda", 0xD9, 0xFF, (0xD0, 0xD7)

_DECODER_ERRORS: tuple[type[Exception], ...] = (
    *(OSError, EOFError, SyntaxError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError),
    *(AssertionError, RuntimeError, MemoryError, struct.error, zlib.error),
)


def check_size(width: int, height: int) -> None:
    """Refuse images of more than `MAX_PIXELS`.

    Raises:
        UnreadableImage: if there are more.
    """
    if width * height > MAX_PIXELS:
        raise UnreadableImage(TOO_LARGE)


def check_scans(raw: bytes, pixels: int, images: int = 1) -> None:
    """Refuse a JPEG that stores its image in so many scans that decoding would take minutes.

    Args:
        raw: one JPEG, or the file that holds it.
        pixels: how many pixels each scan runs over.
        images: how many JPEGs `raw` holds.

    Raises:
        UnreadableImage: if it does.
    """
    scans = raw.count(_START_OF_SCAN) - _USUAL_SCANS * (images - 1)
    if images == 1 and _are_too_many(scans, pixels):
        scans = count_scans(raw)
    if _are_too_many(scans, pixels):
        raise UnreadableImage(TOO_MANY_SCANS)


def _are_too_many(scans: int, pixels: int) -> bool:
    return scans > MAX_SCANS or (scans > _FEW_SCANS and scans * pixels > _MAX_SCANNED)


def count_scans(raw: bytes) -> int:
    """The scans of a JPEG up to its end; what looks like one elsewhere, in metadata or behind the image, is none."""
    at, scans = 2, 0
    while 0 <= at < len(raw) - 3:
        marker = raw[at + 1]
        if raw[at] != _MARKER or marker in (0, _MARKER) or _RESTARTS[0] <= marker <= _RESTARTS[1]:
            at = raw.find(b"\xff", at + 1)  # within a scan
        elif marker == _END_OF_IMAGE:
            break
        else:
            scans += marker == _START_OF_SCAN[1]
            at += 2 + int.from_bytes(raw[at + 2 : at + 4])
    return scans


@contextmanager
def refusing_damage(*more: type[Exception]) -> Iterator[None]:
    """Turn what decoders raise over a damaged file into one refusal, and suppress their warnings.

    Args:
        more: errors of one decoder beyond Python's own.

    Raises:
        UnreadableImage: in place of any of these errors.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except Image.DecompressionBombError as error:
        raise UnreadableImage(TOO_LARGE) from error
    except (*_DECODER_ERRORS, *more) as error:
        raise UnreadableImage(DAMAGED) from error


@cache
def mute_logger(logger: str) -> None:
    """Stop a decoder's log messages about damaged files, from its first use on: the refusal says what is wrong."""
    logging.getLogger(logger).setLevel(logging.CRITICAL + 1)
