"""Why a file gives no radiograph: the one error that the reader raises, and its reasons."""

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image

from cxr.errors import UnreadableImage

MAX_PIXELS = 100_000_000
"""Larger pictures are refused before they are decoded: detectors end near 20 megapixels, bombs begin beyond this."""

DAMAGED = "is damaged or cut off"
TOO_LARGE = f"is larger than {MAX_PIXELS // 1_000_000} megapixels"

_DECODER_ERRORS = (OSError, SyntaxError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError)
_DECODER_ERRORS += (EOFError, struct.error, zlib.error, MemoryError, RuntimeError)


def check_size(width: int, height: int) -> None:
    """Refuse more than `MAX_PIXELS`.

    Raises:
        UnreadableImage: if there are more.
    """
    if width * height > MAX_PIXELS:
        raise UnreadableImage(TOO_LARGE)


@contextmanager
def decoders_failing_cleanly(*more: type[Exception]) -> Iterator[None]:
    """What decoders (and `more` of a decoder's own) may raise and warn of over a damaged file becomes one reason."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except Image.DecompressionBombError as error:
        raise UnreadableImage(TOO_LARGE) from error
    except (*_DECODER_ERRORS, *more) as error:
        raise UnreadableImage(DAMAGED) from error
