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
