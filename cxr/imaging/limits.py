"""Size limits, and how the errors of image decoders become one refusal."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from PIL import Image

from cxr.errors import UnreadableImage

MAX_PIXELS = 100_000_000
"""Larger images are refused before they are decoded: detectors stay below 20 megapixels."""

MAX_DECODED_BYTES = 200_000_000
"""Limit to the pixels as the file stores them, whatever their depth: 100 megapixels of 16-bit gray."""

MAX_FILE_BYTES = 1 << 28
"""Larger files are refused unread."""

DAMAGED = "is damaged or cut off"
TOO_LARGE = f"is larger than {MAX_PIXELS // 1_000_000} megapixels"
FILE_TOO_LARGE = f"is larger than {MAX_FILE_BYTES >> 20} MiB"
TOO_MANY_BYTES = f"is larger than {MAX_DECODED_BYTES // 1_000_000} MB once decoded"
TOO_SLOW = "takes longer to decode than any radiograph needs"
TOO_MUCH_MEMORY = "takes more memory to decode than any radiograph needs"

MAX_SCANS = 200
"""Progressive JPEGs have about ten."""

_USUAL_SCANS, _FEW_SCANS, _MAX_SCANNED = 4, 20, 500_000_000
TOO_MANY_SCANS = "is a JPEG in more scans than any encoder writes"
_RUST_PANIC = "PanicException"
"""What an assertion in a Rust extension raises; pyo3 derives it from BaseException."""

_START_OF_SCAN, _END_OF_IMAGE, _MARKER, _RESTARTS = b"\xff\xda", 0xD9, 0xFF, (0xD0, 0xD7)


def check_size(width: int, height: int, pixel_bytes: float = 1) -> None:
    """Refuse images of more than `MAX_PIXELS`, or of more than `MAX_DECODED_BYTES` at so many bytes a pixel.

    Raises:
        UnreadableImage: if there are more.
    """
    if width * height > MAX_PIXELS:
        raise UnreadableImage(TOO_LARGE)
    if width * height * pixel_bytes > MAX_DECODED_BYTES:
        raise UnreadableImage(TOO_MANY_BYTES)


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
    """The scans of a JPEG up to its end, or one more than `MAX_SCANS`.

    What looks like a scan elsewhere, in metadata or behind the image, is none.
    """
    at, scans = 2, 0
    while 0 <= at < len(raw) - 3 and scans <= MAX_SCANS:
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
def refusing_damage() -> Iterator[None]:
    """Turn whatever decoders raise over a file into one refusal, and suppress their warnings.

    Raises:
        UnreadableImage: in place of any other error.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except UnreadableImage:
        raise
    except Image.DecompressionBombError as error:
        raise UnreadableImage(TOO_LARGE) from error
    except MemoryError as error:
        raise UnreadableImage(TOO_MUCH_MEMORY) from error
    except Exception as error:  # of any kind: assertions, type errors, a library's own
        raise UnreadableImage(DAMAGED) from error
    except BaseException as error:
        if type(error).__name__ != _RUST_PANIC:
            raise
        raise UnreadableImage(DAMAGED) from error


@cache
def mute_logger(logger: str) -> None:
    """Stop a decoder's log messages about damaged files, from its first use on: the refusal says what is wrong."""
    logging.getLogger(logger).setLevel(logging.CRITICAL + 1)
