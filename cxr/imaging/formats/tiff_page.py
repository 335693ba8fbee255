"""What the directory of a TIFF says, judged before anything is decoded."""

import math
from typing import TYPE_CHECKING

import numpy as np

from cxr.errors import UnreadableImage
from cxr.imaging.limits import DAMAGED

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage

TOO_MANY_SEGMENTS = "is a TIFF in more strips or tiles than any encoder writes"

MIN_IS_WHITE, _MIN_IS_BLACK, _RGB = 0, 1, 2
UNASSOCIATED_ALPHA = 2
_UNSIGNED, _SIGNED, _REAL = 1, 2, 3
_SEPARATE_PLANES = 2
_REDUCED, _MASK = 1, 4
_AXES = ("YX", "YXS", "SYX")
_MAX_SAMPLES = 4
_SEGMENT_TAGS = (273, 279, 324, 325)
_BYTE_COUNT_TAGS = (279, 325)

_MAX_SEGMENTS = 100_000
"""A strip for each row, or tiles of 16 pixels in 25 megapixels."""

_MAX_PLANES, _SPARE_SEGMENTS = 4, 1000
"""Some encoders write longer tables than they use."""


def check_segments(page: "TiffPage", size: int) -> None:
    """Refuse a table of strips or tiles that no image of this size needs, in a file of `size` bytes.

    Raises:
        UnreadableImage: if there are far more than the image has, or one is larger than the file.
    """
    planes = page.samplesperpixel if page.planarconfig == _SEPARATE_PLANES else 1
    if page.is_tiled:
        needed = math.ceil(page.imagelength / page.tilelength) * math.ceil(page.imagewidth / page.tilewidth) * planes
    else:
        needed = math.ceil(page.imagelength / max(1, page.rowsperstrip)) * planes
    stated = max((page.tags[code].count for code in _SEGMENT_TAGS if code in page.tags), default=0)
    if needed > _MAX_SEGMENTS or stated > _MAX_PLANES * needed + _SPARE_SEGMENTS:
        raise UnreadableImage(TOO_MANY_SEGMENTS)
    if any(code in page.tags for code in _BYTE_COUNT_TAGS) and max(page.databytecounts, default=0) > size:
        raise UnreadableImage(DAMAGED)


def deep_mode(page: "TiffPage") -> str | None:
    """The mode of a gray or RGB page that is deeper than 8 bits, signed or real, like `I;16S`; None for any other."""
    bits = np.max(page.bitspersample)
    if (bits <= 8 and page.sampleformat == _UNSIGNED) or page.photometric not in (MIN_IS_WHITE, _MIN_IS_BLACK, _RGB):
        return None
    gray = "F" if page.sampleformat == _REAL else "I"
    colours = "RGB" if page.photometric == _RGB else gray
    alpha = "A" if UNASSOCIATED_ALPHA in page.extrasamples else ""
    sign = "S" if page.sampleformat == _SIGNED else ""
    return f"{colours}{alpha};{bits}{sign}"


def plain_mode(page: "TiffPage") -> str | None:
    """`L` or `RGB` for a page that stores such pixels of 8 bits one after another, uncompressed; None for any other."""
    is_plain = page.is_contiguous and page.dtype == np.uint8 and page.fillorder == page.predictor == 1
    if is_plain and (page.photometric, page.axes) == (_MIN_IS_BLACK, "YX"):
        return "L"
    return "RGB" if is_plain and (page.photometric, page.axes, page.samplesperpixel) == (_RGB, "YXS", 3) else None


def is_supported(page: "TiffPage") -> bool:
    """Whether its values are real numbers, and its channels gray or R, G, B with or without one more."""
    real = page.dtype is not None and page.dtype.kind in "iuf"
    return real and page.axes in _AXES and page.samplesperpixel <= _MAX_SAMPLES


def has_all_segments(page: "TiffPage") -> bool:
    """Whether every strip or tile has a place in the file; tifffile fills missing ones with black."""
    offsets, lengths = page.dataoffsets, page.databytecounts
    return len(offsets) == len(lengths) == math.prod(page.chunked) and all(offsets) and all(lengths)


def has_second_image(file: "TiffFile") -> bool:
    """Whether the second page is an image of its own, and no thumbnail or mask of the first.

    Only the second page is looked at: counting all would follow a circular chain for ever.
    """
    try:
        first, second = file.pages.first, file.pages[1].aspage()
    except IndexError:
        return False
    if first.subfiletype & _REDUCED:
        return True
    is_small = 2 * second.imagewidth <= first.imagewidth and 2 * second.imagelength <= first.imagelength
    return not (is_small or second.subfiletype & (_REDUCED | _MASK))
