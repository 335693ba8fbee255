"""From more than 8 bits to 8: windowing by robust percentiles, unless the values are 8 bits in a deeper container."""

from collections.abc import Callable
from typing import cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cxr.imaging.colour import Values, luma, to_gray

WINDOW = 0.5, 99.5
"""The percentiles that become black and white."""


def window(values: Values) -> NDArray[np.uint8]:
    """Map real values (H, W) of any depth to uint8 (H, W), monotonically.

    Eight bits in a deeper container (`eight_bits`) come back unchanged. All other values are stretched linearly between
    two robust percentiles: a container does not tell which bit depth was used in it (12 bits in 16 are the rule), and a
    few hot pixels or a burnt-in marker must not darken the lungs.
    """
    finite = values if values.dtype.kind in "iu" else values[np.isfinite(values)]
    if finite.size == 0:
        return np.zeros(values.shape, np.uint8)
    least, most = finite.min(), finite.max()
    if finite is not values:
        values = np.nan_to_num(cast(NDArray[np.floating], values), nan=least, posinf=most, neginf=least)
    original = eight_bits(values)
    if original is not None:
        return original
    if not np.isfinite(float(most) - float(least)):  # the range of 64-bit reals, whose width is beyond them
        return window(values / 4)
    low, high = np.percentile(finite, WINDOW)
    if low == high:
        low, high = float(least), float(most)
    if low == high:
        return np.zeros(values.shape, np.uint8)
    scaled: NDArray[np.floating] = values.astype(np.float32 if values.itemsize <= 2 else np.float64)
    scaled -= low
    scaled *= 255 / (high - low)
    return np.rint(np.clip(scaled, 0, 255, out=scaled), out=scaled).astype(np.uint8)


def eight_bits(values: Values) -> NDArray[np.uint8] | None:
    """The 8 bits, of the same shape, that `values` hold in a deeper container; None where they hold more.

    The 8 bits may be stored as they are, at the upper end of 10 to 16 bits (with zeros below, or ones, as in an
    inverted image), or spread over the whole range, cut off or rounded.
    """
    some, most = values[::16, ::16], values.max()
    if values.min() < 0 or (values.dtype.kind == "f" and (np.any(some % 1) or np.any(values % 1))):
        return None
    if most <= 255:
        return values.astype(np.uint8)
    for bits, unpack in _CONTAINERS:
        if most < 1 << bits and unpack(some, bits) is not None:
            unpacked = unpack(values, bits)
            if unpacked is not None:
                return unpacked
    return None


def _spread(values: Values, bits: int) -> NDArray[np.uint8] | None:
    scale = ((1 << bits) - 1) / 255
    unpacked = np.rint(values / scale)
    return None if np.any(np.abs(values - unpacked * scale) >= 1) else unpacked.astype(np.uint8)


def _at_the_upper_end(values: Values, bits: int) -> NDArray[np.uint8] | None:
    step = 1 << bits - 8
    below = values % step
    filling = below.flat[0]
    if filling not in (0, step - 1) or np.any(below != filling):
        return None
    return (values // step).astype(np.uint8)


_Unpack = Callable[[Values, int], NDArray[np.uint8] | None]
_CONTAINERS: tuple[tuple[int, _Unpack], ...] = tuple(
    (bits, unpack) for bits in (16, 14, 12, 10) for unpack in (_spread, _at_the_upper_end)
)


def to_eight_bit_gray(values: Values, has_alpha: bool = False) -> NDArray[np.uint8]:
    """Gray (H, W) of values (H, W) or (H, W, channels) of any depth, in R, G, B order or gray first.

    Args:
        has_alpha: whether the last channel is an opacity to be multiplied in; otherwise only gray or R, G, B count.
    """
    if values.ndim == 3 and not has_alpha:
        values = values[..., :3] if values.shape[2] >= 3 else values[..., 0]
    if values.ndim == 2:
        return window(values)
    original = eight_bits(values)
    if original is not None:
        return to_gray(Image.fromarray(np.ascontiguousarray(original)))
    gray, alpha = values[..., 0] if values.shape[2] == 2 else luma(values[..., :3]), values[..., -1]
    if has_alpha and alpha.any():
        opaque = 1 if alpha.dtype.kind == "f" else np.iinfo(alpha.dtype.name).max
        gray = gray * (alpha.astype(np.float32) / opaque)
    return window(gray)
