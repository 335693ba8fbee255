"""Pictures deeper than 8 bits: decoding what Pillow would cut to its high byte, and windowing to 8 bits.

Pillow has no 16-bit colour mode and knows fewer kinds of TIFF than OpenCV; gray 16-bit PNG it reads as it should.
"""

import io

import numpy as np
from PIL import Image, TiffImagePlugin

WINDOW = 0.5, 99.5
"""The percentiles that become black and white where a picture is deeper than 8 bits."""

_PNG_COLOUR_TYPES = {2: "RGB", 4: "LA", 6: "RGBA"}
_WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC, _SAMPLES, _PLANAR, _EXTRA, _FORMAT = 256, 257, 258, 262, 277, 284, 338, 339
_MIN_IS_WHITE, _BLACK_IS_ZERO, _RGB, _SEPARATE, _UNASSOCIATED, _SIGNED, _REAL = 0, 1, 2, 2, 2, 2, 3


def window(values: np.ndarray) -> np.ndarray:
    """Map values of any depth, real (H, W), to uint8 (H, W), monotonically.

    Eight bits kept in a deeper container (`eight_bits`) come back as they were. Anything else is
    stretched linearly between two robust percentiles, because a container says nothing of the depth used in it (12
    bits in 16 are the rule) and a few hot pixels or a burnt-in marker must not darken the lungs.
    """
    finite = values if values.dtype.kind in "iu" else values[np.isfinite(values)]
    if finite.size == 0:
        return np.zeros(values.shape, np.uint8)
    least, most = finite.min(), finite.max()
    if finite is not values:
        values = np.nan_to_num(values, nan=least, posinf=most, neginf=least)
    found = eight_bits(values)
    if found is not None:
        return found
    low, high = np.percentile(finite, WINDOW)
    if low == high:
        low, high = float(least), float(most)
    if low == high:
        return np.zeros(values.shape, np.uint8)
    scaled = values.astype(np.float32 if values.itemsize <= 2 else np.float64)
    scaled -= low
    scaled *= 255 / (high - low)
    return np.rint(np.clip(scaled, 0, 255, out=scaled), out=scaled).astype(np.uint8)


def eight_bits(values: np.ndarray) -> np.ndarray | None:
    """The eight bits, uint8 of the same shape, that `values` are in a deeper container; None where they are more.

    They may stand there as they were, at the upper end of 10 to 16 bits (with zeros below, or ones, as an inverted
    picture has), or spread over the whole range, cut off or rounded.
    """
    some, most = values[::16, ::16], values.max()
    if values.min() < 0 or (values.dtype.kind == "f" and (np.any(some % 1) or np.any(values % 1))):
        return None
    if most <= 255:
        return values.astype(np.uint8)
    for bits, given in _CONTAINERS:
        if most < 1 << bits and given(some, bits) is not None and (found := given(values, bits)) is not None:
            return found
    return None


def _spread(values: np.ndarray, bits: int) -> np.ndarray | None:
    scale = ((1 << bits) - 1) / 255
    found = np.rint(values / scale)
    return None if np.any(np.abs(values - found * scale) >= 1) else found.astype(np.uint8)


def _at_the_upper_end(values: np.ndarray, bits: int) -> np.ndarray | None:
    step = 1 << bits - 8
    below = values % step
    filled = below.flat[0]
    return (values // step).astype(np.uint8) if filled in (0, step - 1) and not np.any(below != filled) else None


_CONTAINERS = tuple((bits, way) for bits in (16, 14, 12, 10) for way in (_spread, _at_the_upper_end))


def luma(colour: np.ndarray) -> np.ndarray:
    """ITU-R 601 luma (H, W) of (H, W, 3) in R, G, B order, in Pillow's integer arithmetic: R = G = B stays exact."""
    if colour.dtype != np.uint16:
        return colour @ np.array([0.299, 0.587, 0.114])
    weighted = [colour[..., channel] * np.uint32(weight) for channel, weight in enumerate((19595, 38470, 7471))]
    return ((sum(weighted) + np.uint32(0x8000)) >> np.uint32(16)).astype(np.uint16)


def png_mode(raw: bytes) -> str | None:
    """The mode of a 16-bit PNG with colour or alpha; None for every other file."""
    if not raw.startswith(b"\x89PNG") or raw[24:25] != b"\x10":
        return None
    return _PNG_COLOUR_TYPES.get(raw[25])


class TiffHeader:
    """What a TIFF's first page says of itself, also where Pillow knows no mode for it."""

    def __init__(self, raw: bytes) -> None:
        stream = io.BytesIO(raw)
        self._tags = TiffImagePlugin.ImageFileDirectory_v2(stream.read(16 if raw[2:4] in (b"+\0", b"\0+") else 8))
        stream.seek(self._tags.next)
        self._tags.load(stream)
        self.pages = 1 + bool(self._tags.next)
        self.size = int(self._tags[_WIDTH]), int(self._tags[_HEIGHT])
        self.white_is_zero = self._tags.get(_PHOTOMETRIC) == _MIN_IS_WHITE

    @property
    def mode(self) -> str | None:
        """A name for what is stored where that is deeper than 8 bits (or signed, or real) gray or RGB, else None."""
        bits, kind = max(self._tags.get(_BITS, (1,))), max(self._tags.get(_FORMAT, (1,)))
        photometric = self._tags.get(_PHOTOMETRIC)
        if (bits <= 8 and kind == 1) or photometric not in (_MIN_IS_WHITE, _BLACK_IS_ZERO, _RGB):
            return None
        name = "RGB" if photometric == _RGB else "F" if kind == _REAL else "I"
        return f"{name}{'A' * self.has_alpha};{bits}{'S' * (kind == _SIGNED)}"

    @property
    def has_alpha(self) -> bool:
        """Whether its extra channel must still be multiplied in."""
        return _UNASSOCIATED in self._tags.get(_EXTRA, ())

    @property
    def planar(self) -> bool:
        """Whether its colours are stored one after the other, which OpenCV reads wrongly."""
        return self._tags.get(_SAMPLES, 1) > 1 and self._tags.get(_PLANAR, 1) == _SEPARATE


def decode(raw: bytes) -> np.ndarray | None:
    """Decode with OpenCV at full depth: (H, W) or (H, W, 3 or 4) in R, G, B, A order; None where it cannot.

    OpenCV applies a TIFF's orientation and ignores a PNG's.
    """
    import cv2  # here, because few pictures need it

    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        found = cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    if found is None or found.ndim == 2:
        return found
    return found[..., [2, 1, 0, *range(3, found.shape[2])]]


def to_eight_bits(values: np.ndarray, has_alpha: bool) -> Image.Image:
    """A full-depth picture as an 8-bit Pillow image: windowed gray, or its very colours where they are eight bits."""
    if values.ndim == 2:
        return Image.fromarray(window(values))
    found = eight_bits(values)
    if found is not None:
        return Image.fromarray(np.ascontiguousarray(found[..., : values.shape[2] if has_alpha else 3]))
    gray, alpha = luma(values[..., :3]), values[..., -1]
    if has_alpha and values.shape[2] == 4 and alpha.any():
        gray = gray * (alpha.astype(np.float32) / (1 if alpha.dtype.kind == "f" else np.iinfo(alpha.dtype).max))
    return Image.fromarray(window(gray))
