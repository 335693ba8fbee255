"""Colours in a picture that should have none: the mark of a photographed screen or film.

The reader turns every picture gray before the gate sees it, and so a photograph of a screen can look like the X-ray it
shows. Its file gives it away: a camera's white balance and the beat of the two pixel grids leave a cast. In 792 X-ray
files of four collections the channels differ by at most 6 levels (median over a picture's pixels), in generated
photographs of screens by 14 to 42.
"""

import io

import numpy as np
from PIL import Image

from cxr.radiograph import FORMATS
from cxr.unreadable import UnreadableImage, decoders_failing_cleanly

WARNING = (
    "The picture has colours, and X-rays have none. If it is a photograph of a screen or a film, the answer means "
    "little: give the file itself."
)
_CAST = 9
"""Levels, of 255, by which the channels of half of the pixels must differ."""

_SIDE = 128


def warning(data: bytes) -> str:
    """`WARNING` for the bytes of a picture with colours, otherwise (gray, DICOM, unreadable) nothing."""
    return WARNING if _median_difference(data) >= _CAST else ""


def _median_difference(data: bytes) -> float:
    try:
        with decoders_failing_cleanly(), Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if image.mode in ("1", "L", "LA", "F") or image.mode.startswith("I"):
                return 0.0
            image.draft("RGB", (_SIDE, _SIDE))
            pixels = np.asarray(image.convert("RGB").resize((_SIDE, _SIDE), Image.Resampling.NEAREST))
    except UnreadableImage:
        return 0.0
    return float(np.median(np.ptp(pixels, axis=2)))
